/* The SQLite database of kaa-local: one connection, used by one thread.
 *
 *   sqlite3_stmt *row = database_query(db, "SELECT a FROM t WHERE b = ?", "t", b);
 *   while (database_step(db, row)) … sqlite3_column_…(row, 0) …
 *
 * A statement is kept and used again for an equal text, so do not ask the same
 * query again while stepping through its rows. A failure of the database (a full
 * disk) is logged once and kept: the program is to end in order, having promised
 * nothing that it has not stored. */
#ifndef KAA_LOCAL_DATABASE_H
#define KAA_LOCAL_DATABASE_H

#include "base/error.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct database;

/* Opens the file, or a database in memory where `path` is NULL, and makes its
 * tables. Returns 0 with `*database` owned, or -EINVAL where the file cannot be
 * used or is not ours. */
int database_open(const char *path, struct database **database, struct error *error);
void database_close(struct database *database); /* NULL: nothing */

/* Whether a statement has failed. */
bool database_has_failed(const struct database *database);

/* The statement with its parameters bound: `types` holds a letter for each, 't'
 * const char * (NULL: null) or 'i' int64_t. Texts are borrowed until the last step. */
sqlite3_stmt *database_query(struct database *database, const char *sql, const char *types, ...);

/* Goes to the next row; returns false after the last. */
bool database_step(struct database *database, sqlite3_stmt *statement);

/* Ends a query before its last row. */
void database_done(sqlite3_stmt *statement);

/* Carries a statement without rows out; returns how many rows it changed. */
int database_run(struct database *database, sqlite3_stmt *statement);

/* What is between is stored together; not nested. */
void database_begin(struct database *database);
void database_commit(struct database *database);

/* A text column, borrowed until the next step; NULL for null. */
const char *database_text(sqlite3_stmt *statement, int column);

#endif
