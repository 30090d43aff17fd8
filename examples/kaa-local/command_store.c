#include "command_store.h"

#include "base/clock.h"
#include "base/memory.h"

#include <stdlib.h>

#define COLUMNS                                                                                   \
  "endpoint_id, type, id, state, is_kept, payload, status_code, reason, response, "               \
  "created_ms, updated_ms, expires_ms"

#define FILTERED                                                                                  \
  " FROM commands AS c WHERE"                                                                     \
  " (?1 IS NULL OR endpoint_id IN (SELECT value FROM json_each(?1)))"                             \
  " AND (?2 IS NULL OR type IN (SELECT value FROM json_each(?2)))"                                \
  " AND (NOT ?3 OR id = (SELECT max(id) FROM commands"                                            \
  " WHERE endpoint_id = c.endpoint_id AND type = c.type))"

void stored_command_destroy(struct stored_command *command)
{
  if (!command)
    return;
  free(command->endpoint_id);
  free(command->type);
  free(command->payload);
  free(command->reason);
  free(command->response);
  free(command);
}

/* The texts stay the statement's. */
static struct stored_command read_row(sqlite3_stmt *row)
{
  return (struct stored_command){
      .endpoint_id = (char *)database_text(row, 0),
      .type = (char *)database_text(row, 1),
      .id = sqlite3_column_int64(row, 2),
      .state = (enum command_state)sqlite3_column_int(row, 3),
      .is_kept = sqlite3_column_int(row, 4),
      .payload = (char *)database_text(row, 5),
      .status_code = sqlite3_column_int64(row, 6),
      .reason = (char *)database_text(row, 7),
      .response = (char *)database_text(row, 8),
      .created_ms = sqlite3_column_int64(row, 9),
      .updated_ms = sqlite3_column_int64(row, 10),
      .expires_ms = sqlite3_column_int64(row, 11),
  };
}

static struct stored_command *take_one(struct database *database, sqlite3_stmt *row)
{
  if (!database_step(database, row))
    return NULL;
  struct stored_command *command = memory_zeroed(1, sizeof *command);
  *command = read_row(row);
  command->endpoint_id = memory_text(command->endpoint_id);
  command->type = memory_text(command->type);
  command->payload = memory_text(command->payload);
  command->reason = memory_text(command->reason);
  command->response = memory_text(command->response);
  database_done(row);
  return command;
}

static void give_each(struct database *database, sqlite3_stmt *row, command_store_each *each,
                      void *context)
{
  while (database_step(database, row)) {
    struct stored_command command = read_row(row);
    each(context, &command);
  }
}

static int64_t next_id(struct database *database, const struct stored_command *command)
{
  int64_t id = clock_wall_ms() / 1000;
  sqlite3_stmt *row = database_query(
      database, "SELECT id + 1 FROM last_ids WHERE endpoint_id = ? AND type = ?", "tt",
      command->endpoint_id, command->type);
  while (database_step(database, row))
    if (sqlite3_column_int64(row, 0) > id)
      id = sqlite3_column_int64(row, 0);
  database_run(database,
               database_query(database, "INSERT OR REPLACE INTO last_ids VALUES (?, ?, ?)", "tti",
                              command->endpoint_id, command->type, id));
  return id;
}

void command_store_add(struct database *database, struct stored_command *command)
{
  database_begin(database);
  command->id = next_id(database, command);
  database_run(database,
               database_query(database,
                              "INSERT INTO commands (endpoint_id, type, id, state, is_kept,"
                              " payload, created_ms, updated_ms, expires_ms)"
                              " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                              "ttiiitiii", command->endpoint_id, command->type, command->id,
                              (int64_t)command->state, (int64_t)command->is_kept, command->payload,
                              command->created_ms, command->updated_ms, command->expires_ms));
  database_commit(database);
}

struct stored_command *command_store_find(struct database *database, const char *endpoint_id,
                                          const char *type, int64_t id)
{
  return take_one(database, database_query(database,
                                           "SELECT " COLUMNS " FROM commands"
                                           " WHERE endpoint_id = ? AND type = ? AND id = ?",
                                           "tti", endpoint_id, type, id));
}

struct stored_command *command_store_last(struct database *database, const char *endpoint_id,
                                          const char *type)
{
  return take_one(database, database_query(database,
                                           "SELECT " COLUMNS " FROM commands"
                                           " WHERE endpoint_id = ? AND type = ?"
                                           " ORDER BY id DESC LIMIT 1",
                                           "tt", endpoint_id, type));
}

void command_store_update(struct database *database, const struct stored_command *command)
{
  database_run(database,
               database_query(database,
                              "UPDATE commands SET state = ?, status_code = ?, reason = ?,"
                              " response = ?, updated_ms = ?"
                              " WHERE endpoint_id = ? AND type = ? AND id = ?",
                              "iittitti", (int64_t)command->state, command->status_code,
                              command->reason, command->response, command->updated_ms,
                              command->endpoint_id, command->type, command->id));
}

bool command_store_remove(struct database *database, const char *endpoint_id, const char *type,
                          int64_t id)
{
  return database_run(
             database,
             database_query(database,
                            "DELETE FROM commands WHERE endpoint_id = ? AND type = ? AND id = ?",
                            "tti", endpoint_id, type, id)) > 0;
}

void command_store_outstanding(struct database *database, const char *endpoint_id,
                               const char *type, int64_t now_ms, command_store_each *each,
                               void *context)
{
  give_each(database,
            database_query(database,
                           "SELECT " COLUMNS " FROM commands WHERE endpoint_id = ? AND type = ?"
                           " AND state = 0 AND is_kept AND expires_ms > ? ORDER BY id",
                           "tti", endpoint_id, type, now_ms),
            each, context);
}

char *command_store_outstanding_types(struct database *database, const char *endpoint_id,
                                      int64_t now_ms)
{
  sqlite3_stmt *row = database_query(
      database,
      "SELECT json_group_array(type) FROM (SELECT DISTINCT type FROM commands"
      " WHERE endpoint_id = ? AND state = 0 AND is_kept AND expires_ms > ?)",
      "ti", endpoint_id, now_ms);
  char *types = memory_text(database_step(database, row) ? database_text(row, 0) : "[]");
  database_done(row);
  return types;
}

struct stored_command *command_store_overdue(struct database *database, int64_t now_ms)
{
  return take_one(database, database_query(database,
                                           "SELECT " COLUMNS " FROM commands"
                                           " WHERE state = 0 AND expires_ms <= ?"
                                           " ORDER BY expires_ms LIMIT 1",
                                           "i", now_ms));
}

void command_store_list(struct database *database, const struct command_filter *filter,
                        command_store_each *each, void *context)
{
  static const char *const columns[] = {
      [COMMAND_ORDER_CREATED] = "created_ms", [COMMAND_ORDER_UPDATED] = "updated_ms",
      [COMMAND_ORDER_TYPE] = "type",          [COMMAND_ORDER_ID] = "id",
      [COMMAND_ORDER_STATE] = "state",        [COMMAND_ORDER_ENDPOINT] = "endpoint_id",
  };
  const char *direction = filter->is_ascending ? "ASC" : "DESC";
  char *sql = memory_format("SELECT " COLUMNS FILTERED
                            " ORDER BY %s %s, rowid %s LIMIT ?4 OFFSET ?5",
                            columns[filter->order], direction, direction);
  give_each(database,
            database_query(database, sql, "ttiii", filter->endpoint_ids, filter->types,
                           (int64_t)filter->only_last, filter->limit ? filter->limit : (int64_t)-1,
                           filter->offset),
            each, context);
  free(sql);
}

int64_t command_store_count(struct database *database, const struct command_filter *filter)
{
  sqlite3_stmt *row = database_query(database, "SELECT count(*)" FILTERED, "tti",
                                     filter->endpoint_ids, filter->types,
                                     (int64_t)filter->only_last);
  int64_t count = database_step(database, row) ? sqlite3_column_int64(row, 0) : 0;
  database_done(row);
  return count;
}
