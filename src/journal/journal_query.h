/* Commands for people. On the journal's thread. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_QUERY_H
#define KAALUA_IO_JOURNAL_QUERY_H

#include "journal/journal.h"
#include "journal/journal_database.h"

/* Sets `*answer`, owned. Where it asks for an id, also what is remembered of those that
 * were pruned: {"endpoint", "type", "id", "sequence", "state", "done", "status", "reason"}. */
int journal_query_run(struct journal_database *database, const struct journal_query *query,
                      json_t **answer);

#endif
