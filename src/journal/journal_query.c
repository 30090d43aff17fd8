#include "journal/journal_query.h"

#include "journal/journal_names.h"
#include "journal/journal_rows.h"

#include <stdlib.h>
#include <string.h>

enum { LIMIT_USUAL = 20, LIMIT_MOST = 1000 };

static void set_integer(json_t *object, const char *key, int64_t value)
{
  if (value != ROW_ABSENT)
    json_object_set_new(object, key, json_integer(value));
}

static void set_text(json_t *object, const char *key, const struct journal_text *text)
{
  json_t *value = text->bytes ? json_stringn(text->bytes, text->size) : NULL;
  if (value)
    json_object_set_new(object, key, value);
}

static void set_name(struct journal_database *database, json_t *object, const char *key, int64_t id)
{
  char *text;
  if (!journal_names_text(database, id, &text) && text)
    json_object_set_new(object, key, json_string(text));
  free(text);
}

static json_t *object_of(struct journal_database *database, int64_t endpoint, int64_t type,
                         int64_t id, int64_t sequence, int64_t state)
{
  json_t *object = json_object();
  set_name(database, object, "endpoint", endpoint);
  set_name(database, object, "type", type);
  json_object_set_new(object, "id", json_integer(id)); /* every number is one */
  set_integer(object, "sequence", sequence);
  json_object_set_new(object, "state",
                      json_string(command_state_name(journal_row_to_state(state))));
  return object;
}

static json_t *of_row(struct journal_database *database, const struct journal_row *row, bool is_whole)
{
  json_t *object =
      object_of(database, row->endpoint, row->type, row->id, row->sequence, row->state);
  set_integer(object, "received", row->received);
  set_integer(object, "began", row->began);
  set_integer(object, "done", row->done);
  set_integer(object, "over", row->over);
  set_integer(object, "attempts", row->attempts);
  if (row->done != ROW_ABSENT) {
    set_integer(object, "status", row->status);
    set_text(object, "reason", &row->reason);
  }
  if (is_whole) {
    set_text(object, "command", &row->element);
    set_text(object, "payload", &row->payload);
    set_text(object, "saved", &row->saved_text);
  }
  return object;
}

static json_t *of_past(struct journal_database *database, const struct journal_past *past)
{
  json_t *object =
      object_of(database, past->endpoint, past->type, past->id, past->sequence, past->state);
  set_integer(object, "done", past->done * 1000);
  set_integer(object, "status", past->status);
  set_text(object, "reason", &past->reason);
  return object;
}

/* Rows of `table` that are asked for, the newest first. By id it goes through the index;
 * else it reads back through the history, which has its bound. */
static sqlite3_stmt *select_rows(struct journal_database *database, const char *table,
                                 const struct journal_query *query, int64_t endpoint, int64_t type,
                                 int64_t limit)
{
  bool is_past = !strcmp(table, "past");
  char *sql = sqlite3_mprintf(
      "SELECT %s FROM %s %s WHERE sequence<?1%s%s%s ORDER BY sequence DESC LIMIT ?2",
      is_past ? JOURNAL_PAST_COLUMNS : JOURNAL_COMMAND_COLUMNS, table,
      !query->has_id ? "" : is_past ? "INDEXED BY past_key" : "INDEXED BY command_key",
      query->has_id ? " AND id=?3" : "",
      query->type ? " AND type=?4" : "", query->endpoint ? " AND endpoint=?5" : "");
  sqlite3_stmt *statement = NULL;
  if (!sql || sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL))
    journal_database_fault(database, SQLITE_ERROR, "asking");
  sqlite3_free(sql);
  if (statement) {
    sqlite3_bind_int64(statement, 1, query->before ? query->before : INT64_MAX);
    sqlite3_bind_int64(statement, 2, limit);
    sqlite3_bind_int64(statement, 3, query->id);
    sqlite3_bind_int64(statement, 4, type);
    sqlite3_bind_int64(statement, 5, endpoint);
  }
  return statement;
}

static int corrupt(struct journal_database *database)
{
  strcpy(database->fault, "a checksum does not hold");
  return SQLITE_CORRUPT;
}

static int gather(struct journal_database *database, sqlite3_stmt *statement, bool is_past,
                  bool is_whole, json_t *answer)
{
  int rc;
  while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
    struct journal_row row;
    struct journal_past past;
    if (is_past ? !journal_past_read(statement, &past) : !journal_row_read(statement, &row))
      return corrupt(database);
    json_array_append_new(answer, is_past ? of_past(database, &past)
                                          : of_row(database, &row, is_whole));
  }
  return rc == SQLITE_DONE ? 0 : journal_database_fault(database, rc, "asking");
}

static int ask(struct journal_database *database, const struct journal_query *query,
               int64_t endpoint, int64_t type, json_t *answer)
{
  size_t limit = query->limit ? query->limit : LIMIT_USUAL;
  if (limit > LIMIT_MOST)
    limit = LIMIT_MOST;
  for (int is_past = 0; is_past <= (query->has_id ? 1 : 0); is_past++) {
    int64_t room = (int64_t)limit - (int64_t)json_array_size(answer);
    if (room <= 0)
      return 0;
    sqlite3_stmt *rows = select_rows(database, is_past ? "past" : "command", query, endpoint,
                                     type, room);
    if (!rows)
      return SQLITE_ERROR;
    int rc = gather(database, rows, is_past, query->is_whole, answer);
    sqlite3_finalize(rows);
    if (rc)
      return rc;
  }
  return 0;
}

int journal_query_run(struct journal_database *database, const struct journal_query *query,
                      json_t **answer)
{
  int64_t endpoint = 0, type = 0;
  *answer = NULL;
  int rc = query->endpoint ? journal_names_find(database, query->endpoint, &endpoint) : 0;
  if (!rc && query->type)
    rc = journal_names_find(database, query->type, &type);
  json_t *found = json_array();
  if (!rc && !(query->endpoint && !endpoint) && !(query->type && !type))
    rc = ask(database, query, endpoint, type, found);
  if (rc)
    json_decref(found);
  else
    *answer = found;
  return rc;
}
