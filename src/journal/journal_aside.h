/* Damaged journals: set aside under their date, and found again. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_ASIDE_H
#define KAALUA_IO_JOURNAL_ASIDE_H

#include "base/error.h"

/* Renames journal.db with its log; `*name`, owned, is the new one within the directory. */
int journal_aside_move(const char *directory, char **name, struct error *error);

/* Where journal.db is not there: renames a log that was left to go with `name` (NULL: with
 * none). SQLite would take it for the log of the next one. */
int journal_aside_finish(const char *directory, const char *name, struct error *error);

/* The newest that was set aside, owned; NULL: none. */
char *journal_aside_newest(const char *directory);

/* fsync of a file or directory. Returns 0 or a negative errno. */
int journal_aside_sync(const char *path);

#endif
