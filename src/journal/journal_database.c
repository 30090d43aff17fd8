#include "journal/journal_database.h"

#include "journal/journal_names.h"

#include <stdio.h>
#include <string.h>

enum {
  CACHE_KB = 256, /* the host's resident memory has a goal of 6 MB in all */
  LOG_PAGES = 256, /* before it is copied into the file */
};

static const char *const SQL[JOURNAL_STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_VACUUM] = "PRAGMA incremental_vacuum(16)",
    [STATEMENT_FACTS_READ] =
        "SELECT number,sequence,message,is_lost,was_answered,boot,sum FROM facts WHERE one=1",
    [STATEMENT_FACTS_WRITE] = "INSERT OR REPLACE INTO facts"
                              "(one,number,sequence,message,is_lost,was_answered,boot,sum)"
                              " VALUES(1,?,?,?,?,?,?,?)",
    [STATEMENT_NAME_FIND] = "SELECT name,text,sum FROM name WHERE text=?",
    [STATEMENT_NAME_TEXT] = "SELECT name,text,sum FROM name WHERE name=?",
    [STATEMENT_NAME_ADD] = "INSERT INTO name(name,text,sum) VALUES(?,?,?)",
    [STATEMENT_COMMAND_FIND] = "SELECT " JOURNAL_COMMAND_COLUMNS
                               " FROM command WHERE id=? AND type=? AND endpoint=?",
    [STATEMENT_COMMAND_READ] = "SELECT " JOURNAL_COMMAND_COLUMNS " FROM command WHERE sequence=?",
    [STATEMENT_COMMAND_ADD] = "INSERT INTO command(" JOURNAL_COMMAND_COLUMNS
                              ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_COMMAND_LIFE] = "UPDATE command SET state=?,is_over=?,began=?,over=?,attempts=?,"
                               "policy=?,resumes=?,sum=? WHERE sequence=?",
    [STATEMENT_COMMAND_SAVED] = "UPDATE command SET restart=?,within=?,saved=?,saved_boot=?,"
                                "saved_in=?,saved_text=?,sum=? WHERE sequence=?",
    [STATEMENT_COMMAND_RESULT] =
        "UPDATE command SET state=?,done=?,status=?,reason=?,payload=?,restart=NULL,within=0,"
        "saved=0,saved_boot=0,saved_in=0,saved_text=NULL,sum=? WHERE sequence=?",
    [STATEMENT_COMMAND_REMOVE] = "DELETE FROM command WHERE sequence=?",
    [STATEMENT_COMMAND_OLDEST] = "SELECT " JOURNAL_COMMAND_COLUMNS " FROM command INDEXED BY command_over"
                                 " WHERE is_over=1 ORDER BY sequence LIMIT 1",
    [STATEMENT_PAST_FIND] = "SELECT " JOURNAL_PAST_COLUMNS " FROM past WHERE id=? AND type=? AND endpoint=?",
    [STATEMENT_PAST_READ] = "SELECT " JOURNAL_PAST_COLUMNS " FROM past WHERE sequence=?",
    [STATEMENT_PAST_ADD] = "INSERT INTO past(" JOURNAL_PAST_COLUMNS
                           ") VALUES(?,?,?,?,?,?,?,?,?,?)",
    [STATEMENT_PAST_REMOVE] = "DELETE FROM past WHERE sequence=?",
    [STATEMENT_PAST_OLDEST] = "SELECT min(sequence) FROM past",
    [STATEMENT_MESSAGE_PUT] = "INSERT INTO message"
                              "(number,is_metadata,endpoint,received,body,sum) VALUES(?,?,?,?,?,?)",
    [STATEMENT_MESSAGE_REMOVE] = "DELETE FROM message WHERE number=?",
    [STATEMENT_LISTED_ADD] = "INSERT OR IGNORE INTO listed(endpoint,type,sum) VALUES(?,?,?)",
    [STATEMENT_STORED_READ] = "SELECT one,owner,key,value,sum FROM stored WHERE owner=? AND key=?",
    [STATEMENT_STORED_PUT] =
        "INSERT OR REPLACE INTO stored(one,owner,key,value,sum) VALUES(?,?,?,?,?)",
    [STATEMENT_STORED_REMOVE] = "DELETE FROM stored WHERE one=?",
    [STATEMENT_STORED_SIZE] = "SELECT count(*),total(length(key)+length(value))"
                              " FROM stored WHERE owner=?",
};

int journal_database_fault(struct journal_database *database, int rc, const char *doing)
{
  const char *said = database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(rc);
  snprintf(database->fault, sizeof database->fault, "%s: %s (SQLite %d)", doing, said, rc);
  return rc;
}

static int on_commit(void *context, sqlite3 *handle, const char *name, int pages)
{
  (void)handle, (void)name;
  struct journal_database *database = context;
  database->wal_pages = pages;
  return SQLITE_OK;
}

static int set_up(struct journal_database *database, bool is_normal)
{
  char pragmas[400];
  /* The lock is kept: then the index of the log is in memory, and no other program
   * can write. Sizes before the first access. */
  snprintf(pragmas, sizeof pragmas,
           "PRAGMA locking_mode=EXCLUSIVE; PRAGMA page_size=4096; PRAGMA auto_vacuum=INCREMENTAL;"
           "PRAGMA cache_size=-%d; PRAGMA mmap_size=0; PRAGMA temp_store=MEMORY;"
           "PRAGMA secure_delete=OFF; PRAGMA journal_mode=WAL; PRAGMA synchronous=%s;"
           "PRAGMA journal_size_limit=1048576; PRAGMA wal_autocheckpoint=0;"
           "PRAGMA cell_size_check=ON; PRAGMA trusted_schema=OFF",
           CACHE_KB, is_normal ? "NORMAL" : "FULL");
  int rc = journal_database_run(database, pragmas);
  sqlite3_wal_hook(database->handle, on_commit, database);
  return rc;
}

int journal_database_open(struct journal_database *database, const char *path, bool is_normal)
{
  *database = (struct journal_database){0};
  /* Of the process, and only before SQLite's first use: refused later, without harm. */
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 128, 40);
  int rc = sqlite3_open_v2(path, &database->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                           NULL);
  if (rc)
    return journal_database_fault(database, rc, "opening");
  sqlite3_extended_result_codes(database->handle, 1);
  return set_up(database, is_normal);
}

/* A path as a URI: owned, sqlite3_free() it. */
static char *uri_of(const char *path, const char *query)
{
  char *uri = sqlite3_malloc64(3 * strlen(path) + strlen(query) + 6);
  char *at = uri ? uri + sprintf(uri, "file:") : NULL;
  for (; at && *path; path++)
    if (strchr("%?#", *path))
      at += sprintf(at, "%%%02X", (unsigned)(unsigned char)*path);
    else
      *at++ = *path;
  if (at)
    strcpy(at, query);
  return uri;
}

int journal_database_open_kept(struct journal_database *database, const char *path,
                               bool is_immutable)
{
  *database = (struct journal_database){0};
  int access = is_immutable ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  char *uri = uri_of(path, is_immutable ? "?immutable=1" : "");
  int rc = sqlite3_open_v2(uri ? uri : "", &database->handle,
                           access | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
  sqlite3_free(uri);
  if (!rc) {
    sqlite3_extended_result_codes(database->handle, 1);
    sqlite3_db_config(database->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    rc = journal_database_run(database, "PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-256;"
                                        "SELECT count(*) FROM sqlite_schema");
  }
  if (rc)
    journal_database_close(database);
  return rc;
}

void journal_database_close(struct journal_database *database)
{
  for (int i = 0; i < JOURNAL_STATEMENTS; i++)
    sqlite3_finalize(database->statements[i]);
  sqlite3_close_v2(database->handle);
  journal_names_clear(database);
  *database = (struct journal_database){0};
}

int journal_database_run(struct journal_database *database, const char *sql)
{
  int rc = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
  return rc ? journal_database_fault(database, rc, "preparing") : 0;
}

int journal_database_integer(struct journal_database *database, const char *sql, int64_t otherwise,
                             int64_t *value)
{
  *value = otherwise;
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
  if (!rc && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
    *value = sqlite3_column_int64(statement, 0);
    rc = SQLITE_DONE;
  }
  sqlite3_finalize(statement);
  return !rc || rc == SQLITE_DONE ? 0 : journal_database_fault(database, rc, "asking");
}

sqlite3_stmt *journal_database_statement(struct journal_database *database,
                                         enum journal_statement which)
{
  sqlite3_stmt **statement = &database->statements[which];
  if (!*statement) {
    int rc = sqlite3_prepare_v3(database->handle, SQL[which], -1, SQLITE_PREPARE_PERSISTENT,
                                statement, NULL);
    if (rc)
      journal_database_fault(database, rc, "preparing a statement");
  }
  return *statement;
}

int journal_database_step(struct journal_database *database, sqlite3_stmt *statement)
{
  int rc = sqlite3_step(statement);
  if (rc == SQLITE_ROW)
    return rc;
  if (rc != SQLITE_DONE)
    journal_database_fault(database, rc, sqlite3_sql(statement));
  sqlite3_reset(statement);
  return rc == SQLITE_DONE ? 0 : rc;
}

int journal_database_do(struct journal_database *database, enum journal_statement which)
{
  sqlite3_stmt *statement = journal_database_statement(database, which);
  if (!statement)
    return sqlite3_extended_errcode(database->handle);
  int rc;
  do
    rc = journal_database_step(database, statement);
  while (rc == SQLITE_ROW);
  return rc;
}

bool journal_database_is_due(const struct journal_database *database)
{
  return database->wal_pages >= LOG_PAGES;
}

int journal_database_checkpoint(struct journal_database *database)
{
  int rc = sqlite3_wal_checkpoint_v2(database->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
  if (!rc)
    database->wal_pages = 0;
  return rc ? journal_database_fault(database, rc, "copying the log into the file") : 0;
}

void journal_bind_integer(sqlite3_stmt *statement, int *at, int64_t value)
{
  sqlite3_bind_int64(statement, ++*at, value);
}

void journal_bind_bytes(sqlite3_stmt *statement, int *at, const void *bytes, size_t size)
{
  if (bytes)
    sqlite3_bind_blob64(statement, ++*at, bytes, size, SQLITE_STATIC);
  else
    sqlite3_bind_null(statement, ++*at);
}

const void *journal_column_bytes(sqlite3_stmt *statement, int column, size_t *size)
{
  const void *bytes = sqlite3_column_blob(statement, column);
  *size = (size_t)sqlite3_column_bytes(statement, column);
  return bytes || sqlite3_column_type(statement, column) == SQLITE_NULL ? bytes : "";
}

void journal_bind_null(sqlite3_stmt *statement, int *at)
{
  sqlite3_bind_null(statement, ++*at);
}
