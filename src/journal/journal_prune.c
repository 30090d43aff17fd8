#include "journal/journal_prune.h"

#include "journal/journal_rows.h"

#include <string.h>

enum {
  FREE_PAGES = 256, /* kept in the file for what comes */
  TIGHT_HISTORY = 16,
  TIGHT_BYTES = 256 * 1024,
};

/* A row under its key, or with its sequence, gives way. */
static int replace(struct journal_database *database, const struct journal_past *past)
{
  struct journal_past old;
  sqlite3_stmt *read;
  int rc = journal_past_find(database, past->endpoint, past->type, past->id, &old, &read);
  if (rc == SQLITE_ROW) {
    sqlite3_reset(read);
    rc = journal_past_remove(database, old.sequence);
  }
  if (!rc)
    rc = journal_past_remove(database, past->sequence);
  return rc ? rc : journal_past_add(database, past);
}

static int remember(struct journal_database *database, const struct journal_row *row)
{
  if (row->done == ROW_ABSENT) /* it was dropped and has never run */
    return 0;
  struct journal_past past = {
      .sequence = row->sequence,
      .endpoint = row->endpoint,
      .type = row->type,
      .id = row->id,
      .state = row->state,
      .status = row->status,
      .done = row->done / 1000,
      .reason = row->reason,
  };
  memcpy(past.digest, row->digest, sizeof past.digest);
  int rc = journal_past_add(database, &past);
  return (rc & 0xff) == SQLITE_CONSTRAINT ? replace(database, &past) : rc;
}

static bool is_beyond(const struct journal_database *database, const struct journal_bounds *bounds)
{
  return database->counts.over > bounds->max_history ||
         database->counts.over_bytes > bounds->max_history_bytes;
}

/* Moves the oldest row whose life is over, where it is due; `*is_due` tells. */
static int move_oldest(struct journal_database *database, const struct journal_bounds *bounds,
                       int64_t wall_ms, bool *is_due)
{
  struct journal_row row;
  sqlite3_stmt *oldest = journal_database_statement(database, STATEMENT_COMMAND_OLDEST);
  *is_due = false;
  if (!oldest)
    return SQLITE_ERROR;
  int rc = journal_database_step(database, oldest);
  if (rc != SQLITE_ROW)
    return rc;
  if (!journal_row_read(oldest, &row)) {
    sqlite3_reset(oldest);
    strcpy(database->fault, "the checksum of the oldest command does not hold");
    return SQLITE_CORRUPT;
  }
  *is_due = is_beyond(database, bounds) ||
            row.over < wall_ms - bounds->max_history_ms;
  rc = *is_due ? remember(database, &row) : 0;
  sqlite3_reset(oldest);
  return rc || !*is_due ? rc : journal_row_remove(database, &row);
}

static int drop_oldest(struct journal_database *database)
{
  sqlite3_stmt *oldest = journal_database_statement(database, STATEMENT_PAST_OLDEST);
  if (!oldest)
    return SQLITE_ERROR;
  int rc = journal_database_step(database, oldest);
  if (rc != SQLITE_ROW)
    return rc;
  int64_t sequence = sqlite3_column_int64(oldest, 0);
  sqlite3_reset(oldest);
  return journal_past_remove(database, sequence);
}

static int find_spare(struct journal_database *database, bool *has_spare)
{
  int64_t pages;
  int rc = journal_database_integer(database, "PRAGMA freelist_count", 0, &pages);
  *has_spare = pages > FREE_PAGES;
  return rc;
}

static int give_back(struct journal_database *database)
{
  bool has_spare;
  int rc = find_spare(database, &has_spare);
  return rc || !has_spare ? rc : journal_database_do(database, STATEMENT_VACUUM);
}

struct journal_bounds journal_prune_tight(const struct journal_bounds *bounds)
{
  struct journal_bounds tight = *bounds;
  tight.gives_back = true;
  if (tight.max_history > TIGHT_HISTORY)
    tight.max_history = TIGHT_HISTORY;
  if (tight.max_history_bytes > TIGHT_BYTES)
    tight.max_history_bytes = TIGHT_BYTES;
  return tight;
}

bool journal_prune_is_due(struct journal_database *database, const struct journal_bounds *bounds)
{
  bool has_spare;
  return is_beyond(database, bounds) || (!find_spare(database, &has_spare) && has_spare);
}

int journal_prune(struct journal_database *database, const struct journal_bounds *bounds,
                  int64_t wall_ms, int64_t most)
{
  int rc = 0;
  int64_t steps = 0;
  bool is_due = database->counts.over > 0;
  for (int64_t i = 0; !rc && is_due && i < most; i++, steps++)
    rc = move_oldest(database, bounds, wall_ms, &is_due);
  for (int64_t i = 0; !rc && i < most && database->counts.past > bounds->max_ids; i++, steps++)
    rc = drop_oldest(database);
  return rc || (steps < 2 && !bounds->gives_back) ? rc : give_back(database);
}

#define IN_BOTH                                                                                    \
  "FROM command AS c CROSS JOIN past AS p INDEXED BY past_key"                                     \
  " ON p.id=c.id AND p.type=c.type AND p.endpoint=c.endpoint"

int journal_prune_find_doubles(struct journal_database *database, bool *has_doubles)
{
  int64_t sequence;
  int rc = journal_database_integer(database, "SELECT c.sequence " IN_BOTH " LIMIT 1", INT64_MIN,
                                    &sequence);
  *has_doubles = sequence != INT64_MIN;
  return rc;
}

int journal_prune_doubles(struct journal_database *database)
{
  return journal_database_run(
      database, "DELETE FROM command WHERE sequence IN(SELECT c.sequence " IN_BOTH
                " WHERE p.sequence>c.sequence OR (p.sequence=c.sequence AND c.is_over IS NULL));"
                "DELETE FROM past WHERE sequence IN(SELECT p.sequence " IN_BOTH ")");
}
