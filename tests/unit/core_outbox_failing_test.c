/* The outbox over a transport that polls, while the messages of some endpoints
 * fail: the others go on. */
#include "core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
  STEP_MS = 50,
  SLOTS = 8, /* requests that the transport has under way */
  EVERY_MS = 10 * 1000, /* a sample of each endpoint */
  MOST_MS = 2 * 60 * 1000, /* that deliveries may stop */
  ENDPOINTS_MAX = 200,
};

/* Endpoints 0 … bad - 1 always fail, all of them until the outage is over. */
struct fleet {
  int endpoints, bad;
  int64_t outage_ms, run_ms;
  size_t room; /* messages in the outbox */
  bool is_silent; /* those that fail do so after 3 s */
  bool has_metadata;
};

struct world {
  struct fixture f;
  const struct fleet *fleet;
  char names[ENDPOINTS_MAX][16];
  struct sent under_way[SLOTS]; /* kind 0: none; without a body */
  int64_t start_ms;
  int64_t taken_ms[ENDPOINTS_MAX]; /* the last delivery; before the first: when it was possible */
  int64_t longest_ms;              /* between two of one endpoint */
  size_t taken, failed;
};

static void come(struct world *w)
{
  for (int i = 0; i < w->fleet->endpoints; i++)
    if (w->fleet->has_metadata)
      core_metadata(w->f.core, w->names[i], "{\"a\":1}", 7, w->f.wall_ms, w->f.now_ms);
    else
      core_telemetry(w->f.core, w->names[i], "[1]", 3, w->f.wall_ms, w->f.now_ms);
}

static bool is_outage(const struct world *w)
{
  return w->f.now_ms - w->start_ms < w->fleet->outage_ms;
}

static void answer(struct world *w, struct sent *slot)
{
  int endpoint = atoi(slot->endpoint + 1);
  bool fails = is_outage(w) || endpoint < w->fleet->bad;
  if (fails && w->fleet->is_silent && w->f.now_ms - slot->at_ms < 3000)
    return;
  const struct sent sent = *slot;
  *slot = (struct sent){0};
  if (!fails) {
    int64_t gap_ms = w->f.now_ms - w->taken_ms[endpoint];
    w->longest_ms = gap_ms > w->longest_ms ? gap_ms : w->longest_ms;
    w->taken_ms[endpoint] = w->f.now_ms;
  }
  w->taken += !fails;
  w->failed += fails;
  core_answered(w->f.core, sent.kind, sent.endpoint, NULL, sent.request_id, fails ? 503 : 0, "",
                w->f.now_ms);
}

/* What was sent takes a slot. */
static void take_sent(struct world *w)
{
  size_t slot = 0;
  for (size_t i = 0; i < w->f.sent_count; i++) {
    while (slot < SLOTS && w->under_way[slot].request_id)
      slot++;
    assert_true(slot < SLOTS);
    w->under_way[slot] = w->f.sent[i];
  }
  fixture_forget(&w->f);
}

static size_t free_slots(const struct world *w)
{
  size_t count = 0;
  for (int i = 0; i < SLOTS; i++)
    count += !w->under_way[i].request_id;
  return count;
}

static void step(struct world *w)
{
  w->f.room = free_slots(w);
  core_writable(w->f.core);
  fixture_turn(&w->f);
  fixture_pass(&w->f, STEP_MS);
  take_sent(w);
  for (int i = 0; i < SLOTS; i++)
    if (w->under_way[i].request_id)
      answer(w, &w->under_way[i]);
}

static void open_world(struct world *w, const struct fleet *fleet)
{
  *w = (struct world){.fleet = fleet};
  fixture_open_bare(&w->f, &(struct core_options){
      .polls = true,
      .seed = (uint64_t)fleet->endpoints,
      .max_telemetry_bytes = fleet->room * (128 + 7),
  });
  for (int i = 0; i < fleet->endpoints; i++) {
    snprintf(w->names[i], sizeof w->names[i], "N%d", i);
    core_add_endpoint(w->f.core, w->names[i]);
    w->taken_ms[i] = w->f.now_ms + fleet->outage_ms;
  }
  fixture_connect(&w->f);
  fixture_forget(&w->f);
  w->start_ms = w->f.now_ms;
}

/* No good endpoint waits for long, and those that fail are not tried all the time. */
static void live(const struct fleet *fleet)
{
  struct world w;
  open_world(&w, fleet);
  for (int64_t t = 0; t < fleet->outage_ms + fleet->run_ms; t += STEP_MS) {
    if (t % EVERY_MS == 0)
      come(&w);
    step(&w);
  }
  for (int i = fleet->bad; i < fleet->endpoints; i++)
    if (w.f.now_ms - w.taken_ms[i] > w.longest_ms)
      w.longest_ms = w.f.now_ms - w.taken_ms[i];
  print_message("%d of %d failing: %zu taken, %zu failed, at most %lld s between two\n",
                fleet->bad, fleet->endpoints, w.taken, w.failed, (long long)w.longest_ms / 1000);
  assert_in_range(w.longest_ms, 1, MOST_MS);
  size_t good = (size_t)(fleet->endpoints - fleet->bad);
  assert_true(w.taken >= good * (size_t)(fleet->run_ms / EVERY_MS - 3));
  int64_t all_ms = fleet->outage_ms + fleet->run_ms;
  assert_true(w.failed <= (size_t)(fleet->endpoints * (12 + all_ms / (200 * 1000))));
  fixture_close(&w.f);
}

static void ten_of_fifty_that_fail_for_hours_stop_no_other(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 50, .bad = 10, .run_ms = 3 * 3600 * 1000, .room = 2000});
}

static void sixty_of_two_hundred_that_fail_stop_no_other(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 200, .bad = 60, .run_ms = 3600 * 1000, .room = 4000});
}

static void a_full_outbox_of_little_room_stops_nothing(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 50, .bad = 10, .run_ms = 3600 * 1000, .room = 100});
}

static void those_that_fail_slowly_stop_no_other(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 50, .bad = 10, .run_ms = 3 * 3600 * 1000, .room = 2000,
                       .is_silent = true});
}

static void after_an_outage_all_that_may_go_on_soon(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 50, .bad = 5, .outage_ms = 1800 * 1000, .run_ms = 3600 * 1000,
                       .room = 20000});
}

/* The outbox is full before the outage ends. */
static void after_an_outage_with_a_full_outbox_they_do_too(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 50, .bad = 5, .outage_ms = 1800 * 1000, .run_ms = 3600 * 1000,
                       .room = 500});
}

static void metadata_of_some_that_fail_stops_no_other(void **unused)
{
  (void)unused;
  live(&(struct fleet){.endpoints = 50, .bad = 10, .run_ms = 3600 * 1000, .room = 2000,
                       .has_metadata = true});
}

static void add(struct fixture *f, const char *endpoint, const char *text)
{
  core_telemetry(f->core, endpoint, text, strlen(text), f->wall_ms, f->now_ms);
  fixture_turn(f);
}

static void fail_last(struct fixture *f, int status)
{
  fixture_answer(f, fixture_last(f, CORE_TELEMETRY), status);
}

static int64_t sent_again_after_ms(struct fixture *f)
{
  size_t before = fixture_count(f, CORE_TELEMETRY);
  int64_t start_ms = f->now_ms;
  while (fixture_count(f, CORE_TELEMETRY) == before) {
    fixture_pass(f, 100);
    assert_true(f->now_ms - start_ms < 1000 * 1000);
  }
  return fixture_last(f, CORE_TELEMETRY)->at_ms - start_ms;
}

/* Room for two; nothing else is asked. */
static void open_polling(struct fixture *f)
{
  fixture_open_bare(f, &(struct core_options){.polls = true, .max_telemetry_bytes = 2 * (128 + 3)});
  core_add_endpoint(f->core, "E1");
  core_add_endpoint(f->core, "E2");
  fixture_connect(f);
}

static void the_next_message_waits_as_long_as_one_that_went_for_want_of_room(void **unused)
{
  (void)unused;
  struct fixture f;
  open_polling(&f);
  add(&f, "E1", "[1]");
  for (int i = 0; i < 4; i++) {
    fail_last(&f, 503);
    assert_in_range(sent_again_after_ms(&f), 4000 << i, 6100 << i);
  }
  fail_last(&f, 503);
  fixture_forget(&f);
  add(&f, "E1", "[2]");
  add(&f, "E1", "[3]"); /* pushes the first out */
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 1);
  int64_t start_ms = f.now_ms;
  fixture_pass(&f, 63000);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 0);
  fixture_pass(&f, 35000); /* nothing else wakes it */
  assert_string_equal(fixture_last(&f, CORE_TELEMETRY)->body, "[2]");
  assert_in_range(fixture_last(&f, CORE_TELEMETRY)->at_ms - start_ms, 64000, 97000);
  fail_last(&f, 503);
  assert_in_range(sent_again_after_ms(&f), 128000, 193000);
  fixture_close(&f);
}

static void a_success_or_a_new_connection_begins_anew(void **unused)
{
  (void)unused;
  struct fixture f;
  open_polling(&f);
  add(&f, "E1", "[1]");
  for (int i = 0; i < 3; i++) {
    fail_last(&f, 503);
    sent_again_after_ms(&f);
  }
  fail_last(&f, 0);
  add(&f, "E1", "[2]");
  fail_last(&f, 503);
  assert_in_range(sent_again_after_ms(&f), 4000, 6100);
  fail_last(&f, 503);
  fixture_disconnect(&f);
  fixture_connect(&f);
  fail_last(&f, 503);
  assert_in_range(sent_again_after_ms(&f), 4000, 6100);
  fixture_close(&f);
}

static void the_oldest_goes_before_what_is_under_way(void **unused)
{
  (void)unused;
  struct fixture f;
  open_polling(&f);
  add(&f, "E1", "[1]");
  add(&f, "E1", "[2]");
  add(&f, "E1", "[3]"); /* for it goes the second: the first is with the platform */
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 1);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 1);
  fail_last(&f, 0);
  assert_string_equal(fixture_last(&f, CORE_TELEMETRY)->body, "[3]");
  fixture_close(&f);
}

/* Both are under way, so that one of them goes for the third. */
static void a_late_failure_of_a_message_that_went_is_no_refusal(void **unused)
{
  (void)unused;
  const int passing[] = {504, 500, 429, 408, 401};
  for (size_t i = 0; i < sizeof passing / sizeof *passing; i++) {
    struct fixture f;
    open_polling(&f);
    add(&f, "E1", "[1]");
    add(&f, "E2", "[2]");
    add(&f, "E2", "[3]");
    assert_int_equal(fixture_counts(&f).telemetry_dropped, 1);
    f.told_count = 0;
    fixture_answer(&f, fixture_sent(&f, CORE_TELEMETRY, 0), passing[i]);
    assert_int_equal(fixture_counts(&f).telemetry_dropped, 1);
    assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 0);
    fixture_close(&f);
  }
}

/* Only E1's messages are answered so, while E2's are taken. */
static void expect_kept(int status)
{
  struct fixture f;
  fixture_open_bare(&f, &(struct core_options){.polls = true});
  core_add_endpoint(f.core, "E1");
  core_add_endpoint(f.core, "E2");
  fixture_connect(&f);
  core_metadata(f.core, "E1", "{\"a\":1}", 7, f.wall_ms, f.now_ms);
  add(&f, "E1", "[1]");
  for (int second = 0; second < 3600; second++) {
    add(&f, "E2", "[2]");
    for (size_t i = 0; i < f.sent_count; i++)
      fixture_answer(&f, &f.sent[i], strcmp(f.sent[i].endpoint, "E1") ? 0 : status);
    fixture_forget(&f);
    fixture_pass(&f, 1000);
  }
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 1);
  assert_int_equal(fixture_counts(&f).metadata_waiting, 1);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 0);
  assert_int_equal(fixture_counts(&f).metadata_dropped, 0);
  for (int second = 0; second < 400; second++) {
    for (size_t i = 0; i < f.sent_count; i++)
      fixture_answer(&f, &f.sent[i], 0);
    fixture_forget(&f);
    fixture_pass(&f, 1000);
  }
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

static void too_many_requests_and_a_timeout_drop_nothing(void **unused)
{
  (void)unused;
  expect_kept(429);
  expect_kept(408);
}

static void credentials_that_are_not_accepted_drop_nothing(void **unused)
{
  (void)unused;
  expect_kept(401);
  expect_kept(407);
}

static void over_mqtt_they_drop_nothing_either(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){0});
  add(&f, "E1", "[1]");
  fail_last(&f, 401);
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 1);
  assert_in_range(sent_again_after_ms(&f), 4000, 6100);
  fail_last(&f, 0);
  assert_true(core_is_settled(f.core));
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ten_of_fifty_that_fail_for_hours_stop_no_other),
      cmocka_unit_test(sixty_of_two_hundred_that_fail_stop_no_other),
      cmocka_unit_test(a_full_outbox_of_little_room_stops_nothing),
      cmocka_unit_test(those_that_fail_slowly_stop_no_other),
      cmocka_unit_test(after_an_outage_all_that_may_go_on_soon),
      cmocka_unit_test(after_an_outage_with_a_full_outbox_they_do_too),
      cmocka_unit_test(metadata_of_some_that_fail_stops_no_other),
      cmocka_unit_test(the_next_message_waits_as_long_as_one_that_went_for_want_of_room),
      cmocka_unit_test(a_success_or_a_new_connection_begins_anew),
      cmocka_unit_test(the_oldest_goes_before_what_is_under_way),
      cmocka_unit_test(a_late_failure_of_a_message_that_went_is_no_refusal),
      cmocka_unit_test(too_many_requests_and_a_timeout_drop_nothing),
      cmocka_unit_test(credentials_that_are_not_accepted_drop_nothing),
      cmocka_unit_test(over_mqtt_they_drop_nothing_either),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
