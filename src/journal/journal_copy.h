/* A journal on a file system that cannot be written, read through a private copy: SQLite
 * has to write to read a log. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_COPY_H
#define KAALUA_IO_JOURNAL_COPY_H

#include "base/error.h"
#include "journal/journal.h"
#include "journal/journal_database.h"

/* Opens a copy of `path` and of its log in memory or /tmp; where there is no place, the file
 * alone as it is. No `path`: `database` stays empty. A damaged one counts
 * as empty, and is_lost. Returns 0 or a negative errno with `error`. */
int journal_copy_open(struct journal_database *database, const char *path,
                      struct journal_start *found, struct error *error);

#endif
