#include "core_fixture.h"

#include "base/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The storage's wall clock has no context: tests have one thread and one of it. */
static int64_t wall_ms;

static int64_t read_wall(void)
{
  return wall_ms;
}

static struct memory_storage *create_memory(void)
{
  struct memory_storage_options options = {.wall_ms = read_wall};
  return memory_storage_create(&options);
}

static void on_queued(void *context, const char *type)
{
  struct fixture *f = context;
  f->queued_calls++;
  if (f->greedy)
    core_hand_out(f->core, type, FIXTURE_MAX);
}

static void add_event(struct fixture *f, const char *event, const struct command *command)
{
  size_t used = strlen(f->events);
  if (used < sizeof f->events)
    snprintf(f->events + used, sizeof f->events - used, "%s%s %lld", used ? " " : "", event,
             (long long)command->key.id);
}

static void on_ended(void *context, struct command *command)
{
  struct fixture *f = context;
  assert_ptr_equal(command->owner, f);
  add_event(f, "ended", command);
}

static void on_saved(void *context, struct command *command)
{
  struct fixture *f = context;
  assert_ptr_equal(command->owner, f);
  assert_true(command->has_saved);
  add_event(f, "saved", command);
}

static void on_run(void *context, struct command *command)
{
  struct fixture *f = context;
  assert_null(command->owner);
  command->owner = f;
  add_event(f, command->resumes ? "resume" : "run", command);
  assert_true(f->running_count < FIXTURE_MAX);
  assert_non_null(command->element);
  f->running[f->running_count++] = command;
  f->runs++;
  if (f->ran)
    f->ran(f->user, command);
}

static void on_withdrawn(void *context, const char *type, const char *endpoint)
{
  struct fixture *f = context;
  assert_non_null(type);
  assert_non_null(endpoint);
  f->withdrawn++;
}

static int on_send(void *context, enum core_message kind, const char *endpoint, const char *type,
                   uint32_t request_id, const char *body, size_t body_bytes)
{
  struct fixture *f = context;
  if (f->send_rc)
    return f->send_rc;
  if (!f->room)
    return -EAGAIN;
  f->room--;
  assert_true(f->sent_count < FIXTURE_MAX);
  assert_true(request_id > 0 && request_id <= INT32_MAX);
  struct sent *sent = &f->sent[f->sent_count++];
  *sent = (struct sent){.kind = kind, .request_id = request_id, .at_ms = f->now_ms};
  snprintf(sent->endpoint, sizeof sent->endpoint, "%s", endpoint);
  snprintf(sent->type, sizeof sent->type, "%s", type ? type : "");
  sent->body = memory_copied(body, body_bytes);
  sent->body_bytes = body_bytes;
  if (f->answers && kind == CORE_RESULT)
    core_answered(f->core, kind, endpoint, type, request_id, 0, "", f->now_ms);
  return 0;
}

static void on_note(void *context, enum core_note note, const char *endpoint, const char *type,
                    int64_t id, const char *detail)
{
  (void)endpoint;
  struct fixture *f = context;
  assert_true(f->told_count < FIXTURE_MAX);
  struct told *told = &f->told[f->told_count++];
  *told = (struct told){.note = note, .id = id};
  snprintf(told->type, sizeof told->type, "%s", type ? type : "");
  snprintf(told->detail, sizeof told->detail, "%s", detail);
}

static void on_submit(void *context, struct change *changes, size_t count)
{
  struct fixture *f = context;
  assert_null(f->submitted);
  assert_true(count > 0);
  f->submitted = changes;
  f->submitted_count = count;
  f->batches++;
  core_rows_look(f->rows, changes, count);
}

static void create_core(struct fixture *f, const struct core_options *options)
{
  struct core_ports ports = {.context = f,
                             .queued = on_queued,
                             .run = on_run,
                             .withdrawn = on_withdrawn,
                             .ended = on_ended,
                             .saved = on_saved,
                             .send = on_send,
                             .note = on_note};
  struct storage storage = {f, on_submit};
  f->core = core_create(&ports, &storage, options);
}

void fixture_open_bare(struct fixture *f, const struct core_options *options)
{
  *f = (struct fixture){.now_ms = 1000, .wall_ms = 1700000000000, .room = SIZE_MAX};
  f->sent = memory_zeroed(FIXTURE_MAX, sizeof *f->sent);
  f->told = memory_zeroed(FIXTURE_MAX, sizeof *f->told);
  f->running = memory_zeroed(FIXTURE_MAX, sizeof *f->running);
  wall_ms = f->wall_ms;
  f->memory = create_memory();
  f->rows = core_rows_create();
  create_core(f, options);
}

void fixture_open(struct fixture *f, const struct core_options *options)
{
  fixture_open_bare(f, options);
  core_add_endpoint(f->core, "E1");
  core_add_endpoint(f->core, "E2");
  core_set_types(f->core, (const char *const[]){"a", "b"}, 2);
  fixture_connect(f);
  fixture_forget(f);
}

void fixture_close(struct fixture *f)
{
  core_destroy(f->core);
  memory_storage_destroy(f->memory);
  core_rows_destroy(f->rows);
  fixture_forget(f);
  free(f->sent);
  free(f->told);
  free(f->running);
}

static void store(struct fixture *f)
{
  struct change *changes = f->submitted;
  size_t count = f->submitted_count;
  f->submitted = NULL;
  core_rows_look_again(f->rows, changes, count);
  for (size_t i = 0; i < count; i++)
    if (changes[i].kind == CHANGE_ACCEPT || changes[i].kind == CHANGE_REPLACE ||
        changes[i].kind == CHANGE_KEEP)
      changes[i].is_left = f->leaves;
  if (f->stores)
    f->stores(f->user, changes, count);
  memory_storage_submit(f->memory, changes, count);
  core_rows_submit(f->rows, changes, count);
}

void fixture_kill(struct fixture *f, bool is_stored)
{
  if (f->submitted && is_stored)
    store(f);
  f->submitted = NULL;
  f->running_count = 0;
  core_destroy(f->core);
  f->core = NULL;
}

void fixture_lose(struct fixture *f)
{
  assert_null(f->core);
  memory_storage_destroy(f->memory);
  core_rows_destroy(f->rows);
  f->memory = create_memory();
  f->rows = core_rows_create();
}

void fixture_restart(struct fixture *f, const struct core_options *options, bool is_reboot,
                     fixture_marks *marks, void *user)
{
  struct core_options full = *options;
  full.last_sequence = core_rows_last_sequence(f->rows);
  full.was_answered = core_rows_answered(f->rows) != 0;
  if (is_reboot) {
    f->booted_ms = f->now_ms;
    core_rows_reboot(f->rows);
  }
  f->events[0] = 0;
  create_core(f, &full);
  core_add_endpoint(f->core, "E1");
  core_add_endpoint(f->core, "E2");
  const struct storage_row *row;
  for (size_t i = 0; (row = core_rows_at(f->rows, i)); i++) {
    struct command_result result = {0};
    enum core_evidence evidence = marks ? marks(user, row, &result) : CORE_BEGUN;
    assert_int_equal(core_restore(f->core, row, evidence, &result, is_reboot,
                                  f->now_ms - f->booted_ms, f->now_ms), 0);
    assert_null(result.reason);
  }
  struct command_key pair;
  for (size_t i = 0; (pair = core_rows_listed(f->rows, i)).endpoint; i++)
    core_restore_listed(f->core, pair.endpoint, pair.type);
  core_set_types(f->core, (const char *const[]){"a", "b"}, 2);
}

const struct storage_row *fixture_row(const struct fixture *f, int64_t id)
{
  return core_rows_find(f->rows, id);
}

void fixture_reply(struct fixture *f, const char *endpoint, const char *type, const char *text)
{
  const struct sent *sent = NULL;
  for (size_t i = 0; i < f->sent_count; i++)
    if (f->sent[i].kind == CORE_REQUEST && !strcmp(f->sent[i].endpoint, endpoint) &&
        !strcmp(f->sent[i].type, type))
      sent = &f->sent[i];
  assert_non_null(sent);
  core_commands(f->core, endpoint, type, sent->request_id, text, strlen(text), f->wall_ms,
                f->now_ms - f->booted_ms, f->now_ms);
  fixture_turn(f);
}

static void carry_out(struct fixture *f)
{
  store(f);
  core_stored(f->core, f->now_ms);
}

void fixture_turn(struct fixture *f)
{
  core_flush(f->core, f->now_ms);
  while (f->submitted && !f->slow) {
    carry_out(f);
    core_flush(f->core, f->now_ms);
  }
}

void fixture_store(struct fixture *f)
{
  if (f->submitted)
    carry_out(f);
  fixture_turn(f);
}

static void move_clocks(struct fixture *f, int64_t now_ms)
{
  f->wall_ms += now_ms - f->now_ms;
  wall_ms = f->wall_ms;
  f->now_ms = now_ms;
}

void fixture_pass(struct fixture *f, int64_t ms)
{
  int64_t end_ms = f->now_ms + ms;
  for (int64_t next_ms; (next_ms = core_next_deadline(f->core)) <= end_ms;) {
    if (next_ms > f->now_ms)
      move_clocks(f, next_ms);
    core_tick(f->core, f->now_ms);
    fixture_turn(f);
    assert_true(core_next_deadline(f->core) > f->now_ms); /* it does not spin */
  }
  move_clocks(f, end_ms);
}

void fixture_push(struct fixture *f, const char *endpoint, const char *type, const char *text)
{
  core_commands(f->core, endpoint, type, 0, text, strlen(text), f->wall_ms,
                f->now_ms - f->booted_ms, f->now_ms);
  fixture_turn(f);
}

void fixture_finish_with(struct fixture *f, size_t n, int status, const char *payload)
{
  assert_true(n < f->running_count);
  struct command *command = f->running[n];
  memmove(f->running + n, f->running + n + 1, (--f->running_count - n) * sizeof *f->running);
  struct command_result result = {.status = status, .reason = memory_text("OK")};
  result.payload = memory_text(payload);
  result.payload_bytes = payload ? strlen(payload) : 0;
  core_finish(f->core, command, &result);
  assert_null(result.reason);
  assert_null(result.payload);
  fixture_turn(f);
}

void fixture_finish(struct fixture *f)
{
  fixture_finish_with(f, 0, 200, NULL);
}

void fixture_connect(struct fixture *f)
{
  core_connected(f->core, f->now_ms);
  fixture_turn(f);
}

void fixture_disconnect(struct fixture *f)
{
  core_disconnected(f->core, f->now_ms);
  fixture_turn(f);
}

const struct sent *fixture_sent(const struct fixture *f, enum core_message kind, size_t n)
{
  for (size_t i = 0; i < f->sent_count; i++)
    if (f->sent[i].kind == kind && n-- == 0)
      return &f->sent[i];
  return NULL;
}

size_t fixture_count(const struct fixture *f, enum core_message kind)
{
  size_t count = 0;
  for (size_t i = 0; i < f->sent_count; i++)
    count += f->sent[i].kind == kind;
  return count;
}

const struct sent *fixture_last(const struct fixture *f, enum core_message kind)
{
  size_t count = fixture_count(f, kind);
  return count ? fixture_sent(f, kind, count - 1) : NULL;
}

void fixture_answer(struct fixture *f, const struct sent *sent, int status)
{
  assert_non_null(sent);
  core_answered(f->core, sent->kind, sent->endpoint, *sent->type ? sent->type : NULL,
                sent->request_id, status, status ? "because" : "", f->now_ms);
  fixture_turn(f);
}

size_t fixture_notes(const struct fixture *f, enum core_note note)
{
  size_t count = 0;
  for (size_t i = 0; i < f->told_count; i++)
    count += f->told[i].note == note;
  return count;
}

void fixture_forget(struct fixture *f)
{
  for (size_t i = 0; i < f->sent_count; i++)
    free(f->sent[i].body);
  f->sent_count = 0;
  f->told_count = 0;
}

struct core_counts fixture_counts(const struct fixture *f)
{
  struct core_counts counts;
  core_get_counts(f->core, &counts);
  return counts;
}
