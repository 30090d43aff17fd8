/* The core against a model of the world: a platform that delivers, repeats,
 * forgets to answer, answers wrongly and uses ids again, a connection that
 * breaks, workers that put back, commands that are cancelled, a storage that is slow, a
 * host that is killed and started again, perhaps with the machine. Whatever happens, no
 * command runs twice unless its handler said that it may, none that is stale or cancelled
 * runs, and once the world is kind each is answered that the platform still wants. */
#include "core_fixture.h"

#include "base/memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { PAIRS = 4, STEPS = 3000, SEEDS = 24, CRASH_SEEDS = 120 };
enum { ISSUED_MAX = 4000, MESSAGES_MAX = 4000 };

static const char *const endpoints[] = {"E1", "E2"};
static const char *const types[] = {"a", "b"};

/* A command that the platform issued; its place in world.issued is its payload,
 * and its result's, so that two lives of an id are told apart. */
struct issued {
  int pair;
  int id;
  bool is_bad;      /* its element is refused */
  bool is_answered; /* the platform has its result */
  bool is_old;      /* the id was used again */
  bool is_expired;  /* the platform does not want it any more, and lists it no more */
  bool runs_now;
  unsigned runs;
  unsigned put_back;
  unsigned effects; /* how often the handler's run began */
  unsigned resumed; /* how often its resume began, for the restart that was saved last */
  bool has_begun;   /* since it was handed out: the worker's mark */
  bool has_ended;   /* and has a result there */
  bool was_saved;
  bool was_cancelled; /* unless the host was killed before it had that */
  bool may_be_unknown; /* it waited for a restart, or was killed while it ran, or may have been */
  unsigned delivered_to; /* world.process that it was delivered to last */
};

/* A result array on its way to the platform. */
struct message {
  struct sent sent;
  bool is_published;
};

struct world {
  struct fixture f;
  uint64_t random;
  uint64_t seed;
  bool is_orderly; /* arrays are whole, ids are used once, each type has one worker, or each of
                      its endpoints, or nobody cares: order can be checked */
  enum core_order order[2]; /* of types */
  bool is_kind;
  bool is_deadly; /* the host is killed now and then */
  bool is_lossy;  /* and loses its journal; the platform lists exactly what it wants still */
  bool was_lost;
  unsigned process;
  int64_t started_boot_ms; /* that process */
  enum command_policy policy[2]; /* of types */
  unsigned kills, losses, reboots, answered, cancelled, interrupted, resumed, retried, held;
  bool is_connected;
  struct issued *issued;
  size_t issued_count;
  int next_id[PAIRS];
  size_t last_run[PAIRS]; /* the latest first run, plus one */
  int64_t last_begun[PAIRS]; /* sequence */
  struct message *messages;
  size_t message_count;
  size_t reads; /* of f.sent */
};

static uint64_t draw(struct world *w, uint64_t below)
{
  w->random ^= w->random << 13;
  w->random ^= w->random >> 7;
  w->random ^= w->random << 17;
  return (w->random >> 11) % below;
}

static bool chance(struct world *w, unsigned percent)
{
  return draw(w, 100) < percent;
}

static enum core_order order_of(const struct world *w, const struct command *command)
{
  return w->order[command->key.type[0] - 'a'];
}

/* Whether one worker runs them, one after the other. */
static bool is_same_worker(const struct world *w, const struct command *a, const struct command *b)
{
  enum core_order order = order_of(w, a);
  return !strcmp(a->key.type, b->key.type) &&
         (order == CORE_ORDER_TYPE ||
          (order == CORE_ORDER_ENDPOINT && !strcmp(a->key.endpoint, b->key.endpoint)));
}

static enum core_answer offer(void *user, const char *endpoint)
{
  struct world *w = user;
  unsigned drawn = (unsigned)draw(w, 100);
  return drawn < 60 ? CORE_TAKE : drawn < 85 || endpoint[1] == '2' ? CORE_PASS : CORE_STOP;
}

static void hand_out(struct world *w, const char *type, size_t max)
{
  if (chance(w, 50))
    core_hand_out(w->f.core, type, max);
  else
    core_hand_out_to(w->f.core, type, max, offer, w);
}

#define HOLDS(w, condition)                                                                  \
  do {                                                                                       \
    if (!(condition))                                                                        \
      fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #condition);                  \
  } while (0)

static int pair_of(const char *endpoint, const char *type)
{
  return (endpoint[1] - '1') * 2 + (type[0] - 'a');
}

static size_t issued_of(struct world *w, const char *text, size_t size)
{
  json_t *element = json_loadb(text, size, 0, NULL);
  size_t n = (size_t)json_integer_value(json_object_get(element, "payload"));
  json_decref(element);
  HOLDS(w, n < w->issued_count);
  return n;
}

/* Promises 1 and 4, where the host was killed. */
static void check_run(struct world *w, const struct issued *issued, const struct command *command)
{
  if (command->resumes) {
    HOLDS(w, issued->was_saved && issued->effects);
    HOLDS(w, !issued->resumed || w->policy[issued->pair % 2] != COMMAND_REPORT);
    w->resumed++;
    return;
  }
  bool may_run_again = w->policy[issued->pair % 2] == COMMAND_RETRY;
  HOLDS(w, issued->effects <= (may_run_again ? 2 : 0));
  w->retried += issued->effects > 0;
  int64_t age_ms = w->started_boot_ms - command->received_boot_ms;
  HOLDS(w, issued->delivered_to == w->process || command->attempts > 1 ||
               (command->received_boot_ms >= 0 && age_ms < CORE_FRESH_MS));
}

static void on_ran(void *user, struct command *command)
{
  struct world *w = user;
  size_t n = issued_of(w, command->element, command->element_bytes);
  struct issued *issued = &w->issued[n];
  HOLDS(w, issued->pair == pair_of(command->key.endpoint, command->key.type));
  HOLDS(w, issued->id == command->key.id);
  HOLDS(w, !issued->is_bad);
  HOLDS(w, !issued->runs_now);
  check_run(w, issued, command);
  if (!w->is_deadly) {
    HOLDS(w, issued->runs == issued->put_back); /* never twice */
    HOLDS(w, !issued->was_cancelled);
  }
  if (w->is_orderly && !w->is_deadly && !issued->runs && order_of(w, command) != CORE_ORDER_NONE) {
    HOLDS(w, n + 1 > w->last_run[issued->pair]);
    w->last_run[issued->pair] = n + 1;
  }
  issued->runs++;
  issued->runs_now = true;
  issued->has_begun = false;
  issued->has_ended = false;
}

static void issue(struct world *w)
{
  if (w->issued_count == ISSUED_MAX)
    return;
  struct issued fresh = {.pair = (int)draw(w, PAIRS), .is_bad = chance(w, 5)};
  fresh.id = w->next_id[fresh.pair]++;
  if (!w->is_orderly && !w->is_deadly && w->issued_count && chance(w, 10)) {
    struct issued *old = &w->issued[draw(w, w->issued_count)];
    if (old->is_answered && !old->is_old && !old->is_bad && !old->was_cancelled) {
      old->is_old = true;
      fresh.pair = old->pair;
      fresh.id = old->id;
      fresh.is_bad = false;
    }
  }
  w->issued[w->issued_count++] = fresh;
}

static void append(struct buffer *text, const struct issued *issued, size_t n)
{
  buffer_append_text(text, text->size_bytes == 1 ? "" : ",");
  if (issued->is_bad)
    buffer_format(text, "{\"id\":%d,\"payload\":{\"k\":%zu,\"k\":0}}", issued->id, n);
  else
    buffer_format(text, "{\"id\":%d,\"payload\":%zu}", issued->id, n);
}

/* All outstanding commands of a pair; of an unkind world some are missing, and
 * some that were answered are among them. */
static void deliver(struct world *w, int pair, uint32_t request_id)
{
  struct buffer text = {0};
  buffer_append_char(&text, '[');
  for (size_t n = 0; n < w->issued_count; n++) {
    struct issued *issued = &w->issued[n];
    if (issued->pair != pair || issued->is_old || issued->is_expired)
      continue;
    bool wanted = !issued->is_answered;
    if (!w->is_kind && !w->is_lossy && issued->is_answered)
      wanted = chance(w, 3);
    else if (!w->is_kind && !w->is_lossy && !w->is_orderly)
      wanted = chance(w, 60);
    if (!wanted)
      continue;
    issued->delivered_to = w->process;
    append(&text, issued, n);
  }
  buffer_append_char(&text, ']');
  core_commands(w->f.core, endpoints[pair / 2], types[pair % 2], request_id, text.data,
                text.size_bytes, w->f.wall_ms, w->f.now_ms - w->f.booted_ms, w->f.now_ms);
  if (!w->is_kind && chance(w, 10)) /* delivered twice by the broker */
    core_commands(w->f.core, endpoints[pair / 2], types[pair % 2], request_id, text.data,
                  text.size_bytes, w->f.wall_ms, w->f.now_ms - w->f.booted_ms, w->f.now_ms);
  buffer_clear(&text);
}

/* The platform takes the results of an array. */
static void take_results(struct world *w, const struct sent *sent)
{
  int pair = pair_of(sent->endpoint, sent->type);
  json_t *array = json_loadb(sent->body, sent->body_bytes, JSON_REJECT_DUPLICATES, NULL);
  HOLDS(w, json_array_size(array) > 0);
  for (size_t i = 0; i < json_array_size(array); i++) {
    json_t *element = json_array_get(array, i);
    int id = (int)json_integer_value(json_object_get(element, "id"));
    int status = (int)json_integer_value(json_object_get(element, "statusCode"));
    bool is_bad = status == 400, is_interrupted = status == 500 || status == 504;
    bool is_cancelled = status == CORE_CANCELLED;
    HOLDS(w, !is_interrupted || w->is_deadly);
    size_t of = (size_t)json_integer_value(json_object_get(element, "payload"));
    for (size_t n = 0; n < w->issued_count; n++) {
      struct issued *issued = &w->issued[n];
      if (issued->pair == pair && issued->id == id && issued->is_bad == is_bad && !issued->is_old &&
          (is_bad || is_interrupted || is_cancelled || of == n)) {
        HOLDS(w, !is_cancelled || issued->was_cancelled);
        HOLDS(w, is_bad || is_cancelled || (is_interrupted ? issued->may_be_unknown || w->was_lost
                                          : issued->effects > 0));
        w->interrupted += is_interrupted && !issued->is_answered;
        w->cancelled += is_cancelled && !issued->is_answered;
        w->answered += !issued->is_answered;
        issued->is_answered = true;
      }
    }
  }
  json_decref(array);
}

static void drop_message(struct world *w, size_t i)
{
  free(w->messages[i].sent.body);
  w->messages[i] = w->messages[--w->message_count];
}

/* One array that is on its way: arrives, or is lost, and is answered, or not. */
static void answer(struct world *w, size_t i)
{
  static const int errors[] = {400, 403, 404, 409, 500, 503};
  const struct sent *sent = &w->messages[i].sent;
  int status = w->is_kind || chance(w, 60) ? 0 : errors[draw(w, 6)];
  if (!status)
    take_results(w, sent);
  if (w->is_kind || chance(w, 70))
    core_answered(w->f.core, CORE_RESULT, sent->endpoint, sent->type,
                  chance(w, w->is_kind ? 100 : 95) ? sent->request_id : 0, status, "because",
                  w->f.now_ms);
  if (w->is_kind || chance(w, 70))
    drop_message(w, i); /* else it is answered once more, or much later */
}

/* What the core sent since the last call. */
static void read_sent(struct world *w)
{
  struct fixture *f = &w->f;
  for (; w->reads < f->sent_count; w->reads++) {
    struct sent *sent = &f->sent[w->reads];
    if (sent->kind == CORE_REQUEST) {
      if (w->is_kind || chance(w, 70))
        deliver(w, pair_of(sent->endpoint, sent->type), sent->request_id);
      else if (chance(w, 30))
        core_answered(f->core, CORE_REQUEST, sent->endpoint, sent->type, sent->request_id, 404,
                      "Not Found", f->now_ms);
    } else if (sent->kind == CORE_RESULT) {
      HOLDS(w, w->message_count < MESSAGES_MAX);
      w->messages[w->message_count].sent = *sent;
      w->messages[w->message_count++].sent.body = memory_copied(sent->body, sent->body_bytes);
      if (chance(w, 80))
        core_published(f->core, sent->request_id, f->now_ms);
    } else {
      core_published(f->core, sent->request_id, f->now_ms);
    }
  }
  fixture_forget(f);
  w->reads = 0;
}

/* The worker is through with it, one way or another. */
static void drop_running(struct fixture *f, size_t i)
{
  memmove(f->running + i, f->running + i + 1, (--f->running_count - i) * sizeof *f->running);
}

static void save(struct world *w, struct command *command, enum command_restart restart)
{
  struct command_saved saved = {.restart = restart,
                                .within_ms = 1000 + (int64_t)draw(w, 100000),
                                .boot_ms = w->f.now_ms - w->f.booted_ms,
                                .text = memory_text("[1]"),
                                .text_bytes = 3};
  core_save(w->f.core, command, &saved);
  struct issued *issued = &w->issued[issued_of(w, command->element, command->element_bytes)];
  issued->was_saved = true;
  if (restart != COMMAND_NO_RESTART)
    issued->resumed = 0;
}

/* What a handler does that has begun, beside ending. */
static bool act(struct world *w, size_t i)
{
  struct fixture *f = &w->f;
  struct command *command = f->running[i];
  struct issued *issued = &w->issued[issued_of(w, command->element, command->element_bytes)];
  if (w->is_kind || !w->is_deadly || chance(w, 70))
    return false;
  if (chance(w, 60)) {
    save(w, command, COMMAND_NO_RESTART);
    return true;
  }
  save(w, command, chance(w, 50) ? COMMAND_REBOOT : COMMAND_AGENT_RESTART);
  if (chance(w, 70)) {
    issued->runs_now = false;
    issued->may_be_unknown = true;
    drop_running(f, i);
    core_wait(f->core, command);
  }
  return true;
}

/* What an earlier process left queued for long runs when the platform lists it again. */
static bool was_stale(const struct world *w, const struct command *command)
{
  return command->received_boot_ms < 0 ||
         w->started_boot_ms - command->received_boot_ms >= CORE_FRESH_MS;
}

static void begin(struct world *w, struct issued *issued, const struct command *command)
{
  if (w->is_orderly && !issued->effects && !command->resumes && !was_stale(w, command) &&
      order_of(w, command) != CORE_ORDER_NONE) {
    HOLDS(w, command->sequence > w->last_begun[issued->pair]);
    w->last_begun[issued->pair] = command->sequence;
  }
  issued->has_begun = true;
  issued->effects += !command->resumes;
  issued->resumed += command->resumes;
}

static void put_back(struct world *w, size_t i)
{
  struct command *command = w->f.running[i];
  struct issued *issued = &w->issued[issued_of(w, command->element, command->element_bytes)];
  issued->runs_now = false;
  issued->put_back++;
  drop_running(&w->f, i);
  core_put_back(w->f.core, command);
}

/* The worker of this command ends; what it has begun has a result. */
static void end_worker(struct world *w, const struct command *of)
{
  struct fixture *f = &w->f;
  const char *type = of->key.type;
  size_t begun = SIZE_MAX;
  for (size_t i = f->running_count; i-- > 0;) {
    const struct command *command = f->running[i];
    if (!is_same_worker(w, of, command))
      continue;
    size_t n = issued_of(w, command->element, command->element_bytes);
    if (w->issued[n].has_begun)
      begun = n;
    else
      put_back(w, i);
  }
  if (chance(w, 50)) /* the next worker takes some at once */
    hand_out(w, type, draw(w, 4));
  for (size_t i = 0; i < f->running_count; i++) {
    const struct command *command = f->running[i];
    if (begun != SIZE_MAX && issued_of(w, command->element, command->element_bytes) == begun) {
      char payload[24];
      snprintf(payload, sizeof payload, "%zu", begun);
      w->issued[begun].runs_now = false;
      w->issued[begun].has_ended = true;
      fixture_finish_with(f, i, 200, payload);
      return;
    }
  }
}

/* A worker takes what it was given in turn. */
static size_t choose_running(struct world *w)
{
  const struct fixture *f = &w->f;
  size_t chosen = draw(w, f->running_count);
  const struct command *command = f->running[chosen];
  for (size_t i = 0; w->is_orderly && i < chosen; i++)
    if (is_same_worker(w, command, f->running[i]))
      return i;
  return chosen;
}

/* One that was handed out begins, acts, or ends; or is put back where it has not begun. */
static void go_on(struct world *w, bool is_put_back)
{
  struct fixture *f = &w->f;
  if (!f->running_count)
    return;
  size_t i = choose_running(w);
  struct command *command = f->running[i];
  size_t n = issued_of(w, command->element, command->element_bytes);
  struct issued *issued = &w->issued[n];
  if (is_put_back && w->is_orderly && order_of(w, command) != CORE_ORDER_NONE) {
    end_worker(w, command);
  } else if (is_put_back && !issued->has_begun) {
    put_back(w, i);
  } else if (!issued->has_begun) {
    begin(w, issued, command);
  } else if (!act(w, i)) {
    char payload[24];
    snprintf(payload, sizeof payload, "%zu", n);
    issued->runs_now = false;
    issued->has_ended = true;
    fixture_finish_with(f, i, 200, payload);
  }
}

/* The worker has it and has not begun: it never does. */
static void void_running(struct world *w, struct issued *issued)
{
  struct fixture *f = &w->f;
  for (size_t i = 0; i < f->running_count; i++) {
    const struct command *command = f->running[i];
    if (issued->has_begun || issued_of(w, command->element, command->element_bytes) !=
                                 (size_t)(issued - w->issued))
      continue;
    issued->runs_now = false;
    issued->was_cancelled = true;
    fixture_finish_with(f, i, CORE_CANCELLED, NULL);
    return;
  }
}

static void cancel_one(struct world *w)
{
  struct core_cancelling found;
  struct issued *issued = w->issued_count ? &w->issued[draw(w, w->issued_count)] : NULL;
  if (!issued || issued->is_old)
    return;
  int rc = core_cancel(w->f.core, endpoints[issued->pair / 2], types[issued->pair % 2], issued->id,
                       &found);
  HOLDS(w, rc || !issued->is_bad);
  if (rc == 0)
    issued->was_cancelled = true;
  else if (rc == -EBUSY)
    void_running(w, issued);
}

/* What the marks say after a kill; after a reboot, nothing. */
static enum core_evidence read_marks(void *user, const struct storage_row *row,
                                     struct command_result *result)
{
  struct world *w = user;
  if (row->state != COMMAND_RUNNING)
    return CORE_BEGUN;
  size_t n = issued_of(w, row->element, row->element_bytes);
  struct issued *issued = &w->issued[n];
  bool is_reboot = w->f.booted_ms == w->f.now_ms;
  if (!is_reboot && !issued->has_begun)
    return CORE_NOT_BEGUN;
  if (is_reboot || !issued->has_ended) {
    issued->may_be_unknown = true;
    return CORE_BEGUN;
  }
  char payload[24];
  snprintf(payload, sizeof payload, "%zu", n);
  *result = (struct command_result){.status = 200,
                                    .reason = memory_text("OK"),
                                    .payload = memory_text(payload),
                                    .payload_bytes = strlen(payload)};
  return CORE_FINISHED;
}

static struct core_options options_of(const struct world *w)
{
  size_t max_queued = w->seed % 4 ? 8 + w->seed % 20 : 40; /* 40: each type has its own part */
  return (struct core_options){.seed = w->seed + 1000 * w->process,
                               .max_queued = max_queued,
                               .is_lost = w->was_lost};
}

static void set_policies(struct world *w)
{
  for (int t = 0; t < 2; t++) {
    core_set_policy(w->f.core, types[t], w->policy[t]);
    core_set_order(w->f.core, types[t], w->order[t]);
  }
}

/* The host is killed and started again; what is on its way to the platform arrives, still. */
static void die(struct world *w)
{
  bool is_reboot = chance(w, 30);
  fixture_kill(&w->f, chance(w, 50));
  w->kills++;
  if (w->is_lossy && chance(w, 20)) {
    fixture_lose(&w->f);
    memset(w->last_begun, 0, sizeof w->last_begun); /* sequences begin anew */
    w->was_lost = true;
    w->losses++;
  }
  w->reboots += is_reboot;
  w->process++;
  w->f.now_ms += 1 + (int64_t)draw(w, chance(w, 30) ? 100000 : 1000);
  struct core_options options = options_of(w);
  fixture_restart(&w->f, &options, is_reboot, read_marks, w);
  w->started_boot_ms = w->f.now_ms - w->f.booted_ms;
  set_policies(w);
  w->held += (unsigned)fixture_counts(&w->f).held;
  for (size_t n = 0; n < w->issued_count; n++)
    w->issued[n].runs_now = false;
  w->is_connected = chance(w, 80);
  if (w->is_connected)
    core_connected(w->f.core, w->f.now_ms);
}

static void change_connection(struct world *w)
{
  if (w->is_connected)
    core_disconnected(w->f.core, w->f.now_ms);
  else
    core_connected(w->f.core, w->f.now_ms);
  w->is_connected = !w->is_connected;
}

static void step(struct world *w)
{
  struct fixture *f = &w->f;
  const char *type = types[draw(w, 2)];
  if (chance(w, 5))
    cancel_one(w);
  switch (draw(w, w->is_deadly ? 16 : 14)) {
  case 0:
  case 1: issue(w); break;
  case 2:
  case 3: deliver(w, (int)draw(w, PAIRS), 0); break;
  case 4: hand_out(w, type, draw(w, 6)); break;
  case 5: core_hand_out_ahead(f->core, type, draw(w, 4)); break;
  case 6:
  case 7:
  case 8: go_on(w, false); break;
  case 9: go_on(w, chance(w, 40)); break;
  case 10:
    if (w->message_count)
      answer(w, draw(w, w->message_count));
    break;
  case 11:
    if (chance(w, 10))
      change_connection(w);
    else
      core_telemetry(f->core, endpoints[draw(w, 2)], "[{\"t\":1}]", 9, f->wall_ms, f->now_ms);
    break;
  case 12:
    f->slow = chance(w, 50);
    f->room = chance(w, 20) ? draw(w, 3) : SIZE_MAX;
    break;
  case 13: fixture_pass(f, (int64_t)draw(w, chance(w, 10) ? 300000 : 3000)); break;
  case 14:
    if (chance(w, 20))
      die(w);
    break;
  case 15:
    if (w->issued_count && chance(w, 20))
      w->issued[draw(w, w->issued_count)].is_expired = true;
    f->leaves = chance(w, 10);
    break;
  }
  if (chance(w, 60))
    fixture_store(f);
  fixture_turn(f);
  read_sent(w);
}

static bool all_is_answered(const struct world *w)
{
  for (size_t n = 0; n < w->issued_count; n++)
    if (!w->issued[n].is_answered && !w->issued[n].is_expired)
      return false;
  return core_is_settled(w->f.core) && !core_rows_at(w->f.rows, 0);
}

/* A step of 5 s in a world where everything works. */
static void kind_step(struct world *w)
{
  struct fixture *f = &w->f;
  while (f->running_count)
    go_on(w, false);
  fixture_store(f);
  for (int t = 0; t < 2; t++)
    core_hand_out(f->core, types[t], 100);
  fixture_store(f);
  read_sent(w);
  while (w->message_count)
    answer(w, 0);
  fixture_pass(f, 5000);
  fixture_store(f);
  read_sent(w);
}

/* Of a world in which the host was never killed. */
static void check_counts(struct world *w)
{
  size_t run = 0;
  for (size_t n = 0; n < w->issued_count; n++) {
    const struct issued *issued = &w->issued[n];
    unsigned runs = issued->runs - issued->put_back;
    HOLDS(w, issued->is_bad ? !issued->runs : issued->was_cancelled ? runs <= 1 : runs == 1);
    run += runs;
  }
  struct core_counts counts = fixture_counts(&w->f);
  HOLDS(w, run > 100);
  HOLDS(w, counts.accepted == w->issued_count);
  HOLDS(w, counts.answered == w->issued_count);
  HOLDS(w, counts.confirmed + counts.refused == w->issued_count);
  HOLDS(w, counts.received + counts.queued + counts.running + counts.done == 0);
}

static void become_kind(struct world *w)
{
  w->is_kind = true;
  w->f.slow = false;
  w->f.leaves = false;
  w->f.room = SIZE_MAX;
  core_writable(w->f.core);
  if (!w->is_connected)
    change_connection(w);
}

static void live(struct world *w, uint64_t seed, bool is_deadly, bool is_lossy)
{
  *w = (struct world){.seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1};
  w->is_deadly = is_deadly;
  w->is_lossy = is_lossy;
  w->policy[1] = is_deadly ? (enum command_policy)(seed % 3) : COMMAND_REPORT;
  w->is_orderly = seed % 2;
  w->order[0] = (enum core_order)(seed / 2 % 3);
  w->order[1] = (enum core_order)(seed / 6 % 3);
  w->is_connected = true;
  w->issued = memory_zeroed(ISSUED_MAX, sizeof *w->issued);
  w->messages = memory_zeroed(MESSAGES_MAX, sizeof *w->messages);
  struct core_options options = options_of(w);
  fixture_open(&w->f, &options);
  set_policies(w);
  w->f.ran = on_ran;
  w->f.user = w;
  for (int i = 0; i < STEPS; i++)
    step(w);
  become_kind(w);
  for (int i = 0; i < 3600 && !all_is_answered(w); i++)
    kind_step(w);
  HOLDS(w, all_is_answered(w));
  if (!is_deadly)
    check_counts(w);
  while (w->message_count)
    drop_message(w, 0);
  fixture_close(&w->f);
  free(w->issued);
  free(w->messages);
}

static void whatever_happens_nothing_runs_twice_and_all_is_answered(void **unused)
{
  (void)unused;
  struct world w;
  unsigned cancelled = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++) {
    live(&w, seed, false, false);
    cancelled += w.cancelled;
  }
  print_message("%u cancelled\n", cancelled);
  assert_true(cancelled > 100);
}

static void whenever_it_is_killed_nothing_runs_twice_and_all_is_answered(void **unused)
{
  (void)unused;
  unsigned kills = 0, reboots = 0, answered = 0, interrupted = 0;
  unsigned resumed = 0, retried = 0, held = 0, cancelled = 0;
  for (uint64_t seed = 1; seed <= CRASH_SEEDS; seed++) {
    struct world w;
    live(&w, seed, true, false);
    kills += w.kills;
    reboots += w.reboots;
    answered += w.answered;
    interrupted += w.interrupted;
    cancelled += w.cancelled;
    resumed += w.resumed;
    retried += w.retried;
    held += w.held;
  }
  print_message("%u kills, %u of them with the machine; %u commands answered, %u of them with "
                "\"Interrupted\", %u cancelled; %u resumed, %u retried, %u times held\n",
                kills, reboots, answered, interrupted, cancelled, resumed, retried, held);
  assert_true(kills > 1000 && reboots > 100 && interrupted > 100); /* it was a trial */
  assert_true(resumed > 100 && retried > 100 && held > 100 && cancelled > 100);
}

static void whatever_is_lost_nothing_runs_twice_and_all_is_answered(void **unused)
{
  (void)unused;
  unsigned losses = 0, answered = 0, lost = 0;
  for (uint64_t seed = 1; seed <= CRASH_SEEDS / 2; seed++) {
    struct world w;
    live(&w, seed, true, true);
    losses += w.losses;
    answered += w.answered;
    lost += w.interrupted;
  }
  print_message("%u journals lost; %u commands answered, %u of them with \"Journal lost\" or "
                "\"Interrupted\"\n", losses, answered, lost);
  assert_true(losses > 300 && lost > 1000 && answered - lost > 1000);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whatever_happens_nothing_runs_twice_and_all_is_answered),
      cmocka_unit_test(whenever_it_is_killed_nothing_runs_twice_and_all_is_answered),
      cmocka_unit_test(whatever_is_lost_nothing_runs_twice_and_all_is_answered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
