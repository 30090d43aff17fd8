/* Changes of the core as rows, within one transaction. On the journal's thread. Private
 * to the journal. */
#ifndef KAALUA_IO_JOURNAL_BATCH_H
#define KAALUA_IO_JOURNAL_BATCH_H

#include "core/storage.h"
#include "journal/journal_database.h"

struct journal_terms {
  int64_t wall_ms;
  bool is_full; /* nothing is accepted, messages are not kept: both are left */
};

/* Carries out a batch in its order. Returns 0 or a fault. */
int journal_batch_apply(struct journal_database *database, struct change *changes, size_t count,
                        const struct journal_terms *terms);

/* Takes back what it wrote into the changes: after a rollback. */
void journal_batch_undo(struct change *changes, size_t count);

/* Where nothing can be written: nothing is accepted. */
void journal_batch_leave(struct change *changes, size_t count);

#endif
