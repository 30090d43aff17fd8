#include "journal/journal_schema.h"

#include "journal/journal_sum.h"

#include <stdio.h>
#include <string.h>

/* Written to disk: a version that was released never changes. Keys begin with the
 * id, by which people ask. What is looked through comes before what is long. */
static const char *const MIGRATIONS[JOURNAL_SCHEMA_VERSION] = {
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL, sum INTEGER NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE facts(one INTEGER PRIMARY KEY, number INTEGER NOT NULL,"
    " sequence INTEGER NOT NULL, message INTEGER NOT NULL, is_lost INTEGER NOT NULL,"
    " was_answered INTEGER NOT NULL, boot INTEGER NOT NULL, sum INTEGER NOT NULL);"
    "CREATE TABLE name(name INTEGER PRIMARY KEY, text BLOB NOT NULL, sum INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX name_text ON name(text);"
    "CREATE TABLE command(sequence INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL,"
    " type INTEGER NOT NULL, id INTEGER NOT NULL, state INTEGER NOT NULL, is_over INTEGER,"
    " received INTEGER NOT NULL, began INTEGER, done INTEGER, over INTEGER,"
    " status INTEGER NOT NULL, attempts INTEGER NOT NULL, policy INTEGER NOT NULL,"
    " resumes INTEGER NOT NULL, received_boot INTEGER NOT NULL, boot INTEGER NOT NULL,"
    " restart INTEGER, within INTEGER NOT NULL, saved INTEGER NOT NULL,"
    " saved_boot INTEGER NOT NULL, saved_in INTEGER NOT NULL, digest BLOB NOT NULL, reason BLOB,"
    " payload BLOB, saved_text BLOB, element BLOB, sum INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX command_key ON command(id, type, endpoint);"
    "CREATE INDEX command_over ON command(is_over) WHERE is_over=1;"
    "CREATE TABLE past(sequence INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL,"
    " type INTEGER NOT NULL, id INTEGER NOT NULL, state INTEGER NOT NULL,"
    " status INTEGER NOT NULL, done INTEGER NOT NULL, digest BLOB NOT NULL, reason BLOB,"
    " sum INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX past_key ON past(id, type, endpoint);",

    "CREATE TABLE message(number INTEGER PRIMARY KEY, is_metadata INTEGER NOT NULL,"
    " endpoint INTEGER NOT NULL, received INTEGER NOT NULL, body BLOB NOT NULL,"
    " sum INTEGER NOT NULL);"
    "CREATE TABLE listed(one INTEGER PRIMARY KEY, endpoint INTEGER NOT NULL,"
    " type INTEGER NOT NULL, sum INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX listed_key ON listed(endpoint, type);"
    "CREATE TABLE stored(one INTEGER PRIMARY KEY, owner INTEGER NOT NULL, key BLOB NOT NULL,"
    " value BLOB NOT NULL, sum INTEGER NOT NULL);"
    "CREATE UNIQUE INDEX stored_key ON stored(owner, key);",
};

static int64_t meta_sum(const char *key, const char *value)
{
  uint64_t sum = journal_sum_bytes(journal_sum_begin("meta"), key, strlen(key));
  return journal_sum_end(journal_sum_bytes(sum, value, strlen(value)), 0);
}

static int meta_write(struct journal_database *database, const char *key, const char *value)
{
  char *sql = sqlite3_mprintf("INSERT OR REPLACE INTO meta(key,value,sum) VALUES(%Q,%Q,%lld)", key,
                              value, (long long)meta_sum(key, value));
  int rc = sql ? journal_database_run(database, sql) : SQLITE_NOMEM;
  sqlite3_free(sql);
  return rc;
}

static int meta_read(struct journal_database *database, const char *key, char value[64])
{
  value[0] = '\0';
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(database->handle, "SELECT value,sum FROM meta WHERE key=?", -1,
                              &statement, NULL);
  if (!rc) {
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    rc = sqlite3_step(statement);
  }
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(statement, 0);
    if (text)
      snprintf(value, 64, "%s", text);
    rc = text && sqlite3_column_int64(statement, 1) == meta_sum(key, value) ? 0 : SQLITE_CORRUPT;
  }
  sqlite3_finalize(statement);
  return rc == SQLITE_DONE || rc == SQLITE_ERROR ? SQLITE_CORRUPT : rc;
}

static int migrate(struct journal_database *database, int from, int to, const char *program)
{
  int rc = 0;
  for (int version = from; !rc && version < to; version++)
    rc = journal_database_run(database, MIGRATIONS[version]);
  char text[64];
  snprintf(text, sizeof text, "PRAGMA user_version=%d", to);
  if (!rc)
    rc = journal_database_run(database, text);
  snprintf(text, sizeof text, "PRAGMA application_id=%d", JOURNAL_APPLICATION_ID);
  if (!rc)
    rc = journal_database_run(database, text);
  snprintf(text, sizeof text, "%d", to);
  if (!rc)
    rc = meta_write(database, "schema", text);
  return rc ? rc : meta_write(database, "kaalua", program);
}

int journal_schema_migrate(struct journal_database *database, int from, int to,
                           const char *program)
{
  int rc = journal_database_run(database, "BEGIN IMMEDIATE");
  if (!rc && !(rc = migrate(database, from, to, program)))
    return journal_database_run(database, "COMMIT");
  sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
  return rc;
}

static int corrupt(struct journal_database *database, const char *text)
{
  snprintf(database->fault, sizeof database->fault, "%s", text);
  return SQLITE_CORRUPT;
}

/* All that the tables and indexes are made of, as one text; sqlite3_free() it. */
static char *shape(sqlite3 *handle)
{
  sqlite3_stmt *statement = NULL;
  char *text = NULL;
  if (!sqlite3_prepare_v2(handle,
                          "SELECT group_concat(type||name||tbl_name||ifnull(sql,'')) FROM"
                          " (SELECT * FROM sqlite_schema ORDER BY name)",
                          -1, &statement, NULL) &&
      sqlite3_step(statement) == SQLITE_ROW)
    text = sqlite3_mprintf("%s", sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  return text;
}

static bool has_shape(struct journal_database *database, int version)
{
  sqlite3 *model = NULL;
  bool is_same = !sqlite3_open(":memory:", &model);
  for (int i = 0; i < version && is_same; i++)
    is_same = !sqlite3_exec(model, MIGRATIONS[i], NULL, NULL, NULL);
  char *wanted = is_same ? shape(model) : NULL, *found = is_same ? shape(database->handle) : NULL;
  is_same = wanted && found && !strcmp(wanted, found);
  sqlite3_free(wanted);
  sqlite3_free(found);
  sqlite3_close(model);
  return is_same;
}

int journal_schema_check(struct journal_database *database, int *version, char program[64])
{
  int64_t application = 0, user = 0;
  int rc = journal_database_integer(database, "PRAGMA application_id", 0, &application);
  if (!rc)
    rc = journal_database_integer(database, "PRAGMA user_version", 0, &user);
  if (rc)
    return rc;
  char schema[64], expected[64];
  snprintf(expected, sizeof expected, "%lld", (long long)user);
  if ((rc = meta_read(database, "schema", schema)) || (rc = meta_read(database, "kaalua", program)))
    return journal_database_fault(database, rc, "reading its version");
  if (application != JOURNAL_APPLICATION_ID || strcmp(schema, expected) != 0)
    return corrupt(database, "its header is damaged");
  *version = (int)user;
  if (user > JOURNAL_SCHEMA_VERSION)
    return SQLITE_SCHEMA;
  if (!has_shape(database, *version))
    return corrupt(database, "its tables are not those of a journal");
  return 0;
}
