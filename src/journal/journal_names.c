#include "journal/journal_names.h"

#include "base/memory.h"
#include "journal/journal_sum.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t journal_names_sum(int64_t id, const void *text, size_t size)
{
  uint64_t sum = journal_sum_integer(journal_sum_begin("name"), id);
  return journal_sum_end(journal_sum_bytes(sum, text, size), 0);
}

static struct journal_name *slot(struct journal_database *database, const char *text)
{
  uint64_t hash = journal_sum_bytes(0, text, strlen(text));
  return &database->names[hash % JOURNAL_NAMES_CACHED];
}

static void remember(struct journal_database *database, const char *text, int64_t id)
{
  struct journal_name *name = slot(database, text);
  free(name->text);
  *name = (struct journal_name){memory_text(text), id};
}

static bool is_whole(struct journal_database *database, sqlite3_stmt *row)
{
  size_t size;
  const void *text = journal_column_bytes(row, 1, &size);
  if (journal_names_sum(sqlite3_column_int64(row, 0), text, size) == sqlite3_column_int64(row, 2))
    return true;
  snprintf(database->fault, sizeof database->fault, "a name's checksum does not hold");
  return false;
}

int journal_names_find(struct journal_database *database, const char *text, int64_t *id)
{
  const struct journal_name *name = slot(database, text);
  *id = 0;
  if (name->text && !strcmp(name->text, text)) {
    *id = name->id;
    return 0;
  }
  sqlite3_stmt *find = journal_database_statement(database, STATEMENT_NAME_FIND);
  if (!find)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_bytes(find, &at, text, strlen(text));
  int rc = journal_database_step(database, find);
  if (rc != SQLITE_ROW)
    return rc;
  rc = is_whole(database, find) ? 0 : SQLITE_CORRUPT;
  *id = sqlite3_column_int64(find, 0);
  sqlite3_reset(find);
  if (!rc)
    remember(database, text, *id);
  return rc;
}

int journal_names_put(struct journal_database *database, const char *text, int64_t *id)
{
  int rc = journal_names_find(database, text, id);
  if (rc || *id)
    return rc;
  int64_t last;
  rc = journal_database_integer(database, "SELECT max(name) FROM name", 0, &last);
  if (rc)
    return rc;
  sqlite3_stmt *add = journal_database_statement(database, STATEMENT_NAME_ADD);
  if (!add)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(add, &at, last + 1);
  journal_bind_bytes(add, &at, text, strlen(text));
  journal_bind_integer(add, &at, journal_names_sum(last + 1, text, strlen(text)));
  if ((rc = journal_database_step(database, add)))
    return rc;
  *id = last + 1;
  remember(database, text, *id);
  return 0;
}

int journal_names_text(struct journal_database *database, int64_t id, char **text)
{
  *text = NULL;
  sqlite3_stmt *find = journal_database_statement(database, STATEMENT_NAME_TEXT);
  if (!find)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(find, &at, id);
  int rc = journal_database_step(database, find);
  if (rc != SQLITE_ROW)
    return rc;
  rc = is_whole(database, find) ? 0 : SQLITE_CORRUPT;
  if (!rc) {
    size_t size;
    const char *bytes = journal_column_bytes(find, 1, &size);
    *text = memory_copied(bytes, size);
  }
  sqlite3_reset(find);
  return rc;
}

int journal_names_boot(struct journal_database *database, const char *boot_id)
{
  return database->boot ? 0 : journal_names_put(database, boot_id, &database->boot);
}

void journal_names_clear(struct journal_database *database)
{
  for (int i = 0; i < JOURNAL_NAMES_CACHED; i++) {
    free(database->names[i].text);
    database->names[i] = (struct journal_name){0};
  }
  database->boot = 0;
}
