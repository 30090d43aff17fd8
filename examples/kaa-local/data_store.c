#include "data_store.h"

#include "base/jsontext.h"

#include <errno.h>
#include <string.h>

int data_store_add_endpoint(struct database *database, const char *token, const char *endpoint_id)
{
  sqlite3_stmt *row = database_query(
      database, "SELECT count(*) FROM endpoints WHERE (token = ?1) + (id = ?2) = 1", "tt", token,
      endpoint_id);
  bool is_taken = database_step(database, row) && sqlite3_column_int(row, 0);
  database_done(row);
  if (is_taken)
    return -EEXIST;
  database_run(database, database_query(database,
                                        "INSERT OR IGNORE INTO endpoints (token, id) VALUES (?, ?)",
                                        "tt", token, endpoint_id));
  return 0;
}

void data_store_endpoints(struct database *database, data_store_each_endpoint *each, void *context)
{
  sqlite3_stmt *row =
      database_query(database, "SELECT token, id, last_seen_ms FROM endpoints ORDER BY token", "");
  while (database_step(database, row))
    each(context, database_text(row, 0), database_text(row, 1), sqlite3_column_int64(row, 2));
}

void data_store_seen(struct database *database, const char *endpoint_id, int64_t at_ms)
{
  database_run(database,
               database_query(database, "UPDATE endpoints SET last_seen_ms = ? WHERE id = ?", "it",
                              at_ms, endpoint_id));
}

static void add_value(struct database *database, const char *endpoint_id, const char *name,
                      int64_t at_ms, const json_t *value)
{
  struct buffer text = {0};
  jsontext_write(&text, value);
  database_run(database,
               database_query(database, "INSERT INTO samples VALUES (?, ?, ?, ?)", "ttit",
                              endpoint_id, name, at_ms, buffer_text(&text)));
  buffer_clear(&text);
  database_run(database,
               database_query(database,
                              "DELETE FROM samples WHERE endpoint_id = ?1 AND name = ?2"
                              " AND rowid <="
                              " (SELECT rowid FROM samples WHERE endpoint_id = ?1 AND name = ?2"
                              " ORDER BY rowid DESC LIMIT 1 OFFSET ?3)",
                              "tti", endpoint_id, name, (int64_t)DATA_STORE_SAMPLES));
}

void data_store_add_sample(struct database *database, const char *endpoint_id, int64_t at_ms,
                           const json_t *sample)
{
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)sample, name, value)
    add_value(database, endpoint_id, name, at_ms, value);
}

static void write_name(struct buffer *out, const char *name, bool *is_first)
{
  if (!*is_first)
    buffer_append_char(out, ',');
  *is_first = false;
  jsontext_write_string(out, name, strlen(name));
  buffer_append_char(out, ':');
}

static bool is_number(const char *json)
{
  return *json == '-' || (*json >= '0' && *json <= '9');
}

static void write_series(struct database *database, const char *endpoint_id, struct buffer *out)
{
  sqlite3_stmt *row = database_query(
      database, "SELECT name, at_ms, value FROM samples WHERE endpoint_id = ? ORDER BY name, rowid",
      "t", endpoint_id);
  struct buffer current = {0};
  bool is_first = true, is_open = false;
  while (database_step(database, row)) {
    const char *name = database_text(row, 0);
    if (!is_number(database_text(row, 2)))
      continue;
    if (is_open && strcmp(buffer_text(&current), name) != 0) {
      buffer_append_char(out, ']');
      is_open = false;
    }
    if (!is_open) {
      write_name(out, name, &is_first);
      buffer_reset(&current);
      buffer_append_text(&current, name);
    }
    buffer_format(out, "%s[%lld,%s]", is_open ? "," : "[",
                  (long long)sqlite3_column_int64(row, 1), database_text(row, 2));
    is_open = true;
  }
  if (is_open)
    buffer_append_char(out, ']');
  buffer_clear(&current);
}

void data_store_telemetry(struct database *database, const char *endpoint_id, struct buffer *out)
{
  buffer_append_text(out, "{\"series\":{");
  write_series(database, endpoint_id, out);
  buffer_append_text(out, "},\"latest\":{");
  sqlite3_stmt *row = database_query(
      database,
      "SELECT name, at_ms, value, max(rowid) FROM samples WHERE endpoint_id = ? GROUP BY name", "t",
      endpoint_id);
  for (bool is_first = true; database_step(database, row);) {
    write_name(out, database_text(row, 0), &is_first);
    buffer_format(out, "{\"value\":%s,\"at\":%lld}", database_text(row, 2),
                  (long long)sqlite3_column_int64(row, 1));
  }
  buffer_append_text(out, "}}");
}

void data_store_set_metadata(struct database *database, const char *endpoint_id,
                             const json_t *values, bool is_whole)
{
  database_begin(database);
  if (is_whole)
    database_run(database, database_query(database, "DELETE FROM metadata WHERE endpoint_id = ?",
                                          "t", endpoint_id));
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)values, key, value) {
    struct buffer text = {0};
    jsontext_write(&text, value);
    database_run(database,
                 database_query(database, "INSERT OR REPLACE INTO metadata VALUES (?, ?, ?)", "ttt",
                                endpoint_id, key, buffer_text(&text)));
    buffer_clear(&text);
  }
  database_commit(database);
}

void data_store_remove_metadata(struct database *database, const char *endpoint_id,
                                const json_t *keys)
{
  database_begin(database);
  for (size_t i = 0; i < json_array_size(keys); i++)
    database_run(database,
                 database_query(database, "DELETE FROM metadata WHERE endpoint_id = ? AND key = ?",
                                "tt", endpoint_id, json_string_value(json_array_get(keys, i))));
  database_commit(database);
}

static bool is_among(const json_t *keys, const char *key)
{
  for (size_t i = 0; i < json_array_size(keys); i++)
    if (!strcmp(json_string_value(json_array_get(keys, i)), key))
      return true;
  return !keys;
}

void data_store_metadata(struct database *database, const char *endpoint_id, const json_t *keys,
                         struct buffer *out)
{
  sqlite3_stmt *row = database_query(
      database, "SELECT key, value FROM metadata WHERE endpoint_id = ?", "t", endpoint_id);
  buffer_append_char(out, '{');
  for (bool is_first = true; database_step(database, row);) {
    if (!is_among(keys, database_text(row, 0)))
      continue;
    write_name(out, database_text(row, 0), &is_first);
    buffer_append_text(out, database_text(row, 1));
  }
  buffer_append_char(out, '}');
}

void data_store_metadata_keys(struct database *database, const char *endpoint_id,
                              struct buffer *out)
{
  sqlite3_stmt *row = database_query(
      database, "SELECT key FROM metadata WHERE endpoint_id = ?", "t", endpoint_id);
  buffer_append_char(out, '[');
  for (bool is_first = true; database_step(database, row); is_first = false) {
    if (!is_first)
      buffer_append_char(out, ',');
    jsontext_write_string(out, database_text(row, 0), strlen(database_text(row, 0)));
  }
  buffer_append_char(out, ']');
}
