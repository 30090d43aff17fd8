#include "journal/journal_batch.h"

#include "journal/journal_known.h"
#include "journal/journal_names.h"
#include "journal/journal_rows.h"

#include <stdio.h>
#include <string.h>

static struct journal_text text_of(const char *text, size_t size)
{
  return text ? (struct journal_text){text, size} : (struct journal_text){NULL, 0};
}

static void queue_row(struct journal_row *row, const struct command *command)
{
  row->state = ROW_QUEUED;
  row->attempts = command->attempts;
  row->resumes = command->resumes;
}

static void run_row(struct journal_row *row, const struct command *command, int64_t wall_ms)
{
  row->state = ROW_RUNNING;
  row->began = wall_ms;
  row->policy = journal_row_policy_of(command->policy);
  row->attempts = command->attempts;
  row->resumes = command->resumes;
}

static void done_row(struct journal_row *row, const struct command *command, int64_t wall_ms)
{
  const struct command_result *result = &command->result;
  row->state = ROW_DONE;
  row->done = wall_ms;
  row->status = result->status;
  row->reason = text_of(result->reason, result->reason ? strlen(result->reason) : 0);
  row->payload = text_of(result->payload, result->payload_bytes);
  row->restart = ROW_ABSENT;
  row->within = row->saved = row->saved_boot = row->saved_in = 0;
  row->saved_text = text_of(NULL, 0);
}

static void new_row(struct journal_database *database, struct journal_row *row,
                    const struct command *command)
{
  *row = (struct journal_row){
      .sequence = command->sequence,
      .id = command->key.id,
      .state = ROW_QUEUED,
      .received = command->received_wall_ms,
      .received_boot = command->received_boot_ms,
      .boot = database->boot,
      .began = ROW_ABSENT,
      .done = ROW_ABSENT,
      .over = ROW_ABSENT,
      .restart = ROW_ABSENT,
      .element = text_of(command->element, command->element_bytes),
  };
  memcpy(row->digest, command->digest, sizeof row->digest);
}

static bool belongs(const struct change *change, const struct change *next, const struct change *end)
{
  return next < end && next->command == change->command &&
         (next->kind == CHANGE_RUN || next->kind == CHANGE_DONE);
}

/* Sets `*row` names; what is not known is 0, unless `adds`. */
static int name_row(struct journal_database *database, const struct command_key *key, bool adds,
                    int64_t *endpoint, int64_t *type)
{
  int rc = adds ? journal_names_put(database, key->endpoint, endpoint)
                : journal_names_find(database, key->endpoint, endpoint);
  if (rc)
    return rc;
  return adds ? journal_names_put(database, key->type, type)
              : journal_names_find(database, key->type, type);
}

/* Accepts a command with the RUN or DONE behind it; `*taken` changes. */
static int add_row(struct journal_database *database, struct change *change,
                   const struct change *end, const struct journal_terms *terms, size_t *taken)
{
  struct journal_row row;
  const struct command *command = change->command;
  new_row(database, &row, command);
  int rc = name_row(database, &command->key, true, &row.endpoint, &row.type);
  bool was_known;
  if (!rc)
    rc = journal_known_forget(database, row.endpoint, row.type, row.id, false, &was_known);
  if (rc)
    return rc;
  if (belongs(change, change + 1, end)) {
    *taken = 2;
    if (change[1].kind == CHANGE_RUN)
      run_row(&row, command, terms->wall_ms);
    else
      done_row(&row, command, terms->wall_ms);
  }
  if (command->sequence > database->facts.sequence)
    database->facts.sequence = command->sequence;
  return journal_row_add(database, &row);
}

static int accept(struct journal_database *database, struct change *change,
                  const struct change *end, const struct journal_terms *terms, size_t *taken)
{
  const struct command *command = change->command;
  if (change->kind == CHANGE_ACCEPT) {
    int64_t endpoint, type = 0;
    int rc = name_row(database, &command->key, false, &endpoint, &type);
    if (!rc && endpoint && type)
      rc = journal_known_find(database, endpoint, type, command->key.id, command->digest,
                              &change->found);
    if (rc)
      return rc;
  }
  if (!change->found && !terms->is_full)
    return add_row(database, change, end, terms, taken);
  change->is_left = !change->found;
  *taken = belongs(change, change + 1, end) ? 2 : 1;
  return 0;
}

static int put_life(struct journal_database *database, const struct change *change,
                    struct journal_row *row, sqlite3_stmt *read, int64_t wall_ms)
{
  bool was_over = journal_row_is_over(row->state);
  switch (change->kind) {
  case CHANGE_RUN: run_row(row, change->command, wall_ms); break;
  case CHANGE_REQUEUE:
  case CHANGE_WAKE: queue_row(row, change->command); break;
  case CHANGE_WAIT: row->state = ROW_WAITING; break;
  case CHANGE_CONFIRM: row->state = ROW_CONFIRMED; break;
  case CHANGE_REFUSE: row->state = ROW_REFUSED; break;
  default: row->state = ROW_DROPPED; break;
  }
  bool is_over = journal_row_is_over(row->state);
  if (is_over)
    row->over = wall_ms;
  database->counts.over += is_over - was_over;
  database->counts.over_bytes += (is_over - was_over) * journal_row_bytes(row);
  return journal_row_put_life(database, row, read);
}

static int put_saved(struct journal_database *database, const struct command_saved *saved,
                     struct journal_row *row, sqlite3_stmt *read)
{
  row->restart = journal_row_restart_of(saved->restart);
  row->within = saved->within_ms;
  row->saved = saved->wall_ms;
  row->saved_boot = saved->boot_ms;
  row->saved_in = database->boot;
  row->saved_text = text_of(saved->text, saved->text_bytes);
  return journal_row_put_saved(database, row, read);
}

/* A change of a command that is in the table. One that is not was forgotten by hand. */
static int update(struct journal_database *database, const struct change *change, int64_t wall_ms)
{
  struct journal_row row;
  sqlite3_stmt *read;
  int rc = journal_row_get(database, change->command->sequence, &row, &read);
  if (rc != SQLITE_ROW)
    return rc;
  if (change->kind == CHANGE_SAVE)
    return put_saved(database, &change->saved, &row, read);
  if (change->kind != CHANGE_DONE)
    return put_life(database, change, &row, read, wall_ms);
  done_row(&row, change->command, wall_ms);
  return journal_row_put_result(database, &row, read);
}

static int release(struct journal_database *database, int64_t number)
{
  sqlite3_stmt *remove = journal_database_statement(database, STATEMENT_MESSAGE_REMOVE);
  if (!remove)
    return SQLITE_ERROR;
  sqlite3_bind_int64(remove, 1, number);
  int rc = journal_database_step(database, remove);
  if (!rc)
    database->counts.messages -= sqlite3_changes(database->handle);
  return rc;
}

/* Without room an older body goes all the same: it would come back behind what is newer. */
static int keep(struct journal_database *database, struct change *change, bool is_full)
{
  const struct storage_message *message = &change->message;
  int64_t endpoint;
  int rc = release(database, message->number);
  if (rc || (change->is_left = is_full))
    return rc;
  rc = journal_names_put(database, message->endpoint, &endpoint);
  sqlite3_stmt *put = rc ? NULL : journal_database_statement(database, STATEMENT_MESSAGE_PUT);
  if (!put)
    return rc ? rc : SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(put, &at, message->number);
  journal_bind_integer(put, &at, message->is_metadata);
  journal_bind_integer(put, &at, endpoint);
  journal_bind_integer(put, &at, message->wall_ms);
  journal_bind_bytes(put, &at, message->body ? message->body : "", message->body_bytes);
  journal_bind_integer(put, &at,
                       journal_message_sum(message->number, message->is_metadata, endpoint,
                                           message->wall_ms, message->body ? message->body : "",
                                           message->body_bytes));
  rc = journal_database_step(database, put);
  sqlite3_clear_bindings(put);
  if (message->number > database->facts.message)
    database->facts.message = message->number;
  database->counts.messages += !rc;
  return rc;
}

static int list(struct journal_database *database, const struct command_key *pair)
{
  int64_t endpoint, type;
  int rc = name_row(database, pair, true, &endpoint, &type);
  sqlite3_stmt *add = rc ? NULL : journal_database_statement(database, STATEMENT_LISTED_ADD);
  if (!add)
    return rc ? rc : SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(add, &at, endpoint);
  journal_bind_integer(add, &at, type);
  journal_bind_integer(add, &at, journal_listed_sum(endpoint, type));
  return journal_database_step(database, add);
}

static int apply(struct journal_database *database, struct change *change, const struct change *end,
                 const struct journal_terms *terms, size_t *taken)
{
  *taken = 1;
  switch (change->kind) {
  case CHANGE_ACCEPT:
  case CHANGE_REPLACE: return accept(database, change, end, terms, taken);
  case CHANGE_RUN:
  case CHANGE_REQUEUE:
  case CHANGE_SAVE:
  case CHANGE_WAIT:
  case CHANGE_WAKE:
  case CHANGE_DONE:
  case CHANGE_CONFIRM:
  case CHANGE_REFUSE:
  case CHANGE_DROP: return update(database, change, terms->wall_ms);
  case CHANGE_LISTED: return list(database, &change->pair);
  case CHANGE_ANSWERED: database->facts.was_answered = true; return 0;
  case CHANGE_KEEP: return keep(database, change, terms->is_full);
  case CHANGE_RELEASE: return release(database, change->message.number);
  }
  return 0;
}

int journal_batch_apply(struct journal_database *database, struct change *changes, size_t count,
                        const struct journal_terms *terms)
{
  int rc = 0;
  size_t taken;
  for (size_t i = 0; i < count && !rc; i += taken)
    rc = apply(database, &changes[i], changes + count, terms, &taken);
  return rc;
}

void journal_batch_undo(struct change *changes, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    storage_record_destroy(changes[i].found);
    changes[i].found = NULL;
    changes[i].is_left = false;
  }
}

void journal_batch_leave(struct change *changes, size_t count)
{
  for (size_t i = 0; i < count; i++)
    changes[i].is_left = changes[i].kind == CHANGE_ACCEPT || changes[i].kind == CHANGE_REPLACE;
}
