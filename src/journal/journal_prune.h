/* What is remembered shrinks with age and number: from a whole row to id, status and
 * reason, to nothing. A little in each transaction. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_PRUNE_H
#define KAALUA_IO_JOURNAL_PRUNE_H

#include "journal/journal_database.h"

struct journal_bounds {
  int64_t max_history;
  int64_t max_history_ms;
  int64_t max_history_bytes;
  int64_t max_ids;
  bool gives_back; /* free pages, also where nothing was pruned */
};

/* While the disk is full: only what came last stays whole. */
struct journal_bounds journal_prune_tight(const struct journal_bounds *bounds);

/* Whether by number or size something is beyond the bounds, or room in the file is to be given
 * back. */
bool journal_prune_is_due(struct journal_database *database, const struct journal_bounds *bounds);

/* Takes at most `most` steps of each kind, within a transaction. */
int journal_prune(struct journal_database *database, const struct journal_bounds *bounds,
                  int64_t wall_ms, int64_t most);

/* A key is in `command` or in `past`. Where damage has brought back a row, so that it is in
 * both: whether there are such, and their end. What stays is the later one, and of two of one
 * sequence that which is over. Leaves the counts as they were. */
int journal_prune_find_doubles(struct journal_database *database, bool *has_doubles);
int journal_prune_doubles(struct journal_database *database);

#endif
