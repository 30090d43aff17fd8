/* The tables of the journal: a list of migrations, each from one version to the
 * next. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_SCHEMA_H
#define KAALUA_IO_JOURNAL_SCHEMA_H

#include "journal/journal_database.h"

enum { JOURNAL_SCHEMA_VERSION = 2, JOURNAL_APPLICATION_ID = 0x6b61616c /* "kaal" */ };

/* Brings a database from `from` (0: nothing in it) to `to`, in one transaction; `program`
 * is the version of this program. */
int journal_schema_migrate(struct journal_database *database, int from, int to,
                           const char *program);

/* Reads the version. Returns 0; SQLITE_CORRUPT where the header, the version or the
 * tables are not what a journal's are; SQLITE_SCHEMA where it is newer than this program:
 * `program` is then the version that can read it. */
int journal_schema_check(struct journal_database *database, int *version, char program[64]);

#endif
