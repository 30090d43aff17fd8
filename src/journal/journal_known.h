/* What the journal knows of a command that is delivered. On the journal's thread. Private
 * to the journal. */
#ifndef KAALUA_IO_JOURNAL_KNOWN_H
#define KAALUA_IO_JOURNAL_KNOWN_H

#include "core/storage.h"
#include "journal/journal_database.h"

/* Sets `*found`, owned, where the command may not be run again; else NULL. `digest` is of the
 * payload that was delivered. */
int journal_known_find(struct journal_database *database, int64_t endpoint, int64_t type,
                       int64_t id, const uint8_t digest[JSONTEXT_DIGEST_BYTES],
                       struct storage_record **found);

/* Removes what is known under a key; `*was_known` where there was something whose life is
 * over. `only_over`: what is alive is left alone. */
int journal_known_forget(struct journal_database *database, int64_t endpoint, int64_t type,
                         int64_t id, bool only_over, bool *was_known);

#endif
