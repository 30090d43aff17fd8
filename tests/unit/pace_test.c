/* Polling, over a transport that cannot push: when each pair of endpoint and type
 * is polled. */
#include "core_fixture.h"

#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { STEP_MS = 20 };

/* A platform that answers each poll within STEP_MS. */
struct scene {
  struct fixture f;
  size_t answered;    /* of f.sent */
  const char *reply;  /* to every poll; NULL: an empty list */
  int status;         /* of every answer */
};

static void open_scene(struct scene *s, int endpoints, int types,
                       const struct core_options *options)
{
  struct core_options full = *options;
  full.polls = true;
  *s = (struct scene){0};
  fixture_open_bare(&s->f, &full);
  for (int i = 0; i < endpoints; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    core_add_endpoint(s->f.core, token);
  }
  char names[32][16];
  const char *pointers[32];
  for (int i = 0; i < types; i++) {
    snprintf(names[i], sizeof names[i], "t%02d", i);
    pointers[i] = names[i];
  }
  core_set_types(s->f.core, pointers, (size_t)types);
}

static void answer_one(struct scene *s, const struct sent *sent)
{
  struct fixture *f = &s->f;
  const char *text = s->reply ? s->reply : "[]";
  if (sent->kind != CORE_REQUEST || s->status)
    core_answered(f->core, sent->kind, sent->endpoint, *sent->type ? sent->type : NULL,
                  sent->request_id, sent->kind != CORE_RESULT ? s->status : 0, "because",
                  f->now_ms);
  else
    core_commands(f->core, sent->endpoint, sent->type, sent->request_id, text, strlen(text),
                  f->wall_ms, f->now_ms, f->now_ms);
}

/* Answers what was sent, and what that brings about at once. */
static void answer(struct scene *s)
{
  while (s->answered < s->f.sent_count) {
    answer_one(s, &s->f.sent[s->answered++]);
    fixture_turn(&s->f);
    assert_true(s->f.sent_count < FIXTURE_MAX / 2);
  }
}

static void forget(struct scene *s)
{
  answer(s);
  fixture_forget(&s->f);
  s->answered = 0;
}

static void pass(struct scene *s, int64_t ms)
{
  for (; ms > 0; ms -= STEP_MS) {
    fixture_pass(&s->f, STEP_MS);
    answer(s);
  }
}

/* How long until the next poll. */
static int64_t next_poll_ms(struct scene *s)
{
  forget(s);
  int64_t start_ms = s->f.now_ms;
  while (!fixture_count(&s->f, CORE_REQUEST)) {
    fixture_pass(&s->f, STEP_MS);
    assert_true(s->f.now_ms - start_ms < 1000 * 1000);
  }
  return fixture_sent(&s->f, CORE_REQUEST, 0)->at_ms - start_ms;
}

static void all_pairs_are_polled_at_once_six_at_a_time(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 3, 5, &(struct core_options){0});
  fixture_connect(&s.f);
  assert_int_equal(s.f.sent_count, 6);
  assert_string_equal(s.f.sent[0].body, "{}");
  fixture_pass(&s.f, 2000); /* no answer, no more */
  assert_int_equal(s.f.sent_count, 6);
  answer(&s);
  assert_in_range(s.f.sent_count, 15, 40); /* all, and by now some again */
  bool seen[3][5] = {{0}};
  for (size_t i = 0; i < 15; i++) {
    bool *pair = &seen[atoi(s.f.sent[i].endpoint + 1)][atoi(s.f.sent[i].type + 1)];
    assert_false(*pair);
    *pair = true;
  }
  fixture_close(&s.f);
}

static void an_idle_pair_is_polled_each_10_s(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){.seed = 3});
  fixture_connect(&s.f);
  int64_t least = INT64_MAX, most = 0;
  next_poll_ms(&s);
  for (int i = 0; i < 50; i++) {
    int64_t ms = next_poll_ms(&s);
    least = ms < least ? ms : least;
    most = ms > most ? ms : most;
  }
  assert_in_range(least, 7900, 9000);
  assert_in_range(most, 11000, 12100);
  fixture_close(&s.f);
}

static void many_idle_pairs_are_spread_evenly(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 20, 3, &(struct core_options){.seed = 4});
  fixture_connect(&s.f);
  pass(&s, 20000);
  forget(&s);
  int64_t start_ms = s.f.now_ms;
  pass(&s, 100000);
  size_t count = fixture_count(&s.f, CORE_REQUEST);
  assert_in_range(count, 540, 660); /* 60 pairs, ten times */
  size_t by_second[101] = {0};
  for (size_t i = 0; i < s.f.sent_count; i++)
    by_second[(s.f.sent[i].at_ms - start_ms) / 1000]++;
  for (size_t i = 0; i < 100; i++)
    assert_in_range(by_second[i], 3, 9);
  fixture_close(&s.f);
}

static void a_new_command_is_followed_by_a_poll_at_once(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){0});
  fixture_connect(&s.f);
  s.reply = "[{\"id\":1}]";
  answer_one(&s, &s.f.sent[0]);
  s.answered = 1;
  fixture_turn(&s.f);
  assert_int_equal(fixture_count(&s.f, CORE_REQUEST), 2); /* at once */
  answer(&s); /* the same command: known */
  assert_int_equal(fixture_count(&s.f, CORE_REQUEST), 2);
  assert_in_range(next_poll_ms(&s), 780, 1220);
  fixture_close(&s.f);
}

static void a_stored_command_that_is_listed_again_is_not_new(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){0});
  s.f.greedy = true;
  fixture_connect(&s.f);
  s.reply = "[{\"id\":1}]";
  answer(&s);
  fixture_finish(&s.f);
  answer(&s); /* the result is confirmed */
  assert_int_equal(fixture_counts(&s.f).confirmed, 1);
  pass(&s, 70000); /* the minute is over, and the platform lists it still */
  for (int i = 0; i < 5; i++)
    assert_in_range(next_poll_ms(&s), 1500, 12100);
  assert_int_equal(s.f.runs, 1);
  fixture_close(&s.f);
}

static void a_pair_is_polled_each_second_for_a_minute_after_a_command(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 2, &(struct core_options){0});
  s.f.greedy = true;
  fixture_connect(&s.f);
  answer(&s);
  pass(&s, 20000);
  next_poll_ms(&s);
  const struct sent poll = *fixture_sent(&s.f, CORE_REQUEST, 0);
  s.reply = "[{\"id\":1}]";
  forget(&s);
  s.reply = NULL;
  fixture_finish(&s.f);
  forget(&s);
  pass(&s, 59000);
  size_t busy = 0, others = 0;
  for (size_t i = 0; i < s.f.sent_count; i++)
    if (!strcmp(s.f.sent[i].endpoint, poll.endpoint) && !strcmp(s.f.sent[i].type, poll.type))
      busy++;
    else
      others++;
  assert_in_range(busy, 50, 72);
  assert_in_range(others, 12, 24); /* three pairs at their idle pace */
  pass(&s, 2500);
  forget(&s);
  pass(&s, 100000);
  assert_in_range(fixture_count(&s.f, CORE_REQUEST), 32, 48);
  fixture_close(&s.f);
}

/* A slow platform: six polls a second, where busy pairs alone want twenty. */
static void busy_pairs_do_not_starve_idle_ones(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 20, 2, &(struct core_options){0});
  s.f.greedy = true;
  fixture_connect(&s.f);
  forget(&s);
  for (int i = 0; i < 20; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    fixture_push(&s.f, token, "t00", "[{\"id\":1}]");
  }
  bool seen[20] = {0};
  size_t busy = 0, distinct = 0;
  for (int second = 0; second < 40; second++) {
    fixture_pass(&s.f, 1000);
    for (size_t end = s.f.sent_count; s.answered < end; s.answered++) {
      const struct sent *sent = &s.f.sent[s.answered];
      if (sent->kind == CORE_REQUEST && !strcmp(sent->type, "t01"))
        seen[atoi(sent->endpoint + 1)] = true;
      else
        busy += sent->kind == CORE_REQUEST;
      answer_one(&s, sent);
    }
  }
  for (int i = 0; i < 20; i++)
    distinct += seen[i];
  assert_int_equal(distinct, 20);
  assert_true(busy >= 100);
  fixture_close(&s.f);
}

static void polls_that_fail_back_off_alone(void **unused)
{
  (void)unused;
  static const int64_t pauses_s[] = {5, 10, 20, 40, 80, 160, 300, 300};
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){0});
  fixture_connect(&s.f);
  s.status = 503;
  for (size_t i = 0; i < sizeof pauses_s / sizeof *pauses_s; i++)
    assert_in_range(next_poll_ms(&s), pauses_s[i] * 790, pauses_s[i] * 1210);
  assert_int_equal(fixture_notes(&s.f, CORE_NOTE_REQUEST_ERROR), 0); /* forgotten with each poll */
  s.status = 0;
  assert_in_range(next_poll_ms(&s), 0, 12100);
  s.status = 404;
  assert_in_range(next_poll_ms(&s), 3950, 6050);
  fixture_close(&s.f);
}

static void a_pair_that_is_to_wait_waits_alone_and_as_long(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 2, &(struct core_options){.max_queued = 1});
  s.f.greedy = false;
  fixture_connect(&s.f);
  const struct sent *poll = fixture_sent(&s.f, CORE_REQUEST, 0);
  assert_string_equal(poll->type, "t00");
  fixture_push(&s.f, "T0", "t00", "[{\"id\":1},{\"id\":2}]"); /* one found no room */
  core_hold(s.f.core, CORE_REQUEST, poll->request_id, 60000);
  core_hold(s.f.core, CORE_REQUEST, 4711, 60000);
  core_hold(s.f.core, CORE_TELEMETRY, poll->request_id, 1);
  fixture_answer(&s.f, poll, 429);
  s.answered = 1;
  core_hand_out(s.f.core, "t00", 1); /* there is room again */
  fixture_turn(&s.f);
  int64_t start_ms = s.f.now_ms;
  pass(&s, 59900);
  size_t others = 0;
  for (size_t i = 1; i < s.f.sent_count; i++) {
    assert_string_equal(s.f.sent[i].type, "t01");
    others++;
  }
  assert_in_range(others, 5, 9);
  s.status = 429; /* without a wish: its own back-off, which has grown */
  while (strcmp(fixture_last(&s.f, CORE_REQUEST)->type, "t00") != 0)
    fixture_pass(&s.f, STEP_MS);
  assert_in_range(fixture_last(&s.f, CORE_REQUEST)->at_ms - start_ms, 60000, 60100);
  assert_in_range(next_poll_ms(&s), 0, 12100);
  fixture_close(&s.f);
}

static void a_wish_to_wait_shorter_than_the_back_off_changes_nothing(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){0});
  fixture_connect(&s.f);
  static const int64_t pauses_s[] = {5, 10, 20, 40};
  s.status = 429;
  for (size_t i = 0; i < sizeof pauses_s / sizeof *pauses_s; i++) {
    core_hold(s.f.core, CORE_REQUEST, fixture_last(&s.f, CORE_REQUEST)->request_id, 1000);
    assert_in_range(next_poll_ms(&s), pauses_s[i] * 790, pauses_s[i] * 1210);
  }
  fixture_close(&s.f);
}

/* Told as malformed elsewhere; the pace stays. */
static void an_answer_that_is_no_list_slows_nothing(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){0});
  fixture_connect(&s.f);
  s.status = 200;
  next_poll_ms(&s);
  for (int i = 0; i < 5; i++)
    assert_in_range(next_poll_ms(&s), 7900, 12100);
  assert_int_equal(fixture_notes(&s.f, CORE_NOTE_REQUEST_ERROR), 0);
  fixture_close(&s.f);
}

/* As a captive portal does. */
static void a_page_for_every_poll_is_told_once_per_endpoint_until_a_success(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 3, &(struct core_options){0});
  fixture_connect(&s.f);
  static const char page[] = "<html>Please log in</html>";
  size_t told = 0;
  for (int way = 0; way < 2; way++) {
    size_t pages = 0;
    for (int i = 0; i < 60000 / STEP_MS; i++) {
      for (; s.answered < s.f.sent_count; s.answered++, pages++) {
        const struct sent *sent = &s.f.sent[s.answered];
        core_commands(s.f.core, sent->endpoint, sent->type, 0, page, strlen(page), s.f.wall_ms,
                      s.f.now_ms, s.f.now_ms);
        core_answered(s.f.core, CORE_REQUEST, sent->endpoint, sent->type, sent->request_id, 200,
                      "", s.f.now_ms);
      }
      fixture_turn(&s.f);
      fixture_pass(&s.f, STEP_MS);
    }
    assert_in_range(pages, 30, 50);
    told += pages;
    assert_int_equal(fixture_counts(&s.f).malformed, told);
    assert_int_equal(fixture_notes(&s.f, CORE_NOTE_MALFORMED), 2);
    answer(&s);
    pass(&s, 12000); /* a success of both */
    forget(&s);
  }
  fixture_close(&s.f);
}

static void a_failing_type_does_not_slow_another(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 2, &(struct core_options){0});
  fixture_connect(&s.f);
  size_t counts[2] = {0};
  for (int i = 0; i < 100000 / STEP_MS; i++) {
    fixture_pass(&s.f, STEP_MS);
    while (s.answered < s.f.sent_count) {
      const struct sent *sent = &s.f.sent[s.answered++];
      s.status = !strcmp(sent->type, "t00") ? 500 : 0;
      counts[!s.status]++;
      answer_one(&s, sent);
      fixture_turn(&s.f);
    }
  }
  assert_in_range(counts[0], 4, 6); /* 0, 5, 15, 35, 75 s */
  assert_in_range(counts[1], 9, 13);
  fixture_close(&s.f);
}

static void a_type_has_an_interval_of_its_own(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){.poll_interval_ms = 60000});
  fixture_connect(&s.f);
  next_poll_ms(&s);
  assert_in_range(next_poll_ms(&s), 47500, 72100);
  core_set_poll_interval(s.f.core, "t00", 2000);
  core_set_poll_interval(s.f.core, "unknown", 2000);
  assert_in_range(next_poll_ms(&s), 0, 2420);
  assert_in_range(next_poll_ms(&s), 1580, 2420);
  core_set_poll_interval(s.f.core, "t00", 0);
  next_poll_ms(&s);
  assert_in_range(next_poll_ms(&s), 47500, 72100);
  fixture_close(&s.f);
}

static void a_steady_type_keeps_its_interval_whatever_comes(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){.poll_interval_ms = 100});
  core_set_poll_interval(s.f.core, "t00", 10000);
  core_set_poll_steady(s.f.core, "t00");
  core_set_poll_steady(s.f.core, "unknown");
  s.f.greedy = true;
  s.reply = "[{\"id\":1}]";
  fixture_connect(&s.f);
  answer(&s);
  assert_int_equal(s.f.runs, 1);
  for (int id = 2; id < 9; id++) { /* each answer has a command that is new */
    char reply[32];
    snprintf(reply, sizeof reply, "[{\"id\":%d}]", id);
    s.reply = reply;
    assert_in_range(next_poll_ms(&s), 7900, 12100);
    answer(&s);
  }
  assert_int_equal(s.f.runs, 8);
  fixture_close(&s.f);
}

static void a_new_type_is_polled_at_once(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 1, &(struct core_options){0});
  fixture_connect(&s.f);
  forget(&s);
  core_set_types(s.f.core, (const char *const[]){"t00", "t01"}, 2);
  fixture_turn(&s.f);
  assert_int_equal(s.f.sent_count, 2);
  assert_string_equal(s.f.sent[0].type, "t01");
  assert_string_equal(s.f.sent[1].type, "t01");
  fixture_close(&s.f);
}

static void a_removed_type_is_polled_for_a_day(void **unused)
{
  (void)unused;
  enum { HOUR_MS = 3600 * 1000 };
  struct scene s;
  open_scene(&s, 1, 2, &(struct core_options){.poll_interval_ms = 600 * 1000});
  fixture_connect(&s.f);
  forget(&s);
  core_set_types(s.f.core, (const char *const[]){"t01"}, 1);
  size_t gone = 0, kept = 0, late = 0;
  int64_t start_ms = s.f.now_ms;
  for (int hour = 0; hour < 30; hour++) {
    for (int i = 0; i < 36; i++) {
      fixture_pass(&s.f, HOUR_MS / 36);
      answer(&s);
    }
    for (size_t i = 0; i < s.f.sent_count; i++)
      if (!strcmp(s.f.sent[i].type, "t01"))
        kept++;
      else if (s.f.sent[i].at_ms - start_ms < 24 * HOUR_MS)
        gone++;
      else
        late++;
    forget(&s);
  }
  assert_in_range(gone, 100, 180); /* 6 an hour */
  assert_in_range(kept, 130, 220);
  assert_int_equal(late, 0);
  core_set_types(s.f.core, (const char *const[]){"t00", "t01"}, 2); /* it is back */
  fixture_turn(&s.f);
  assert_string_equal(fixture_last(&s.f, CORE_REQUEST)->type, "t00");
  fixture_close(&s.f);
}

static void commands_that_found_no_room_are_polled_again_when_there_is(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 1, &(struct core_options){.max_queued = 2, .poll_interval_ms = 1000000});
  fixture_connect(&s.f);
  s.reply = "[{\"id\":1},{\"id\":2},{\"id\":3}]";
  answer(&s);
  pass(&s, 5000);
  assert_int_equal(fixture_counts(&s.f).accepted, 2);
  for (int i = 0; i < 2; i++) {
    core_hand_out(s.f.core, "t00", 2);
    fixture_turn(&s.f);
    fixture_finish(&s.f);
    pass(&s, 3000);
  }
  assert_int_equal(fixture_counts(&s.f).accepted, 3);
  fixture_close(&s.f);
}

static void after_a_lost_connection_polls_are_spread_over_10_s(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 10, 10, &(struct core_options){.seed = 7});
  fixture_connect(&s.f);
  fixture_disconnect(&s.f); /* polls under way are forgotten */
  forget(&s);
  fixture_pass(&s.f, 100000);
  assert_int_equal(s.f.sent_count, 0);
  int64_t start_ms = s.f.now_ms;
  fixture_connect(&s.f);
  pass(&s, 9900);
  assert_in_range(s.f.sent_count, 90, 110);
  size_t first_half = 0;
  for (size_t i = 0; i < s.f.sent_count; i++)
    first_half += s.f.sent[i].at_ms - start_ms < 5000;
  assert_in_range(first_half, 40, 60);
  fixture_close(&s.f);
}

static void a_transport_without_room_does_not_make_it_spin(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 2, &(struct core_options){0});
  s.f.room = 0;
  fixture_connect(&s.f);
  fixture_pass(&s.f, 100000); /* asserts that each deadline lies ahead */
  s.f.room = SIZE_MAX;
  core_writable(s.f.core);
  fixture_turn(&s.f);
  assert_in_range(s.f.sent_count, 4, 6);
  fixture_close(&s.f);
}

static void samples_wait_out_a_trouble_and_keep_their_order(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 0, &(struct core_options){0});
  fixture_connect(&s.f);
  core_telemetry(s.f.core, "T0", "[1]", 3, s.f.wall_ms, s.f.now_ms);
  core_telemetry(s.f.core, "T0", "[2]", 3, s.f.wall_ms, s.f.now_ms);
  core_telemetry(s.f.core, "T1", "[3]", 3, s.f.wall_ms, s.f.now_ms);
  fixture_turn(&s.f);
  assert_int_equal(fixture_count(&s.f, CORE_TELEMETRY), 2); /* one of each endpoint */
  assert_string_equal(s.f.sent[0].body, "[1]");
  assert_string_equal(s.f.sent[1].body, "[3]");
  fixture_answer(&s.f, &s.f.sent[0], 503);
  fixture_answer(&s.f, &s.f.sent[1], 0);
  int64_t start_ms = s.f.now_ms;
  while (s.f.sent_count == 2)
    fixture_pass(&s.f, 10);
  assert_in_range(s.f.sent[2].at_ms - start_ms, 3990, 6010);
  assert_string_equal(s.f.sent[2].body, "[1]");
  fixture_answer(&s.f, &s.f.sent[2], 0);
  assert_string_equal(s.f.sent[3].body, "[2]");
  fixture_answer(&s.f, &s.f.sent[3], 404); /* a refusal for good */
  fixture_pass(&s.f, 100000);
  assert_int_equal(s.f.sent_count, 4);
  assert_int_equal(fixture_counts(&s.f).telemetry_waiting, 0);
  assert_int_equal(fixture_counts(&s.f).telemetry_dropped, 1);
  fixture_close(&s.f);
}

/* T0's first message is answered 500 for ever, and harms only T0. */
static void a_sample_that_always_fails_holds_back_no_other_endpoint(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 0, &(struct core_options){0});
  fixture_connect(&s.f);
  core_telemetry(s.f.core, "T0", "[0]", 3, s.f.wall_ms, s.f.now_ms);
  core_telemetry(s.f.core, "T0", "[9]", 3, s.f.wall_ms, s.f.now_ms);
  size_t bad = 0;
  for (int second = 0; second < 220; second++) {
    core_telemetry(s.f.core, "T1", "[1]", 3, s.f.wall_ms, s.f.now_ms);
    fixture_turn(&s.f);
    fixture_pass(&s.f, 1000);
    for (; s.answered < s.f.sent_count; s.answered++) {
      bool is_bad = !strcmp(s.f.sent[s.answered].body, "[0]");
      bad += is_bad;
      fixture_answer(&s.f, &s.f.sent[s.answered], is_bad ? 500 : 0);
    }
    assert_true(fixture_counts(&s.f).telemetry_waiting <= 2);
  }
  assert_in_range(bad, 5, 6); /* then it is dropped, and the next one goes */
  assert_int_equal(fixture_counts(&s.f).telemetry_waiting, 0);
  assert_int_equal(fixture_counts(&s.f).telemetry_dropped, 1);
  assert_int_equal(fixture_notes(&s.f, CORE_NOTE_TELEMETRY_DROPPED), 1);
  fixture_close(&s.f);
}

/* A platform that takes nothing is not a reason to lose samples. */
static void in_an_outage_all_wait_and_nothing_is_dropped(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 10, 0, &(struct core_options){0});
  fixture_connect(&s.f);
  for (int i = 0; i < 10; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    core_telemetry(s.f.core, token, "[1]", 3, s.f.wall_ms, s.f.now_ms);
  }
  fixture_turn(&s.f);
  s.status = 503;
  pass(&s, 600 * 1000);
  assert_in_range(s.f.sent_count, 20, 90);
  s.status = 0;
  pass(&s, 400 * 1000);
  assert_int_equal(fixture_counts(&s.f).telemetry_waiting, 0);
  assert_int_equal(fixture_counts(&s.f).telemetry_dropped, 0);
  fixture_close(&s.f);
}

/* A request may wait long in the transport: it is not sent twice. */
static void samples_without_an_answer_are_not_sent_again(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 1, 0, &(struct core_options){0});
  fixture_connect(&s.f);
  core_telemetry(s.f.core, "T0", "[1]", 3, s.f.wall_ms, s.f.now_ms);
  fixture_turn(&s.f);
  fixture_pass(&s.f, 300000);
  assert_int_equal(fixture_count(&s.f, CORE_TELEMETRY), 1);
  fixture_close(&s.f);
}

/* A result that precedes disconnections goes once all pairs were polled. */
static void a_suspect_waits_for_the_first_polls(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 2, 2, &(struct core_options){0});
  fixture_connect(&s.f);
  answer(&s);
  fixture_push(&s.f, "T0", "t00", "[{\"id\":1}]");
  core_hand_out(s.f.core, "t00", 1);
  fixture_turn(&s.f);
  fixture_finish(&s.f);
  fixture_turn(&s.f);
  for (int i = 0; i < 3; i++) {
    assert_int_equal(fixture_count(&s.f, CORE_RESULT), 1);
    fixture_disconnect(&s.f);
    fixture_forget(&s.f);
    s.answered = 0;
    fixture_connect(&s.f);
  }
  assert_int_equal(fixture_count(&s.f, CORE_RESULT), 0);
  pass(&s, 59000);
  assert_int_equal(fixture_count(&s.f, CORE_RESULT), 0);
  pass(&s, 2000);
  assert_int_equal(fixture_count(&s.f, CORE_RESULT), 1);
  fixture_close(&s.f);
}

static void ten_thousand_endpoints_with_twenty_types_take_little_memory(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s, 0, 20, &(struct core_options){0});
  size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 10000; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    core_add_endpoint(s.f.core, token);
  }
  fixture_connect(&s.f);
  for (int i = 0; i < 20; i++) {
    int64_t start_ms = s.f.now_ms;
    pass(&s, 1000);
    s.status = i < 10 ? 0 : 503; /* every poll fails */
    size_t count = fixture_count(&s.f, CORE_REQUEST);
    assert_true(count <= 520);
    assert_true(count >= 400 && s.f.now_ms - start_ms == 1000);
    fixture_forget(&s.f);
    s.answered = 0;
  }
  size_t after = mallinfo2().uordblks; /* the sanitizers count otherwise: 0 */
  assert_true(after - before < 10000 * 512);
  fixture_close(&s.f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_pairs_are_polled_at_once_six_at_a_time),
      cmocka_unit_test(an_idle_pair_is_polled_each_10_s),
      cmocka_unit_test(many_idle_pairs_are_spread_evenly),
      cmocka_unit_test(a_new_command_is_followed_by_a_poll_at_once),
      cmocka_unit_test(a_stored_command_that_is_listed_again_is_not_new),
      cmocka_unit_test(a_pair_is_polled_each_second_for_a_minute_after_a_command),
      cmocka_unit_test(busy_pairs_do_not_starve_idle_ones),
      cmocka_unit_test(polls_that_fail_back_off_alone),
      cmocka_unit_test(a_pair_that_is_to_wait_waits_alone_and_as_long),
      cmocka_unit_test(a_wish_to_wait_shorter_than_the_back_off_changes_nothing),
      cmocka_unit_test(an_answer_that_is_no_list_slows_nothing),
      cmocka_unit_test(a_page_for_every_poll_is_told_once_per_endpoint_until_a_success),
      cmocka_unit_test(a_failing_type_does_not_slow_another),
      cmocka_unit_test(a_type_has_an_interval_of_its_own),
      cmocka_unit_test(a_steady_type_keeps_its_interval_whatever_comes),
      cmocka_unit_test(a_new_type_is_polled_at_once),
      cmocka_unit_test(a_removed_type_is_polled_for_a_day),
      cmocka_unit_test(commands_that_found_no_room_are_polled_again_when_there_is),
      cmocka_unit_test(after_a_lost_connection_polls_are_spread_over_10_s),
      cmocka_unit_test(a_transport_without_room_does_not_make_it_spin),
      cmocka_unit_test(a_sample_that_always_fails_holds_back_no_other_endpoint),
      cmocka_unit_test(in_an_outage_all_wait_and_nothing_is_dropped),
      cmocka_unit_test(samples_without_an_answer_are_not_sent_again),
      cmocka_unit_test(a_suspect_waits_for_the_first_polls),
      cmocka_unit_test(samples_wait_out_a_trouble_and_keep_their_order),
      cmocka_unit_test(ten_thousand_endpoints_with_twenty_types_take_little_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
