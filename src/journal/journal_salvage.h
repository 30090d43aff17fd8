/* What can be read of a damaged journal, taken over into a new one. Private to the
 * journal. */
#ifndef KAALUA_IO_JOURNAL_SALVAGE_H
#define KAALUA_IO_JOURNAL_SALVAGE_H

#include "journal/journal_database.h"
#include "journal/journal_mark.h"

/* Copies every row of `damaged` (NULL: nothing is there) that can be read and whose checksum
 * holds into `database`, within its transaction, and sets its facts' numbers above all
 * that were used. Commands that were alive keep their state only where no transaction
 * was lost (`marked`); else what they became is unknown: they may have run, and are done
 * with 500. A fault is one of the new one. */
int journal_salvage(struct journal_database *database, const char *damaged,
                    const struct journal_mark_numbers *marked);

#endif
