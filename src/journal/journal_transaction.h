/* Works as one transaction, and queries outside of it. On the journal's thread. Private
 * to the journal. */
#ifndef KAALUA_IO_JOURNAL_TRANSACTION_H
#define KAALUA_IO_JOURNAL_TRANSACTION_H

#include "journal/journal_database.h"
#include "journal/journal_prune.h"
#include "journal/journal_work.h"

/* Carries out all but the queries among `works`. `is_full`: as in journal_batch.h, and
 * nothing is stored for handlers. Returns 0, or a fault: then nothing has happened, to the
 * works neither. */
int journal_transaction_run(struct journal_database *database, struct journal_works *works,
                            const struct journal_bounds *bounds, const char *boot_id,
                            bool is_full);

/* Works where nothing can be written: reads what can be read. */
void journal_transaction_read_only(struct journal_database *database, struct journal_works *works);

/* A query; a fault is its failure, too. */
int journal_transaction_query(struct journal_database *database, struct journal_work *work);

#endif
