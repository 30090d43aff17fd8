/* Endpoint tokens, types and boot ids, each stored once and named by a number. Private to
 * the journal. */
#ifndef KAALUA_IO_JOURNAL_NAMES_H
#define KAALUA_IO_JOURNAL_NAMES_H

#include "journal/journal_database.h"

/* The number of a text; 0 where it is not known. */
int journal_names_find(struct journal_database *database, const char *text, int64_t *id);

/* Likewise, adding it where it is new; within a transaction. */
int journal_names_put(struct journal_database *database, const char *text, int64_t *id);

/* The text of a number, copied: free() it; NULL where there is none. */
int journal_names_text(struct journal_database *database, int64_t id, char **text);

/* The number of this boot; within a transaction. */
int journal_names_boot(struct journal_database *database, const char *boot_id);

/* Forgets what is cached: after a rollback. */
void journal_names_clear(struct journal_database *database);

int64_t journal_names_sum(int64_t id, const void *text, size_t size);

#endif
