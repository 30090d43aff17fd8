#include "journal/journal_load.h"
#include "journal/journal_names.h"
#include "journal/journal_rows.h"

#include <stdlib.h>
#include <string.h>

static sqlite3_stmt *prepare(struct journal_database *database, const char *sql)
{
  sqlite3_stmt *statement = NULL;
  int rc = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
  if (rc)
    journal_database_fault(database, rc, "reading what is alive");
  return statement;
}

static int finished(struct journal_database *database, sqlite3_stmt *statement, int rc)
{
  if (rc && rc != SQLITE_DONE)
    journal_database_fault(database, rc, "reading what is alive");
  sqlite3_finalize(statement);
  return rc == SQLITE_DONE ? 0 : rc;
}

static void fill_saved(struct command_saved *saved, const struct journal_row *from, int64_t boot)
{
  *saved = (struct command_saved){
      .restart = journal_row_to_restart(from->restart),
      .within_ms = from->within,
      .wall_ms = from->saved,
      .boot_ms = from->saved_in == boot ? from->saved_boot : -1,
      .text = (char *)from->saved_text.bytes,
      .text_bytes = from->saved_text.size,
  };
}

/* Texts end with a zero byte: SQLite puts one behind what it reads of a blob only by
 * accident, so they are copied where the core takes them as C strings. */
static void give(const struct journal_row *from, const char *endpoint, const char *type,
                 int64_t boot, void (*row)(void *context, const struct storage_row *row),
                 void *context)
{
  char reason[1024];
  size_t size = from->reason.size < sizeof reason ? from->reason.size : sizeof reason - 1;
  memcpy(reason, from->reason.bytes ? from->reason.bytes : "", size);
  reason[size] = '\0';
  bool is_done = from->state == ROW_DONE;
  struct storage_row out = {
      .endpoint = endpoint,
      .type = type,
      .id = from->id,
      .sequence = from->sequence,
      .state = journal_row_to_state(from->state),
      .element = is_done ? NULL : from->element.bytes,
      .element_bytes = is_done ? 0 : from->element.size,
      .received_wall_ms = from->received,
      .received_boot_ms = from->boot == boot ? from->received_boot : -1,
      .policy = journal_row_to_policy(from->policy),
      .attempts = (int)from->attempts,
      .resumes = from->resumes != 0,
      .has_saved = from->restart != ROW_ABSENT,
      .result = {.status = (int)from->status,
                 .reason = is_done ? reason : NULL,
                 .payload = is_done ? (char *)from->payload.bytes : NULL,
                 .payload_bytes = is_done ? from->payload.size : 0},
  };
  memcpy(out.digest, from->digest, sizeof out.digest);
  if (out.has_saved)
    fill_saved(&out.saved, from, boot);
  row(context, &out);
}

int journal_load_commands(struct journal_database *database, const char *boot_id,
                          void (*row)(void *context, const struct storage_row *row), void *context)
{
  int64_t boot;
  int rc = journal_names_find(database, boot_id, &boot);
  if (rc)
    return rc;
  sqlite3_stmt *rows = prepare(database, "SELECT " JOURNAL_COMMAND_COLUMNS
                                         " FROM command WHERE is_over IS NULL ORDER BY sequence");
  if (!rows)
    return SQLITE_ERROR;
  while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
    struct journal_row from;
    char *endpoint = NULL, *type = NULL;
    if (!journal_row_read(rows, &from))
      rc = SQLITE_CORRUPT;
    else if (!(rc = journal_names_text(database, from.endpoint, &endpoint)))
      rc = journal_names_text(database, from.type, &type);
    if (!rc && endpoint && type)
      give(&from, endpoint, type, boot ? boot : -1, row, context);
    free(endpoint);
    free(type);
    if (rc)
      break;
  }
  return finished(database, rows, rc);
}

int journal_load_messages(struct journal_database *database,
                          void (*message)(void *context, const struct storage_message *message),
                          void *context)
{
  sqlite3_stmt *rows = prepare(database, "SELECT number,is_metadata,endpoint,received,body"
                                         " FROM message ORDER BY number");
  if (!rows)
    return SQLITE_ERROR;
  int rc;
  while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
    char *endpoint;
    if ((rc = journal_names_text(database, sqlite3_column_int64(rows, 2), &endpoint)))
      break;
    struct storage_message from = {
        .number = sqlite3_column_int64(rows, 0),
        .is_metadata = sqlite3_column_int64(rows, 1) != 0,
        .endpoint = endpoint,
        .wall_ms = sqlite3_column_int64(rows, 3),
    };
    from.body = (char *)journal_column_bytes(rows, 4, &from.body_bytes);
    if (endpoint)
      message(context, &from);
    free(endpoint);
  }
  return finished(database, rows, rc);
}

int journal_load_listed(struct journal_database *database,
                        void (*listed)(void *context, const char *endpoint, const char *type),
                        void *context)
{
  sqlite3_stmt *rows = prepare(database, "SELECT endpoint,type FROM listed ORDER BY one");
  if (!rows)
    return SQLITE_ERROR;
  int rc;
  while ((rc = sqlite3_step(rows)) == SQLITE_ROW) {
    char *endpoint = NULL, *type = NULL;
    rc = journal_names_text(database, sqlite3_column_int64(rows, 0), &endpoint);
    if (!rc)
      rc = journal_names_text(database, sqlite3_column_int64(rows, 1), &type);
    if (endpoint && type)
      listed(context, endpoint, type);
    free(endpoint);
    free(type);
    if (rc)
      break;
  }
  return finished(database, rows, rc);
}
