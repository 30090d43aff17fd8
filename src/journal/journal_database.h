/* One SQLite connection to a journal: how it is opened, its prepared statements, and
 * what is known of it without asking. One thread at a time. Private to the journal.
 *
 * Functions return 0 or an (extended) SQLite result code; `fault` then holds what
 * is wrong. A row whose checksum does not hold is SQLITE_CORRUPT. */
#ifndef KAALUA_IO_JOURNAL_DATABASE_H
#define KAALUA_IO_JOURNAL_DATABASE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* All of a row, as journal_rows.h reads it. */
#define JOURNAL_COMMAND_COLUMNS                                                                    \
  "sequence,endpoint,type,id,state,is_over,received,began,done,over,status,attempts,policy,"       \
  "resumes,received_boot,boot,restart,within,saved,saved_boot,saved_in,digest,reason,payload,"     \
  "saved_text,element,sum"
#define JOURNAL_PAST_COLUMNS "sequence,endpoint,type,id,state,status,done,digest,reason,sum"

enum journal_statement {
  STATEMENT_BEGIN,
  STATEMENT_COMMIT,
  STATEMENT_ROLLBACK,
  STATEMENT_VACUUM,
  STATEMENT_FACTS_READ,
  STATEMENT_FACTS_WRITE,
  STATEMENT_NAME_FIND,
  STATEMENT_NAME_TEXT,
  STATEMENT_NAME_ADD,
  STATEMENT_COMMAND_FIND,
  STATEMENT_COMMAND_READ,
  STATEMENT_COMMAND_ADD,
  STATEMENT_COMMAND_LIFE,
  STATEMENT_COMMAND_SAVED,
  STATEMENT_COMMAND_RESULT,
  STATEMENT_COMMAND_REMOVE,
  STATEMENT_COMMAND_OLDEST,
  STATEMENT_PAST_FIND,
  STATEMENT_PAST_READ,
  STATEMENT_PAST_ADD,
  STATEMENT_PAST_REMOVE,
  STATEMENT_PAST_OLDEST,
  STATEMENT_MESSAGE_PUT,
  STATEMENT_MESSAGE_REMOVE,
  STATEMENT_LISTED_ADD,
  STATEMENT_STORED_READ,
  STATEMENT_STORED_PUT,
  STATEMENT_STORED_REMOVE,
  STATEMENT_STORED_SIZE,
  JOURNAL_STATEMENTS
};

/* The one row that each transaction writes. */
struct journal_facts {
  int64_t transaction; /* number of the last one */
  int64_t sequence;    /* the greatest of a command */
  int64_t message;     /* likewise */
  bool is_lost;
  bool was_answered;
  int64_t boot;        /* name of the boot in which it was written */
};

struct journal_counts {
  int64_t commands; /* rows */
  int64_t over;     /* of them */
  int64_t over_bytes; /* of these: journal_row_bytes() */
  int64_t past;
  int64_t messages;
  int64_t stored;
};

enum { JOURNAL_NAMES_CACHED = 128 };

struct journal_name {
  char *text;
  int64_t id;
};

struct journal_database {
  sqlite3 *handle;
  sqlite3_stmt *statements[JOURNAL_STATEMENTS];
  struct journal_facts facts;
  struct journal_counts counts;
  struct journal_name names[JOURNAL_NAMES_CACHED];
  int64_t boot; /* name of this boot, 0: not asked for yet */
  int wal_pages;
  char fault[200];
};

/* Opens what is there. `is_normal`: as in struct journal_options. */
int journal_database_open(struct journal_database *database, const char *path, bool is_normal);

/* Opens a file that is not to be touched: `is_immutable`: without its log and locks, else with
 * its log, which is left as it is. What cannot be read as a database is closed again. */
int journal_database_open_kept(struct journal_database *database, const char *path,
                               bool is_immutable);

/* Closes (SQLite writes the log back into the file) and empties `database`. */
void journal_database_close(struct journal_database *database);

/* Sets `fault` from SQLite's message; returns `rc`. */
int journal_database_fault(struct journal_database *database, int rc, const char *doing);

int journal_database_run(struct journal_database *database, const char *sql);

/* The first column of the first row; `otherwise` where there is none. */
int journal_database_integer(struct journal_database *database, const char *sql, int64_t otherwise,
                             int64_t *value);

/* Ready to be bound; NULL where it cannot be prepared (then `fault` is set). */
sqlite3_stmt *journal_database_statement(struct journal_database *database,
                                         enum journal_statement which);

/* One step of a statement that returns no row, or one; resets it unless there is a row.
 * Returns 0, SQLITE_ROW or a fault. */
int journal_database_step(struct journal_database *database, sqlite3_stmt *statement);

/* Steps a statement without parameters or rows. */
int journal_database_do(struct journal_database *database, enum journal_statement which);

/* Whether the log has grown so far that it is to be copied into the file. */
bool journal_database_is_due(const struct journal_database *database);

/* Copies it. SQLITE_FULL and SQLITE_BUSY: not all of it, another time. */
int journal_database_checkpoint(struct journal_database *database);

/* Binding from the first parameter on: `*at` counts. NULL bytes bind NULL; the bytes stay
 * the caller's until the statement is reset. */
void journal_bind_integer(sqlite3_stmt *statement, int *at, int64_t value);
void journal_bind_bytes(sqlite3_stmt *statement, int *at, const void *bytes, size_t size);
void journal_bind_null(sqlite3_stmt *statement, int *at);

/* Borrowed until the statement is stepped or reset; NULL for NULL alone. */
const void *journal_column_bytes(sqlite3_stmt *statement, int column, size_t *size);

#endif
