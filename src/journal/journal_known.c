#include "journal/journal_known.h"

#include "base/memory.h"
#include "journal/journal_rows.h"

#include <string.h>

static struct storage_record *record(enum command_state state, const uint8_t digest[],
                                     int64_t done_wall_ms, int64_t status,
                                     const struct journal_text *reason)
{
  struct storage_record *out = memory_zeroed(1, sizeof *out);
  out->state = state;
  memcpy(out->digest, digest, JSONTEXT_DIGEST_BYTES);
  out->done_wall_ms = done_wall_ms;
  out->result.status = (int)status;
  out->result.reason = memory_copied(reason->bytes ? reason->bytes : "", reason->size);
  return out;
}

static struct storage_record *of_row(const struct journal_row *row, enum command_state state,
                                     const uint8_t digest[])
{
  struct storage_record *out = record(state, digest, row->done, row->status, &row->reason);
  if (row->payload.bytes) {
    out->result.payload = memory_copied(row->payload.bytes, row->payload.size);
    out->result.payload_bytes = row->payload.size;
  }
  return out;
}

/* A row that is alive and that the core does not know: its endpoint was not configured when
 * the core was restored. What had begun may have had its effect, and a repeat of it is one
 * whatever the payload, as its result is not confirmed: hence the digest that was
 * delivered, and CONFIRMED, so that the core answers and does not replace. What is queued has
 * never run: it is accepted anew. */
static struct storage_record *of_stranger(const struct journal_row *row, const uint8_t digest[])
{
  static const char unknown[] = "Interrupted: the outcome is unknown";
  if (row->state == ROW_QUEUED)
    return NULL;
  if (row->state == ROW_DONE)
    return of_row(row, COMMAND_CONFIRMED, digest);
  return record(COMMAND_CONFIRMED, digest, row->received, 500,
                &(struct journal_text){unknown, sizeof unknown - 1});
}

static struct storage_record *judge(const struct journal_row *row, const uint8_t digest[])
{
  switch (row->state) {
  case ROW_DROPPED: /* without a result it has never run */
    return row->done == ROW_ABSENT ? NULL : of_row(row, COMMAND_DROPPED, row->digest);
  case ROW_CONFIRMED: return of_row(row, COMMAND_CONFIRMED, row->digest);
  case ROW_REFUSED: return of_row(row, COMMAND_REFUSED, row->digest);
  default: return of_stranger(row, digest);
  }
}

int journal_known_find(struct journal_database *database, int64_t endpoint, int64_t type,
                       int64_t id, const uint8_t digest[JSONTEXT_DIGEST_BYTES],
                       struct storage_record **found)
{
  struct journal_row row;
  sqlite3_stmt *statement;
  *found = NULL;
  int rc = journal_row_find(database, endpoint, type, id, &row, &statement);
  if (rc == SQLITE_ROW) {
    *found = judge(&row, digest);
    sqlite3_reset(statement);
    return 0;
  }
  struct journal_past past;
  if (!rc &&
      (rc = journal_past_find(database, endpoint, type, id, &past, &statement)) == SQLITE_ROW) {
    *found = record(journal_row_to_state(past.state), past.digest, past.done * 1000, past.status,
                    &past.reason);
    sqlite3_reset(statement);
    return 0;
  }
  return rc;
}

int journal_known_forget(struct journal_database *database, int64_t endpoint, int64_t type,
                         int64_t id, bool only_over, bool *was_known)
{
  struct journal_row row;
  sqlite3_stmt *statement;
  *was_known = false;
  int rc = journal_row_find(database, endpoint, type, id, &row, &statement);
  if (rc == SQLITE_ROW) {
    sqlite3_reset(statement);
    bool is_over = journal_row_is_over(row.state);
    rc = is_over || !only_over ? journal_row_remove(database, &row) : 0;
    *was_known = is_over;
  }
  if (rc)
    return rc;
  struct journal_past past;
  rc = journal_past_find(database, endpoint, type, id, &past, &statement);
  if (rc == SQLITE_ROW) {
    sqlite3_reset(statement);
    rc = journal_past_remove(database, past.sequence);
    *was_known = true;
  }
  return rc;
}
