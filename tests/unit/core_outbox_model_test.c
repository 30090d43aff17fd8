/* The outbox in random lives with crashes: a connection that breaks, confirmations
 * that are lost, a disk that is slow, cores that end at any time. What was stored
 * arrives, in order; what is lost is young; metadata ends with its newest value. */
#include "core_disk.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEPS = 2500, SEEDS = 40, ENDPOINTS = 2, VALUES_MAX = 4000, FLIGHT_MAX = 200 };

struct value {
  int endpoint;
  int64_t at_ms;
  bool is_metadata;
  bool has_arrived;
  bool is_confirmed; /* the core was told */
  bool is_lost;      /* in a crash */
  bool was_stored;
};

/* On the way to the platform. */
struct flight {
  struct sent sent;
  int value;
  bool has_arrived;
};

struct world {
  struct fixture f;
  struct disk disk;
  uint64_t seed, random;
  bool polls;
  bool may_be_slow;
  bool may_fail;
  bool is_connected;
  struct value values[VALUES_MAX];
  size_t value_count;
  struct flight flights[FLIGHT_MAX]; /* in the order of sending */
  size_t flight_count;
  int newest[ENDPOINTS][2]; /* samples: the newest that arrived; metadata: the last */
  int confirmed[ENDPOINTS]; /* metadata: the newest that was confirmed */
  size_t crashes, lost, restored, again, failures;
};

#define HOLDS(w, condition)                                                                  \
  do {                                                                                       \
    if (!(condition))                                                                        \
      fail_msg("seed %llu: %s", (unsigned long long)(w)->seed, #condition);                  \
  } while (0)

static uint64_t draw(struct world *w, uint64_t below)
{
  w->random ^= w->random << 13;
  w->random ^= w->random >> 7;
  w->random ^= w->random << 17;
  return (w->random >> 11) % below;
}

static int value_of(const char *body)
{
  return atoi(body + strcspn(body, "0123456789"));
}

static void come(struct world *w)
{
  if (w->value_count == VALUES_MAX)
    return;
  int v = (int)w->value_count++;
  struct value *value = &w->values[v];
  *value = (struct value){
      .endpoint = (int)draw(w, ENDPOINTS), .at_ms = w->f.now_ms, .is_metadata = draw(w, 2)};
  char text[32];
  snprintf(text, sizeof text, value->is_metadata ? "{\"v\":%d}" : "[%d]", v);
  const char *endpoint = value->endpoint ? "E2" : "E1";
  if (value->is_metadata)
    core_metadata(w->f.core, endpoint, text, strlen(text), w->f.wall_ms, w->f.now_ms);
  else
    core_telemetry(w->f.core, endpoint, text, strlen(text), w->f.wall_ms, w->f.now_ms);
  fixture_turn(&w->f);
}

/* Reads what the core sent since. */
static void read_sent(struct world *w)
{
  for (size_t i = 0; i < w->f.sent_count; i++) {
    if (w->f.sent[i].kind == CORE_REQUEST)
      continue;
    HOLDS(w, w->flight_count < FLIGHT_MAX);
    w->flights[w->flight_count++] =
        (struct flight){.sent = w->f.sent[i], .value = value_of(w->f.sent[i].body)};
  }
  fixture_forget(&w->f); /* the bodies are not looked at again */
}

static void arrive(struct world *w, struct flight *flight)
{
  struct value *value = &w->values[flight->value];
  int *newest = &w->newest[value->endpoint][value->is_metadata];
  flight->has_arrived = true;
  w->again += value->has_arrived;
  HOLDS(w, !value->is_lost || value->is_metadata);
  if (value->is_metadata) {
    *newest = flight->value;
  } else if (!value->has_arrived) {
    HOLDS(w, flight->value > *newest); /* in order */
    *newest = flight->value;
  }
  value->has_arrived = true;
}

/* The platform confirms a flight that has arrived. */
static void confirm(struct world *w, size_t i)
{
  struct flight flight = w->flights[i];
  memmove(w->flights + i, w->flights + i + 1, (--w->flight_count - i) * sizeof flight);
  struct value *value = &w->values[flight.value];
  value->is_confirmed = true;
  if (value->is_metadata && flight.value > w->confirmed[value->endpoint])
    w->confirmed[value->endpoint] = flight.value;
  if (w->polls)
    core_answered(w->f.core, flight.sent.kind, flight.sent.endpoint, NULL, flight.sent.request_id,
                  0, "", w->f.now_ms);
  else
    core_published(w->f.core, flight.sent.request_id, w->f.now_ms);
  fixture_turn(&w->f);
}

/* A request that polls fails, whether it arrived or not; it is sent again. */
static void refuse_for_a_while(struct world *w, size_t i)
{
  struct flight flight = w->flights[i];
  memmove(w->flights + i, w->flights + i + 1, (--w->flight_count - i) * sizeof flight);
  core_answered(w->f.core, flight.sent.kind, flight.sent.endpoint, NULL, flight.sent.request_id,
                429, "", w->f.now_ms);
  fixture_turn(&w->f);
  w->failures++;
}

/* MQTT keeps the order; requests of HTTP overtake each other. */
static void travel(struct world *w)
{
  if (!w->flight_count)
    return;
  size_t i = w->polls ? draw(w, w->flight_count) : 0;
  while (!w->polls && i < w->flight_count && w->flights[i].has_arrived && draw(w, 2))
    i++;
  if (i == w->flight_count)
    return;
  if (w->polls && w->may_fail && !draw(w, 4))
    refuse_for_a_while(w, i);
  else if (!w->flights[i].has_arrived)
    arrive(w, &w->flights[i]);
  else if (w->polls || i == 0)
    confirm(w, i);
}

static void change_connection(struct world *w)
{
  if (w->is_connected)
    fixture_disconnect(&w->f);
  else
    fixture_connect(&w->f);
  w->is_connected = !w->is_connected;
  w->flight_count = 0;
}

static void note_stored(struct world *w)
{
  for (size_t i = 0; i < w->disk.count; i++)
    w->values[value_of(w->disk.rows[i].body)].was_stored = true;
}

/* What neither the disk nor the platform has is lost, and is young. */
static void count_lost(struct world *w)
{
  for (size_t v = 0; v < w->value_count; v++) {
    struct value *value = &w->values[v];
    if (value->is_confirmed || value->is_metadata || value->was_stored || value->is_lost)
      continue;
    value->is_lost = !value->has_arrived; /* the core may not know */
    if (value->has_arrived)
      value->is_confirmed = true;
    w->lost += value->is_lost;
    HOLDS(w, w->may_be_slow || w->f.now_ms - value->at_ms <= 1000);
  }
}

/* What comes back of metadata ends with what the platform has, or something newer. */
static void expect_no_old_metadata(struct world *w)
{
  int last[ENDPOINTS] = {-1, -1};
  for (size_t i = 0; i < w->disk.count; i++)
    if (w->disk.rows[i].is_metadata)
      last[strcmp(w->disk.rows[i].endpoint, "E1") != 0] = value_of(w->disk.rows[i].body);
  for (int e = 0; e < ENDPOINTS; e++)
    HOLDS(w, last[e] < 0 || last[e] >= w->confirmed[e]);
}

static void open_world(struct world *w, int64_t now_ms)
{
  struct core_options options = {.seed = w->seed + w->crashes, .polls = w->polls,
                                 .last_message = w->disk.last_number};
  fixture_open_bare(&w->f, &options);
  w->f.now_ms = now_ms;
  disk_attach(&w->disk, &w->f);
  core_add_endpoint(w->f.core, "E1");
  core_add_endpoint(w->f.core, "E2");
  w->restored += w->disk.count;
  disk_restore(&w->disk, w->f.core);
  fixture_turn(&w->f);
}

static void crash(struct world *w)
{
  struct fixture *f = &w->f;
  w->crashes++;
  if (f->submitted && draw(w, 2)) /* it was durable, the core had not heard of it */
    disk_stores(&w->disk, f->submitted, f->submitted_count);
  note_stored(w);
  count_lost(w);
  expect_no_old_metadata(w);
  HOLDS(w, w->disk.writings < 2 || w->may_be_slow || w->disk.gap_ms >= 1000);
  HOLDS(w, fixture_counts(f).telemetry_dropped + fixture_counts(f).metadata_dropped == 0);
  int64_t now_ms = f->now_ms + (int64_t)draw(w, 5000);
  fixture_close(f);
  w->is_connected = false;
  w->flight_count = 0;
  open_world(w, now_ms);
}

static void step(struct world *w)
{
  switch (draw(w, 12)) {
  case 0:
  case 1:
  case 2: come(w); break;
  case 3:
  case 4:
  case 5:
  case 6:
  case 7: travel(w); break;
  case 8: fixture_pass(&w->f, (int64_t)draw(w, draw(w, 10) ? 300 : 4000)); break;
  case 9:
    if (!draw(w, w->is_connected ? 8 : 2))
      change_connection(w);
    break;
  case 10:
    w->f.slow = w->may_be_slow && draw(w, 2);
    fixture_store(&w->f);
    break;
  case 11:
    if (!draw(w, 12))
      crash(w);
    break;
  }
  note_stored(w);
  read_sent(w);
  if (w->flight_count && w->f.now_ms - w->flights[0].sent.at_ms > 50000)
    change_connection(w); /* a broker that says nothing for a minute gets it again */
}

static void settle(struct world *w)
{
  w->f.slow = false;
  fixture_store(&w->f);
  if (!w->is_connected)
    change_connection(w);
  for (int i = 0; i < 2000 && !(core_is_settled(w->f.core) && !w->disk.count); i++) {
    read_sent(w);
    while (w->flight_count) {
      arrive(w, &w->flights[0]);
      confirm(w, 0);
    }
    fixture_pass(&w->f, 500);
  }
  HOLDS(w, core_is_settled(w->f.core));
  HOLDS(w, !w->disk.count);
}

static void live(uint64_t seed, size_t *crashes, size_t *lost, size_t *restored)
{
  struct world *w = memory_zeroed(1, sizeof *w);
  w->seed = seed;
  w->random = seed * 0x9e3779b97f4a7c15u + 1;
  w->polls = seed % 4 == 3;
  w->may_be_slow = seed % 2;
  w->may_fail = seed % 8 == 7;
  memset(w->newest, -1, sizeof w->newest);
  memset(w->confirmed, -1, sizeof w->confirmed);
  open_world(w, 1000);
  for (int i = 0; i < STEPS; i++)
    step(w);
  settle(w);
  for (size_t v = 0; v < w->value_count; v++) {
    const struct value *value = &w->values[v];
    if (value->is_metadata) /* itself or a newer one stands in the end */
      HOLDS(w, !value->was_stored || w->newest[value->endpoint][1] >= (int)v);
    else
      HOLDS(w, value->has_arrived != value->is_lost);
  }
  *crashes += w->crashes;
  *lost += w->lost;
  *restored += w->restored;
  assert_true(!w->may_fail || w->failures > 20);
  fixture_close(&w->f);
  disk_clear(&w->disk);
  free(w);
}

static void whatever_happens_what_was_stored_arrives_in_order(void **unused)
{
  (void)unused;
  size_t crashes = 0, lost = 0, restored = 0;
  for (uint64_t seed = 1; seed <= SEEDS; seed++)
    live(seed, &crashes, &lost, &restored);
  print_message("%zu crashes, %zu messages restored, %zu young ones lost\n", crashes, restored,
                lost);
  assert_true(crashes > 10 * SEEDS);
  assert_true(restored > 10 * SEEDS);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(whatever_happens_what_was_stored_arrives_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
