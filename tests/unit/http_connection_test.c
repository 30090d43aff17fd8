/* When HTTP counts as connected, and which poll is tried while it does not. On a
 * real loop; the test is who sends. */
#include "host/http_connection.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PATIENCE_MS = 40000 };

struct scene {
  struct loop *loop;
  struct loop_timer *patience;
  struct http_connection *connection;
  int connected, disconnected;
  unsigned probes;
  char probe[64]; /* the last one: "endpoint type" */
};

static void on_connected(void *context)
{
  struct scene *s = context;
  s->connected++;
  loop_stop(s->loop);
}

static void on_disconnected(void *context)
{
  struct scene *s = context;
  s->disconnected++;
}

static void on_open(void *context)
{
  struct scene *s = context;
  loop_stop(s->loop);
}

static int on_probe(void *context, const char *endpoint, const char *type, struct error *error)
{
  (void)error;
  struct scene *s = context;
  if (!endpoint)
    return 0;
  s->probes++;
  snprintf(s->probe, sizeof s->probe, "%s %s", endpoint, type);
  loop_stop(s->loop);
  return 0;
}

static void on_patience(void *context)
{
  (void)context;
  fail_msg("nothing happened");
}

static void run(struct scene *s)
{
  loop_timer_set(s->patience, clock_monotonic_ms() + PATIENCE_MS);
  loop_run(s->loop);
}

static void on_failed(void *context, const char *why)
{
  (void)context;
  assert_true(*why);
}

/* Connected, as far as the core knows; nothing was answered yet. */
static void open_scene(struct scene *s)
{
  *s = (struct scene){.loop = loop_create()};
  const struct http_connection_ports ports = {
      .context = s,
      .connected = on_connected,
      .disconnected = on_disconnected,
      .failed = on_failed,
      .open = on_open,
      .probe = on_probe,
  };
  s->patience = loop_timer_create(s->loop, on_patience, s);
  s->connection = http_connection_create(s->loop, "http://platform", &ports);
  assert_false(http_connection_is_open(s->connection));
  http_connection_begin(s->connection);
  run(s);
  assert_int_equal(s->connected, 1);
  assert_true(http_connection_is_open(s->connection));
}

static void close_scene(struct scene *s)
{
  http_connection_destroy(s->connection);
  loop_timer_destroy(s->patience);
  loop_destroy(s->loop);
}

static bool fail_one(struct scene *s, uint64_t answers)
{
  return http_connection_failed(s->connection,
                                &(struct http_failure){.why = "silence", .answers = answers});
}

static void answer_poll(struct scene *s, const char *endpoint, const char *type)
{
  http_connection_poll_answered(s->connection, endpoint, type);
  http_connection_answered(s->connection);
}

static void await_probe(struct scene *s, const char *expected)
{
  unsigned before = s->probes;
  run(s);
  assert_int_equal(s->probes, before + 1);
  assert_string_equal(s->probe, expected);
}

static void fail_probe(struct scene *s)
{
  const struct http_failure failure = {.why = "silence", .is_probe = true};
  assert_false(http_connection_failed(s->connection, &failure));
}

static void requests_that_hang_beside_answered_ones_do_not_disconnect(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  http_connection_answered(s.connection);
  uint64_t answers = http_connection_answers(s.connection);
  http_connection_answered(s.connection); /* they began before this one */
  for (int i = 0; i < 6; i++)
    assert_true(fail_one(&s, answers));
  assert_int_equal(s.disconnected, 0);
  answers = http_connection_answers(s.connection);
  assert_true(fail_one(&s, answers));
  assert_true(fail_one(&s, answers));
  assert_false(fail_one(&s, answers));
  assert_int_equal(s.disconnected, 1);
  assert_true(http_connection_is_down(s.connection));
  close_scene(&s);
}

static void an_answer_in_between_starts_the_count_anew(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  for (int i = 0; i < 5; i++) {
    uint64_t answers = http_connection_answers(s.connection);
    assert_true(fail_one(&s, answers));
    assert_true(fail_one(&s, answers));
    http_connection_answered(s.connection);
  }
  assert_int_equal(s.disconnected, 0);
  close_scene(&s);
}

/* T2 hangs for ever, and was the last one that was sent. */
static void the_polls_that_were_answered_are_tried_in_turn(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  http_connection_poll_sent(s.connection, "T2", "a");
  http_connection_poll_sent(s.connection, "T1", "a");
  answer_poll(&s, "T1", "a");
  answer_poll(&s, "T1", "b");
  http_connection_poll_sent(s.connection, "T2", "b");
  http_connection_lost(s.connection, "gone");
  await_probe(&s, "T1 b");
  fail_probe(&s);
  await_probe(&s, "T1 a");
  answer_poll(&s, "T1", "a");
  assert_int_equal(s.connected, 2);
  close_scene(&s);
}

static void until_one_is_answered_the_first_that_were_sent_are_tried(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  for (char type[] = "a"; *type <= 'f'; ++*type)
    http_connection_poll_sent(s.connection, "T1", type);
  http_connection_lost(s.connection, "gone");
  await_probe(&s, "T1 d");
  close_scene(&s);
}

static void nothing_is_sent_while_it_is_held(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  http_connection_answered(s.connection);
  int64_t start_ms = clock_monotonic_ms();
  http_connection_hold(s.connection, 1000);
  assert_false(http_connection_is_open(s.connection));
  run(&s);
  assert_true(clock_monotonic_ms() - start_ms >= 1000);
  assert_true(http_connection_is_open(s.connection));
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(requests_that_hang_beside_answered_ones_do_not_disconnect),
      cmocka_unit_test(an_answer_in_between_starts_the_count_anew),
      cmocka_unit_test(the_polls_that_were_answered_are_tried_in_turn),
      cmocka_unit_test(until_one_is_answered_the_first_that_were_sent_are_tried),
      cmocka_unit_test(nothing_is_sent_while_it_is_held),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
