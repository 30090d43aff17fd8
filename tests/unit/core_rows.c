#include "core_rows.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <cmocka.h>

enum { LISTED_MAX = 64 };

struct row {
  TAILQ_ENTRY(row) place;
  struct storage_row row; /* its texts are owned */
};

TAILQ_HEAD(row_list, row);

struct core_rows {
  struct row_list list; /* by sequence */
  int64_t last_sequence;
  unsigned answered;
  struct command_key listed[LISTED_MAX];
  size_t listed_count;
  struct command *looks;
};

struct core_rows *core_rows_create(void)
{
  struct core_rows *rows = memory_zeroed(1, sizeof *rows);
  TAILQ_INIT(&rows->list);
  return rows;
}

static void clear_saved(struct row *row)
{
  command_saved_clear(&row->row.saved);
  row->row.has_saved = false;
}

static void drop_element(struct row *row)
{
  free((char *)row->row.element);
  row->row.element = NULL;
  row->row.element_bytes = 0;
}

static void destroy(struct core_rows *rows, struct row *row)
{
  TAILQ_REMOVE(&rows->list, row, place);
  free((char *)row->row.endpoint);
  free((char *)row->row.type);
  drop_element(row);
  clear_saved(row);
  command_result_clear(&row->row.result);
  free(row);
}

void core_rows_destroy(struct core_rows *rows)
{
  while (!TAILQ_EMPTY(&rows->list))
    destroy(rows, TAILQ_FIRST(&rows->list));
  for (size_t i = 0; i < rows->listed_count; i++) {
    free((char *)rows->listed[i].endpoint);
    free((char *)rows->listed[i].type);
  }
  free(rows->looks);
  free(rows);
}

void core_rows_look(struct core_rows *rows, const struct change *changes, size_t count)
{
  rows->looks = memory_resized(rows->looks, count * sizeof *rows->looks);
  for (size_t i = 0; i < count; i++)
    if (changes[i].command)
      rows->looks[i] = *changes[i].command;
}

void core_rows_look_again(struct core_rows *rows, const struct change *changes, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    const struct command *was = &rows->looks[i], *is = changes[i].command;
    if (!is || changes[i].kind == CHANGE_SAVE)
      continue;
    assert_int_equal(is->key.id, was->key.id);
    assert_ptr_equal(is->key.endpoint, was->key.endpoint);
    assert_ptr_equal(is->key.type, was->key.type);
    assert_memory_equal(is->digest, was->digest, sizeof is->digest);
    assert_ptr_equal(is->element, was->element);
    assert_int_equal(is->element_bytes, was->element_bytes);
    assert_int_equal(is->received_wall_ms, was->received_wall_ms);
    assert_int_equal(is->received_boot_ms, was->received_boot_ms);
    assert_int_equal(is->sequence, was->sequence);
    assert_int_equal(is->policy, was->policy);
    assert_int_equal(is->attempts, was->attempts);
    assert_int_equal(is->resumes, was->resumes);
    assert_int_equal(is->result.status, was->result.status);
    assert_ptr_equal(is->result.reason, was->result.reason);
    assert_ptr_equal(is->result.payload, was->result.payload);
  }
}

static struct row *find(const struct core_rows *rows, const struct command *command)
{
  struct row *row;
  TAILQ_FOREACH(row, &rows->list, place)
    if (row->row.sequence == command->sequence)
      return row;
  return NULL;
}

static void accept(struct core_rows *rows, const struct command *command)
{
  struct row *row;
  TAILQ_FOREACH(row, &rows->list, place) { /* one of a key is alive */
    struct command_key key = {row->row.endpoint, row->row.type, row->row.id};
    assert_int_not_equal(command_key_compare(&key, &command->key), 0);
  }
  assert_true(command->sequence > rows->last_sequence);
  rows->last_sequence = command->sequence;
  row = memory_zeroed(1, sizeof *row);
  row->row = (struct storage_row){
      .endpoint = memory_text(command->key.endpoint),
      .type = memory_text(command->key.type),
      .id = command->key.id,
      .sequence = command->sequence,
      .state = COMMAND_QUEUED,
      .element = command->element ? memory_copied(command->element, command->element_bytes) : NULL,
      .element_bytes = command->element_bytes,
      .received_wall_ms = command->received_wall_ms,
      .received_boot_ms = command->received_boot_ms,
  };
  memcpy(row->row.digest, command->digest, sizeof row->row.digest);
  TAILQ_INSERT_TAIL(&rows->list, row, place);
}

static struct command_result copy_result(const struct command_result *result)
{
  struct command_result copy = {.status = result->status, .reason = memory_text(result->reason)};
  if (result->payload) {
    copy.payload = memory_copied(result->payload, result->payload_bytes);
    copy.payload_bytes = result->payload_bytes;
  }
  return copy;
}

/* Moves a row from one of the states in the set `from` (bits) to another. */
static struct row *move(struct core_rows *rows, const struct command *command, unsigned from,
                        enum command_state to)
{
  struct row *row = find(rows, command);
  assert_non_null(row);
  assert_true(from & 1u << row->row.state);
  row->row.state = to;
  return row;
}

static void keep_attempt(struct row *row, const struct command *command)
{
  row->row.attempts = command->attempts;
  row->row.resumes = command->resumes;
}

static void save(struct row *row, const struct command_saved *saved)
{
  clear_saved(row);
  row->row.saved = *saved;
  row->row.has_saved = true;
  if (saved->text)
    row->row.saved.text = memory_copied(saved->text, saved->text_bytes);
}

static void finish(struct row *row, const struct command *command)
{
  row->row.result = copy_result(&command->result);
  drop_element(row);
  clear_saved(row);
}

static void list(struct core_rows *rows, const struct command_key *pair)
{
  assert_true(rows->listed_count < LISTED_MAX);
  rows->listed[rows->listed_count++] = (struct command_key){
      .endpoint = memory_text(pair->endpoint), .type = memory_text(pair->type)};
}

enum { QUEUED = 1 << COMMAND_QUEUED, RUNNING = 1 << COMMAND_RUNNING,
       WAITING = 1 << COMMAND_WAITING, DONE = 1 << COMMAND_DONE };

static void carry_out(struct core_rows *rows, const struct change *change)
{
  const struct command *command = change->command;
  struct row *row;
  switch (change->kind) {
  case CHANGE_ACCEPT:
  case CHANGE_REPLACE: accept(rows, command); break;
  case CHANGE_RUN:
    row = move(rows, command, QUEUED, COMMAND_RUNNING);
    keep_attempt(row, command);
    assert_true(row->row.attempts > 0);
    row->row.policy = command->policy;
    break;
  case CHANGE_REQUEUE:
    row = move(rows, command, RUNNING, COMMAND_QUEUED);
    keep_attempt(row, command);
    break;
  case CHANGE_SAVE: save(move(rows, command, RUNNING, COMMAND_RUNNING), &change->saved); break;
  case CHANGE_WAIT:
    row = move(rows, command, RUNNING, COMMAND_WAITING);
    assert_int_not_equal(row->row.saved.restart, COMMAND_NO_RESTART);
    break;
  case CHANGE_WAKE:
    row = move(rows, command, WAITING, COMMAND_QUEUED);
    keep_attempt(row, command);
    assert_true(row->row.resumes);
    break;
  case CHANGE_DONE:
    finish(move(rows, command, QUEUED | RUNNING | WAITING, COMMAND_DONE), command);
    break;
  case CHANGE_CONFIRM:
  case CHANGE_REFUSE: destroy(rows, move(rows, command, DONE, COMMAND_DONE)); break;
  case CHANGE_DROP: destroy(rows, move(rows, command, QUEUED | DONE, COMMAND_DROPPED)); break;
  case CHANGE_LISTED: list(rows, &change->pair); break;
  case CHANGE_ANSWERED: rows->answered++; break;
  case CHANGE_KEEP:
  case CHANGE_RELEASE: break;
  }
}

void core_rows_submit(struct core_rows *rows, const struct change *changes, size_t count)
{
  for (size_t i = 0; i < count; i++) {
    if (!changes[i].found && !changes[i].is_left)
      carry_out(rows, &changes[i]);
    else if (changes[i].command && i + 1 < count && changes[i + 1].command == changes[i].command)
      i++;
  }
}

void core_rows_reboot(struct core_rows *rows)
{
  struct row *row;
  TAILQ_FOREACH(row, &rows->list, place) {
    row->row.received_boot_ms = -1;
    row->row.saved.boot_ms = -1;
  }
}

const struct storage_row *core_rows_at(const struct core_rows *rows, size_t n)
{
  struct row *row;
  TAILQ_FOREACH(row, &rows->list, place)
    if (n-- == 0)
      return &row->row;
  return NULL;
}

const struct storage_row *core_rows_find(const struct core_rows *rows, int64_t id)
{
  struct row *row;
  TAILQ_FOREACH(row, &rows->list, place)
    if (row->row.id == id)
      return &row->row;
  return NULL;
}

int64_t core_rows_last_sequence(const struct core_rows *rows)
{
  return rows->last_sequence;
}

unsigned core_rows_answered(const struct core_rows *rows)
{
  return rows->answered;
}

struct command_key core_rows_listed(const struct core_rows *rows, size_t n)
{
  return n < rows->listed_count ? rows->listed[n] : (struct command_key){0};
}
