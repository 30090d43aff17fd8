#include "journal/journal_rows.h"

#include "journal/journal_sum.h"

#include <stdio.h>
#include <string.h>

/* In the order of JOURNAL_COMMAND_COLUMNS; is_over, which follows from the state, is left out here. */
#define ROW_INTEGERS(row)                                                                          \
  {                                                                                                \
    &(row)->sequence, &(row)->endpoint, &(row)->type, &(row)->id, &(row)->state, NULL,             \
        &(row)->received, &(row)->began, &(row)->done, &(row)->over, &(row)->status,               \
        &(row)->attempts, &(row)->policy, &(row)->resumes, &(row)->received_boot, &(row)->boot,    \
        &(row)->restart, &(row)->within, &(row)->saved, &(row)->saved_boot, &(row)->saved_in       \
  }

enum { ROW_IS_OVER = 5, ROW_DIGEST = 21, ROW_SUM = 26 };

int64_t journal_row_bytes(const struct journal_row *row)
{
  return (int64_t)row->payload.size + (int64_t)row->element.size;
}

static void count_over(struct journal_database *database, const struct journal_row *row, int sign)
{
  if (!journal_row_is_over(row->state))
    return;
  database->counts.over += sign;
  database->counts.over_bytes += sign * journal_row_bytes(row);
}

static int64_t row_sum(const struct journal_row *row)
{
  const int64_t *const integers[ROW_DIGEST] = ROW_INTEGERS(row);
  uint64_t sum = journal_sum_begin("command");
  for (int i = 0; i < ROW_DIGEST; i++)
    if (integers[i])
      sum = journal_sum_integer(sum, *integers[i]);
  sum = journal_sum_bytes(sum, row->digest, sizeof row->digest);
  sum = journal_sum_bytes(sum, row->reason.bytes, row->reason.size);
  sum = journal_sum_bytes(sum, row->payload.bytes, row->payload.size);
  sum = journal_sum_bytes(sum, row->saved_text.bytes, row->saved_text.size);
  sum = journal_sum_bytes(sum, row->element.bytes, row->element.size);
  return journal_sum_end(sum, 0);
}

static void bind_stamp(sqlite3_stmt *statement, int *at, int64_t value)
{
  if (value == ROW_ABSENT)
    journal_bind_null(statement, at);
  else
    journal_bind_integer(statement, at, value);
}

static void bind_text(sqlite3_stmt *statement, int *at, const struct journal_text *text)
{
  journal_bind_bytes(statement, at, text->bytes, text->size);
}

static int64_t stamp(sqlite3_stmt *statement, int column)
{
  return sqlite3_column_type(statement, column) == SQLITE_NULL
             ? ROW_ABSENT
             : sqlite3_column_int64(statement, column);
}

static bool read_digest(sqlite3_stmt *statement, int column, uint8_t digest[])
{
  size_t size;
  const void *bytes = journal_column_bytes(statement, column, &size);
  if (size != JSONTEXT_DIGEST_BYTES)
    return false;
  memcpy(digest, bytes, JSONTEXT_DIGEST_BYTES);
  return true;
}

bool journal_row_read(sqlite3_stmt *statement, struct journal_row *row)
{
  int64_t *const integers[ROW_DIGEST] = ROW_INTEGERS(row);
  for (int i = 0; i < ROW_DIGEST; i++)
    if (integers[i])
      *integers[i] = stamp(statement, i);
  struct journal_text *const texts[] = {&row->reason, &row->payload, &row->saved_text,
                                        &row->element};
  for (int i = 0; i < 4; i++)
    texts[i]->bytes = journal_column_bytes(statement, ROW_DIGEST + 1 + i, &texts[i]->size);
  return read_digest(statement, ROW_DIGEST, row->digest) &&
         sqlite3_column_int64(statement, ROW_IS_OVER) == journal_row_is_over(row->state) &&
         sqlite3_column_int64(statement, ROW_SUM) == row_sum(row);
}

static int bad_sum(struct journal_database *database, sqlite3_stmt *statement, int64_t sequence)
{
  sqlite3_reset(statement);
  snprintf(database->fault, sizeof database->fault,
           "the checksum of command %lld does not hold", (long long)sequence);
  return SQLITE_CORRUPT;
}

static int step_to_row(struct journal_database *database, sqlite3_stmt *statement,
                       struct journal_row *row)
{
  int rc = journal_database_step(database, statement);
  if (rc == SQLITE_ROW && !journal_row_read(statement, row))
    return bad_sum(database, statement, row->sequence);
  return rc;
}

int journal_row_get(struct journal_database *database, int64_t sequence, struct journal_row *row,
                    sqlite3_stmt **statement)
{
  if (!(*statement = journal_database_statement(database, STATEMENT_COMMAND_READ)))
    return SQLITE_ERROR;
  sqlite3_bind_int64(*statement, 1, sequence);
  return step_to_row(database, *statement, row);
}

static void bind_key(sqlite3_stmt *statement, int64_t endpoint, int64_t type, int64_t id)
{
  sqlite3_bind_int64(statement, 1, id);
  sqlite3_bind_int64(statement, 2, type);
  sqlite3_bind_int64(statement, 3, endpoint);
}

int journal_row_find(struct journal_database *database, int64_t endpoint, int64_t type, int64_t id,
                     struct journal_row *row, sqlite3_stmt **statement)
{
  if (!(*statement = journal_database_statement(database, STATEMENT_COMMAND_FIND)))
    return SQLITE_ERROR;
  bind_key(*statement, endpoint, type, id);
  return step_to_row(database, *statement, row);
}

static void bind_is_over(sqlite3_stmt *statement, int *at, int64_t state)
{
  if (journal_row_is_over(state))
    journal_bind_integer(statement, at, 1);
  else
    journal_bind_null(statement, at);
}

int journal_row_add(struct journal_database *database, const struct journal_row *row)
{
  sqlite3_stmt *add = journal_database_statement(database, STATEMENT_COMMAND_ADD);
  if (!add)
    return SQLITE_ERROR;
  const int64_t *const integers[ROW_DIGEST] = ROW_INTEGERS(row);
  int at = 0;
  for (int i = 0; i < ROW_DIGEST; i++)
    if (integers[i] == &row->id) /* the platform's: every number is one */
      journal_bind_integer(add, &at, row->id);
    else if (integers[i])
      bind_stamp(add, &at, *integers[i]);
    else
      bind_is_over(add, &at, row->state);
  journal_bind_bytes(add, &at, row->digest, sizeof row->digest);
  bind_text(add, &at, &row->reason);
  bind_text(add, &at, &row->payload);
  bind_text(add, &at, &row->saved_text);
  bind_text(add, &at, &row->element);
  journal_bind_integer(add, &at, row_sum(row));
  int rc = journal_database_step(database, add);
  sqlite3_clear_bindings(add);
  if (!rc) {
    database->counts.commands++;
    count_over(database, row, 1);
  }
  return rc;
}

static int put(struct journal_database *database, sqlite3_stmt *statement, int at,
               const struct journal_row *row, sqlite3_stmt *read)
{
  journal_bind_integer(statement, &at, row_sum(row));
  journal_bind_integer(statement, &at, row->sequence);
  sqlite3_reset(read);
  int rc = journal_database_step(database, statement);
  sqlite3_clear_bindings(statement);
  return rc;
}

int journal_row_put_life(struct journal_database *database, const struct journal_row *row,
                         sqlite3_stmt *read)
{
  sqlite3_stmt *life = journal_database_statement(database, STATEMENT_COMMAND_LIFE);
  if (!life)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(life, &at, row->state);
  bind_is_over(life, &at, row->state);
  bind_stamp(life, &at, row->began);
  bind_stamp(life, &at, row->over);
  journal_bind_integer(life, &at, row->attempts);
  journal_bind_integer(life, &at, row->policy);
  journal_bind_integer(life, &at, row->resumes);
  return put(database, life, at, row, read);
}

int journal_row_put_saved(struct journal_database *database, const struct journal_row *row,
                          sqlite3_stmt *read)
{
  sqlite3_stmt *saved = journal_database_statement(database, STATEMENT_COMMAND_SAVED);
  if (!saved)
    return SQLITE_ERROR;
  int at = 0;
  bind_stamp(saved, &at, row->restart);
  journal_bind_integer(saved, &at, row->within);
  journal_bind_integer(saved, &at, row->saved);
  journal_bind_integer(saved, &at, row->saved_boot);
  journal_bind_integer(saved, &at, row->saved_in);
  bind_text(saved, &at, &row->saved_text);
  return put(database, saved, at, row, read);
}

int journal_row_put_result(struct journal_database *database, const struct journal_row *row,
                           sqlite3_stmt *read)
{
  sqlite3_stmt *result = journal_database_statement(database, STATEMENT_COMMAND_RESULT);
  if (!result)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(result, &at, row->state);
  bind_stamp(result, &at, row->done);
  journal_bind_integer(result, &at, row->status);
  bind_text(result, &at, &row->reason);
  bind_text(result, &at, &row->payload);
  return put(database, result, at, row, read);
}

static int remove_row(struct journal_database *database, enum journal_statement which,
                      int64_t sequence)
{
  sqlite3_stmt *statement = journal_database_statement(database, which);
  if (!statement)
    return SQLITE_ERROR;
  sqlite3_bind_int64(statement, 1, sequence);
  return journal_database_step(database, statement);
}

int journal_row_remove(struct journal_database *database, const struct journal_row *row)
{
  int rc = remove_row(database, STATEMENT_COMMAND_REMOVE, row->sequence);
  if (!rc) {
    database->counts.commands--;
    count_over(database, row, -1);
  }
  return rc;
}

int journal_past_remove(struct journal_database *database, int64_t sequence)
{
  int rc = remove_row(database, STATEMENT_PAST_REMOVE, sequence);
  if (!rc)
    database->counts.past -= sqlite3_changes(database->handle);
  return rc;
}

static int64_t past_sum(const struct journal_past *past)
{
  uint64_t sum = journal_sum_begin("past");
  const int64_t integers[] = {past->sequence, past->endpoint, past->type, past->id,
                              past->state,    past->status,   past->done};
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
    sum = journal_sum_integer(sum, integers[i]);
  sum = journal_sum_bytes(sum, past->digest, sizeof past->digest);
  return journal_sum_end(journal_sum_bytes(sum, past->reason.bytes, past->reason.size), 1);
}

bool journal_past_read(sqlite3_stmt *statement, struct journal_past *past)
{
  int64_t *const integers[] = {&past->sequence, &past->endpoint, &past->type, &past->id,
                               &past->state,    &past->status,   &past->done};
  for (int i = 0; i < 7; i++)
    *integers[i] = sqlite3_column_int64(statement, i);
  past->reason.bytes = journal_column_bytes(statement, 8, &past->reason.size);
  return read_digest(statement, 7, past->digest) &&
         sqlite3_column_int64(statement, 9) == past_sum(past);
}

int journal_past_find(struct journal_database *database, int64_t endpoint, int64_t type, int64_t id,
                      struct journal_past *past, sqlite3_stmt **statement)
{
  if (!(*statement = journal_database_statement(database, STATEMENT_PAST_FIND)))
    return SQLITE_ERROR;
  bind_key(*statement, endpoint, type, id);
  int rc = journal_database_step(database, *statement);
  if (rc == SQLITE_ROW && !journal_past_read(*statement, past))
    return bad_sum(database, *statement, past->sequence);
  return rc;
}

int journal_past_add(struct journal_database *database, const struct journal_past *past)
{
  sqlite3_stmt *add = journal_database_statement(database, STATEMENT_PAST_ADD);
  if (!add)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(add, &at, past->sequence);
  journal_bind_integer(add, &at, past->endpoint);
  journal_bind_integer(add, &at, past->type);
  journal_bind_integer(add, &at, past->id);
  journal_bind_integer(add, &at, past->state);
  journal_bind_integer(add, &at, past->status);
  journal_bind_integer(add, &at, past->done);
  journal_bind_bytes(add, &at, past->digest, sizeof past->digest);
  bind_text(add, &at, &past->reason);
  journal_bind_integer(add, &at, past_sum(past));
  int rc = journal_database_step(database, add);
  sqlite3_clear_bindings(add);
  if (!rc)
    database->counts.past++;
  return rc;
}
