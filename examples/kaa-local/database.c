#include "database.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_VERSION = 1, APPLICATION_ID = 0x6b61614c /* "kaaL" */ };

/* Times are milliseconds since 1970 UTC. payload and response are JSON text, null
 * where there is none. is_kept is 0 for a command of retention 0. last_ids outlives
 * the commands: an id is not given twice, also after a deletion. */
static const char schema[] =
    "CREATE TABLE endpoints (token TEXT PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " last_seen_ms INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;"
    "CREATE TABLE commands (endpoint_id TEXT NOT NULL, type TEXT NOT NULL, id INTEGER NOT NULL,"
    " state INTEGER NOT NULL, is_kept INTEGER NOT NULL, payload TEXT, status_code INTEGER,"
    " reason TEXT, response TEXT, created_ms INTEGER NOT NULL,"
    " updated_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, UNIQUE (endpoint_id, type, id));"
    "CREATE INDEX commands_pending ON commands (expires_ms) WHERE state = 0;"
    "CREATE TABLE last_ids (endpoint_id TEXT, type TEXT, id INTEGER NOT NULL,"
    " PRIMARY KEY (endpoint_id, type)) WITHOUT ROWID;"
    "CREATE TABLE samples (endpoint_id TEXT NOT NULL, name TEXT NOT NULL, at_ms INTEGER NOT NULL,"
    " value TEXT NOT NULL);"
    "CREATE INDEX samples_of ON samples (endpoint_id, name);"
    "CREATE TABLE metadata (endpoint_id TEXT, key TEXT, value TEXT NOT NULL,"
    " PRIMARY KEY (endpoint_id, key)) WITHOUT ROWID;";

struct cached {
  char *sql;
  sqlite3_stmt *statement;
};

struct database {
  sqlite3 *connection;
  struct cached *cache;
  size_t cached;
  bool has_failed;
};

static int64_t pragma_value(sqlite3 *connection, const char *sql)
{
  sqlite3_stmt *statement = NULL;
  int64_t value = -1;
  if (sqlite3_prepare_v2(connection, sql, -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    value = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  return value;
}

static int execute(sqlite3 *connection, const char *sql, struct error *error)
{
  if (sqlite3_exec(connection, sql, NULL, NULL, NULL) == SQLITE_OK)
    return 0;
  return error_set(error, -EINVAL, "%s", sqlite3_errmsg(connection));
}

/* A file of another program is left as it is. */
static int make_tables(sqlite3 *connection, struct error *error)
{
  int64_t application = pragma_value(connection, "PRAGMA application_id");
  int64_t version = pragma_value(connection, "PRAGMA user_version");
  int64_t objects = pragma_value(connection, "SELECT count(*) FROM sqlite_schema");
  if (objects < 0)
    return error_set(error, -EINVAL, "%s", sqlite3_errmsg(connection));
  if (objects && application != APPLICATION_ID)
    return error_set(error, -EINVAL, "it is not a database of kaa-local");
  if (objects && version != SCHEMA_VERSION)
    return error_set(error, -EINVAL, "its schema has version %lld; this kaa-local reads %d",
                     (long long)version, SCHEMA_VERSION);
  if (objects)
    return 0;
  char *sql = memory_format("BEGIN; %s PRAGMA application_id = %d; PRAGMA user_version = %d;"
                            " COMMIT", schema, APPLICATION_ID, SCHEMA_VERSION);
  int rc = execute(connection, sql, error);
  free(sql);
  return rc;
}

int database_open(const char *path, struct database **database, struct error *error)
{
  sqlite3 *connection = NULL;
  int rc = 0;
  if (sqlite3_open(path ? path : ":memory:", &connection) != SQLITE_OK)
    rc = error_set(error, -EINVAL, "%s",
                   connection ? sqlite3_errmsg(connection) : sqlite3_errstr(SQLITE_NOMEM));
  sqlite3_busy_timeout(connection, 1000);
  if (!rc && path)
    rc = execute(connection, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                             "PRAGMA synchronous = NORMAL", error);
  if (!rc)
    rc = make_tables(connection, error);
  if (rc) {
    sqlite3_close(connection);
    return error_prefix(error, "the database %s: ", path ? path : "in memory");
  }
  *database = memory_zeroed(1, sizeof **database);
  (*database)->connection = connection;
  return 0;
}

void database_close(struct database *database)
{
  if (!database)
    return;
  for (size_t i = 0; i < database->cached; i++) {
    sqlite3_finalize(database->cache[i].statement);
    free(database->cache[i].sql);
  }
  free(database->cache);
  sqlite3_close(database->connection);
  free(database);
}

bool database_has_failed(const struct database *database)
{
  return database->has_failed;
}

static void fail(struct database *database)
{
  if (!database->has_failed)
    log_error("store", "the database failed", "why", sqlite3_errmsg(database->connection));
  database->has_failed = true;
}

static sqlite3_stmt *find_statement(struct database *database, const char *sql)
{
  for (size_t i = 0; i < database->cached; i++)
    if (!strcmp(database->cache[i].sql, sql))
      return database->cache[i].statement;
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(database->connection, sql, -1, &statement, NULL) != SQLITE_OK) {
    fail(database);
    return NULL; /* every sqlite3 function takes it and does nothing */
  }
  size_t count = ++database->cached;
  database->cache = memory_resized(database->cache, count * sizeof *database->cache);
  database->cache[count - 1] = (struct cached){memory_text(sql), statement};
  return statement;
}

sqlite3_stmt *database_query(struct database *database, const char *sql, const char *types, ...)
{
  sqlite3_stmt *statement = find_statement(database, sql);
  if (!statement)
    return NULL;
  sqlite3_reset(statement);
  va_list values;
  va_start(values, types);
  for (int i = 1; types[i - 1]; i++) {
    if (types[i - 1] == 't')
      sqlite3_bind_text(statement, i, va_arg(values, const char *), -1, SQLITE_STATIC);
    else
      sqlite3_bind_int64(statement, i, va_arg(values, int64_t));
  }
  va_end(values);
  return statement;
}

bool database_step(struct database *database, sqlite3_stmt *statement)
{
  int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;
  if (rc == SQLITE_ROW)
    return true;
  if (rc != SQLITE_DONE)
    fail(database);
  sqlite3_reset(statement);
  return false;
}

void database_done(sqlite3_stmt *statement)
{
  sqlite3_reset(statement);
}

int database_run(struct database *database, sqlite3_stmt *statement)
{
  while (database_step(database, statement)) {
  }
  return database->has_failed ? 0 : sqlite3_changes(database->connection);
}

void database_begin(struct database *database)
{
  database_run(database, database_query(database, "BEGIN IMMEDIATE", ""));
}

void database_commit(struct database *database)
{
  database_run(database, database_query(database, "COMMIT", ""));
}

const char *database_text(sqlite3_stmt *statement, int column)
{
  return (const char *)sqlite3_column_text(statement, column);
}
