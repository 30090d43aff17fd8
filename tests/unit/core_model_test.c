/* The core against a model of the world: a platform that delivers, repeats,
 * forgets to answer, answers wrongly and uses ids again, a connection that
 * breaks, workers that put back, a storage that is slow. Whatever happens, no
 * command runs twice, and once the world is kind each is answered. */
#include "core_fixture.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

enum { PAIRS = 4, STEPS = 3000, SEEDS = 24, ISSUED_MAX = 4000, MESSAGES_MAX = 4000 };

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
  bool runs_now;
  unsigned runs;
  unsigned put_back;
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
  bool is_orderly; /* arrays are whole and ids are used once: order can be checked */
  bool is_kind;
  bool is_connected;
  struct issued *issued;
  size_t issued_count;
  int next_id[PAIRS];
  size_t last_run[PAIRS]; /* the latest first run, plus one */
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

#define HOLDS(w, condition)                                                                  \
  do {                                                                                       \
    if (!(condition))                                                                        \
      fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #condition);                  \
  } while (0)

static int pair_of(const char *endpoint, const char *type)
{
  return (endpoint[1] - '1') * 2 + (type[0] - 'a');
}

static void on_ran(void *user, struct command *command)
{
  struct world *w = user;
  json_t *element = json_loadb(command->element, command->element_bytes, 0, NULL);
  size_t n = (size_t)json_integer_value(json_object_get(element, "payload"));
  json_decref(element);
  HOLDS(w, n < w->issued_count);
  struct issued *issued = &w->issued[n];
  HOLDS(w, issued->pair == pair_of(command->key.endpoint, command->key.type));
  HOLDS(w, issued->id == command->key.id);
  HOLDS(w, !issued->is_bad);
  HOLDS(w, !issued->runs_now);
  HOLDS(w, issued->runs == issued->put_back); /* never twice */
  if (w->is_orderly && !issued->runs) {
    HOLDS(w, n + 1 > w->last_run[issued->pair]);
    w->last_run[issued->pair] = n + 1;
  }
  issued->runs++;
  issued->runs_now = true;
}

static void issue(struct world *w)
{
  if (w->issued_count == ISSUED_MAX)
    return;
  struct issued fresh = {.pair = (int)draw(w, PAIRS), .is_bad = chance(w, 5)};
  fresh.id = w->next_id[fresh.pair]++;
  if (!w->is_orderly && w->issued_count && chance(w, 10)) {
    struct issued *old = &w->issued[draw(w, w->issued_count)];
    if (old->is_answered && !old->is_old && !old->is_bad) {
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
    const struct issued *issued = &w->issued[n];
    if (issued->pair != pair || issued->is_old)
      continue;
    bool wanted = !issued->is_answered;
    if (!w->is_kind && issued->is_answered)
      wanted = chance(w, 3);
    else if (!w->is_kind && !w->is_orderly)
      wanted = chance(w, 60);
    if (wanted)
      append(&text, issued, n);
  }
  buffer_append_char(&text, ']');
  core_commands(w->f.core, endpoints[pair / 2], types[pair % 2], request_id, text.data,
                text.size_bytes, w->f.wall_ms, w->f.now_ms);
  if (!w->is_kind && chance(w, 10)) /* delivered twice by the broker */
    core_commands(w->f.core, endpoints[pair / 2], types[pair % 2], request_id, text.data,
                  text.size_bytes, w->f.wall_ms, w->f.now_ms);
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
    bool is_bad = json_integer_value(json_object_get(element, "statusCode")) == 400;
    size_t of = (size_t)json_integer_value(json_object_get(element, "payload"));
    for (size_t n = 0; n < w->issued_count; n++) {
      struct issued *issued = &w->issued[n];
      if (issued->pair == pair && issued->id == id && issued->is_bad == is_bad && !issued->is_old &&
          (is_bad || of == n)) {
        HOLDS(w, is_bad || issued->runs);
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

static void end_command(struct world *w, bool is_put_back)
{
  struct fixture *f = &w->f;
  if (!f->running_count)
    return;
  size_t i = draw(w, f->running_count);
  struct command *command = f->running[i];
  json_t *element = json_loadb(command->element, command->element_bytes, 0, NULL);
  size_t n = (size_t)json_integer_value(json_object_get(element, "payload"));
  json_decref(element);
  w->issued[n].runs_now = false;
  if (is_put_back) {
    w->issued[n].put_back++;
    memmove(f->running + i, f->running + i + 1, (--f->running_count - i) * sizeof *f->running);
    core_put_back(f->core, command);
    return;
  }
  char payload[24];
  snprintf(payload, sizeof payload, "%zu", n);
  fixture_finish_with(f, i, 200, payload);
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
  switch (draw(w, 14)) {
  case 0:
  case 1: issue(w); break;
  case 2:
  case 3: deliver(w, (int)draw(w, PAIRS), 0); break;
  case 4: core_hand_out(f->core, type, draw(w, 6)); break;
  case 5: core_hand_out_ahead(f->core, type, draw(w, 4)); break;
  case 6:
  case 7:
  case 8: end_command(w, false); break;
  case 9: end_command(w, chance(w, 40)); break;
  case 10:
    if (w->message_count)
      answer(w, draw(w, w->message_count));
    break;
  case 11:
    if (chance(w, 10))
      change_connection(w);
    else
      core_telemetry(f->core, endpoints[draw(w, 2)], "[{\"t\":1}]", 9);
    break;
  case 12:
    f->slow = chance(w, 50);
    f->room = chance(w, 20) ? draw(w, 3) : SIZE_MAX;
    break;
  case 13: fixture_pass(f, (int64_t)draw(w, chance(w, 10) ? 300000 : 3000)); break;
  }
  if (chance(w, 60))
    fixture_store(f);
  fixture_turn(f);
  read_sent(w);
}

static bool all_is_answered(const struct world *w)
{
  for (size_t n = 0; n < w->issued_count; n++)
    if (!w->issued[n].is_answered)
      return false;
  return core_is_settled(w->f.core);
}

/* A step of 5 s in a world where everything works. */
static void kind_step(struct world *w)
{
  struct fixture *f = &w->f;
  while (f->running_count)
    end_command(w, false);
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

static void live(uint64_t seed)
{
  struct world w = {.seed = seed, .random = seed * 0x9e3779b97f4a7c15u + 1};
  w.is_orderly = seed % 2;
  w.is_connected = true;
  w.issued = memory_zeroed(ISSUED_MAX, sizeof *w.issued);
  w.messages = memory_zeroed(MESSAGES_MAX, sizeof *w.messages);
  size_t max_queued = seed % 4 ? 8 + seed % 20 : 40; /* 40: each type has a part of its own */
  fixture_open(&w.f, &(struct core_options){.seed = seed, .max_queued = max_queued});
  w.f.ran = on_ran;
  w.f.user = &w;
  for (int i = 0; i < STEPS; i++)
    step(&w);

  w.is_kind = true;
  w.f.slow = false;
  w.f.room = SIZE_MAX;
  core_writable(w.f.core);
  if (!w.is_connected)
    change_connection(&w);
  for (int i = 0; i < 3600 && !all_is_answered(&w); i++)
    kind_step(&w);
  HOLDS(&w, all_is_answered(&w));
  size_t run = 0;
  for (size_t n = 0; n < w.issued_count; n++) {
    HOLDS(&w, w.issued[n].is_bad ? !w.issued[n].runs
                                 : w.issued[n].runs == w.issued[n].put_back + 1);
    run += !w.issued[n].is_bad;
  }
  struct core_counts counts = fixture_counts(&w.f);
  HOLDS(&w, run > 100);
  HOLDS(&w, counts.accepted == w.issued_count);
  HOLDS(&w, counts.answered == w.issued_count);
  HOLDS(&w, counts.confirmed + counts.refused == w.issued_count);
  HOLDS(&w, counts.received + counts.queued + counts.running + counts.done == 0);
  while (w.message_count)
    drop_message(&w, 0);
  fixture_close(&w.f);
  free(w.issued);
  free(w.messages);
}

static void whatever_happens_nothing_runs_twice_and_all_is_answered(void **unused)
{
  (void)unused;
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    live(seed);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whatever_happens_nothing_runs_twice_and_all_is_answered),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
