#include "journal/journal_load.h"

#include "base/memory.h"
#include "journal/journal_names.h"
#include "journal/journal_prune.h"
#include "journal/journal_rows.h"
#include "journal/journal_sum.h"
#include "journal/journal_tables.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_MOST = 4 };

static int corrupt(struct journal_database *database, const char *table, const char *what)
{
  snprintf(database->fault, sizeof database->fault, "table %s: %s", table, what);
  return SQLITE_CORRUPT;
}

static sqlite3_stmt *prepare(struct journal_database *database, char *sql)
{
  sqlite3_stmt *statement = NULL;
  if (!sql || sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL))
    journal_database_fault(database, SQLITE_ERROR, "reading");
  sqlite3_free(sql);
  return statement;
}

static int quick_check(struct journal_database *database)
{
  sqlite3_stmt *check = prepare(database, sqlite3_mprintf("PRAGMA quick_check(1)"));
  if (!check)
    return sqlite3_extended_errcode(database->handle);
  int rc = sqlite3_step(check);
  if (rc == SQLITE_ROW) {
    const char *text = (const char *)sqlite3_column_text(check, 0);
    rc = text && !strcmp(text, "ok") ? 0 : SQLITE_CORRUPT;
    snprintf(database->fault, sizeof database->fault, "%.150s", text ? text : "");
    for (char *at = database->fault; (at = strchr(at, '\n'));)
      *at = ' ';
  } else {
    journal_database_fault(database, rc, "checking");
  }
  sqlite3_finalize(check);
  return rc;
}

static uint64_t key_sum(sqlite3_stmt *row, int columns)
{
  uint64_t sum = 0;
  for (int i = 0; i < columns; i++) {
    size_t size;
    if (sqlite3_column_type(row, i) == SQLITE_INTEGER) {
      sum = journal_sum_integer(sum, sqlite3_column_int64(row, i));
    } else {
      const void *bytes = journal_column_bytes(row, i, &size);
      sum = journal_sum_bytes(sum, bytes, size);
    }
  }
  return sum;
}

/* Verifies each row; `*count` and the sum of all keys, in whatever order. */
static int read_rows(struct journal_database *database, const struct journal_table *table,
                     int64_t *count, uint64_t *keys)
{
  /* The key comes behind the row's own columns. */
  sqlite3_stmt *rows = prepare(
      database, sqlite3_mprintf("SELECT %s FROM %s NOT INDEXED ORDER BY 1", table->columns, table->name));
  sqlite3_stmt *of_keys =
      !table->key ? NULL
                  : prepare(database, sqlite3_mprintf("SELECT %s FROM %s NOT INDEXED ORDER BY rowid",
                                                      table->key, table->name));
  int rc = rows && (of_keys || !table->key) ? SQLITE_ROW : SQLITE_ERROR;
  *count = 0;
  *keys = 0;
  while (rc == SQLITE_ROW && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
    ++*count;
    if (!table->is_whole(rows))
      rc = corrupt(database, table->name, "a checksum does not hold");
    else if (of_keys && (rc = sqlite3_step(of_keys)) == SQLITE_ROW)
      *keys += key_sum(of_keys, table->key_columns);
  }
  if (rc != SQLITE_DONE && rc != SQLITE_CORRUPT)
    journal_database_fault(database, rc, "reading");
  sqlite3_finalize(rows);
  sqlite3_finalize(of_keys);
  return rc == SQLITE_DONE ? 0 : rc;
}

static int compare_column(sqlite3_stmt *row, int column, const struct journal_text *last,
                          int64_t last_integer)
{
  if (sqlite3_column_type(row, column) == SQLITE_INTEGER) {
    int64_t value = sqlite3_column_int64(row, column);
    return (value > last_integer) - (value < last_integer);
  }
  size_t size;
  const void *bytes = journal_column_bytes(row, column, &size);
  size_t less = size < last->size ? size : last->size;
  int order = less ? memcmp(bytes, last->bytes, less) : 0;
  return order ? order : (size > last->size) - (size < last->size);
}

struct last {
  int64_t integers[KEY_MOST];
  struct journal_text texts[KEY_MOST];
};

/* Whether a row of an index comes behind the last one; remembers it. */
static bool is_behind(sqlite3_stmt *row, int columns, struct last *last, bool is_first)
{
  int order = is_first;
  for (int i = 0; i < columns && !order; i++)
    order = compare_column(row, i, &last->texts[i], last->integers[i]);
  for (int i = 0; i < columns; i++) {
    size_t size;
    last->integers[i] = sqlite3_column_int64(row, i);
    if (sqlite3_column_type(row, i) != SQLITE_BLOB)
      continue;
    const void *bytes = journal_column_bytes(row, i, &size);
    free((void *)last->texts[i].bytes);
    last->texts[i] = (struct journal_text){memory_copied(bytes, size), size};
  }
  return order > 0;
}

/* An index that does not hold its table, or is out of order, would let a command that has run
 * look like a new one. */
static int read_index(struct journal_database *database, const struct journal_table *table,
                      int64_t count, uint64_t keys)
{
  sqlite3_stmt *rows = prepare(
      database, sqlite3_mprintf("SELECT %s FROM %s INDEXED BY %s", table->key, table->name,
                                table->index));
  int rc = rows ? SQLITE_ROW : SQLITE_ERROR;
  struct last last = {0};
  for (int64_t found = 0; rc == SQLITE_ROW;) {
    rc = sqlite3_step(rows);
    if (rc == SQLITE_DONE && (found != count || keys))
      rc = corrupt(database, table->name, "an index does not hold what it holds");
    if (rc != SQLITE_ROW)
      break;
    keys -= key_sum(rows, table->key_columns);
    if (!is_behind(rows, table->key_columns, &last, !found++))
      rc = corrupt(database, table->name, "an index is out of order");
  }
  if (rc != SQLITE_DONE && rc != SQLITE_CORRUPT)
    journal_database_fault(database, rc, "reading an index");
  sqlite3_finalize(rows);
  for (int i = 0; i < KEY_MOST; i++)
    free((void *)last.texts[i].bytes);
  return rc == SQLITE_DONE ? 0 : rc;
}

static int read_facts(struct journal_database *database)
{
  sqlite3_stmt *read = journal_database_statement(database, STATEMENT_FACTS_READ);
  if (!read)
    return SQLITE_ERROR;
  int rc = journal_database_step(database, read);
  if (rc != SQLITE_ROW)
    return rc ? rc : corrupt(database, "facts", "it is empty");
  rc = journal_facts_read(read, &database->facts)
           ? 0
           : corrupt(database, "facts", "a checksum does not hold");
  sqlite3_reset(read);
  return rc;
}

/* Rows whose life is over, as the table and as its partial index say. */
static int read_over(struct journal_database *database)
{
  int64_t in_table, in_index, strangers = 0;
  int rc = journal_database_integer(
      database, "SELECT total(sequence)+count(*) FROM command NOT INDEXED WHERE is_over=1", 0,
      &in_table);
  if (!rc)
    rc = journal_database_integer(
        database,
        "SELECT total(sequence)+count(*) FROM command INDEXED BY command_over WHERE is_over=1", 0,
        &in_index);
  if (!rc)
    rc = journal_database_integer(
        database, "SELECT count(*) FROM command INDEXED BY command_over WHERE is_over=1", 0,
        &database->counts.over);
  if (!rc)
    rc = journal_database_integer(
        database,
        "SELECT sum(ifnull(length(payload),0)+ifnull(length(element),0))"
        " FROM command INDEXED BY command_over WHERE is_over=1",
        0, &database->counts.over_bytes);
  if (!rc)
    rc = journal_database_integer(database,
                                  "SELECT count(*) FROM command WHERE"
                                  " endpoint NOT IN(SELECT name FROM name) OR"
                                  " type NOT IN(SELECT name FROM name)",
                                  0, &strangers);
  if (rc)
    return rc;
  if (in_table != in_index)
    return corrupt(database, "command", "its index of what is over does not hold what it holds");
  return strangers ? corrupt(database, "command", "a name is missing") : 0;
}

static int check_once(struct journal_database *database)
{
  int64_t *const counts[JOURNAL_TABLES] = {
      [TABLE_COMMAND] = &database->counts.commands,
      [TABLE_PAST] = &database->counts.past,
      [TABLE_MESSAGE] = &database->counts.messages,
      [TABLE_STORED] = &database->counts.stored,
  };
  int rc = quick_check(database);
  if (!rc)
    rc = read_facts(database);
  for (int i = 0; i < JOURNAL_TABLES && !rc; i++) {
    const struct journal_table *table = journal_table((enum journal_table_which)i);
    int64_t count;
    uint64_t keys;
    rc = read_rows(database, table, &count, &keys);
    if (!rc && table->index)
      rc = read_index(database, table, count, keys);
    if (counts[i])
      *counts[i] = count;
  }
  return rc ? rc : read_over(database);
}

/* Where they cannot be removed (there is no room, it is read-only), they stay: what is in
 * `command` is found first. */
int journal_load_check(struct journal_database *database)
{
  bool has_doubles = false;
  int rc = check_once(database);
  if (!rc)
    rc = journal_prune_find_doubles(database, &has_doubles);
  if (rc || !has_doubles)
    return rc;
  journal_prune_doubles(database);
  return check_once(database);
}
