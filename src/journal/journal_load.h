/* Reading all of a journal at the start: is it what was written, and what is alive. On
 * the caller's thread. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_LOAD_H
#define KAALUA_IO_JOURNAL_LOAD_H

#include "core/storage.h"
#include "journal/journal_database.h"

/* Reads every row of every table once, verifies checksums, and that the indexes hold what the
 * tables hold; sets facts and counts. What is both whole and an id is made one again
 * (journal_prune_doubles). SQLITE_CORRUPT where anything is wrong. */
int journal_load_check(struct journal_database *database);

/* What is alive, in order. `boot_id` of this boot. Return 0 or a fault. */
int journal_load_commands(struct journal_database *database, const char *boot_id,
                          void (*row)(void *context, const struct storage_row *row), void *context);
int journal_load_messages(struct journal_database *database,
                          void (*message)(void *context, const struct storage_message *message),
                          void *context);
int journal_load_listed(struct journal_database *database,
                        void (*listed)(void *context, const char *endpoint, const char *type),
                        void *context);

#endif
