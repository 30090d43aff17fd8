/* When ticks are due, with a virtual clock: each endpoint once in an interval,
 * evenly spread, one at a time, nothing caught up, nobody left out. */
#include "handlers/ticks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum { START_MS = 123456789 };

/* Runs ticks that take `takes_ms` until `end_ms` after the start; `began` gets the
 * time of each. Returns how many there were. */
static size_t run(struct ticks *ticks, int64_t takes_ms, int64_t end_ms, size_t *endpoints,
                  int64_t *began, size_t most)
{
  size_t count = 0;
  int64_t now = START_MS;
  while ((now = ticks_due_ms(ticks) > now ? ticks_due_ms(ticks) : now) < START_MS + end_ms) {
    size_t endpoint;
    assert_true(ticks_take(ticks, now, &endpoint));
    assert_true(count < most);
    endpoints[count] = endpoint;
    began[count++] = now - START_MS;
    assert_true(ticks_due_ms(ticks) == INT64_MAX);
    assert_false(ticks_take(ticks, now + 1000000, &endpoint));
    now += takes_ms;
    ticks_done(ticks, now);
  }
  return count;
}

static void the_first_is_at_once_then_each_interval(void **state)
{
  (void)state;
  struct ticks ticks = {0};
  size_t endpoints[10];
  int64_t began[10];
  assert_true(ticks_due_ms(&ticks) == INT64_MAX);
  ticks_start(&ticks, 0.1, 1, START_MS);
  assert_int_equal(run(&ticks, 3, 450, endpoints, began, 10), 5);
  for (size_t i = 0; i < 5; i++)
    assert_int_equal(began[i], 100 * (int64_t)i);
  ticks_stop(&ticks);
  assert_true(ticks_due_ms(&ticks) == INT64_MAX);
}

static void endpoints_are_spread_over_the_interval(void **state)
{
  (void)state;
  struct ticks ticks = {0};
  enum { ENDPOINTS = 10000, ROUNDS = 3 };
  size_t *endpoints = calloc(ENDPOINTS * ROUNDS, sizeof *endpoints);
  int64_t *began = calloc(ENDPOINTS * ROUNDS, sizeof *began);
  ticks_start(&ticks, 7, ENDPOINTS, START_MS);
  size_t count = run(&ticks, 0, 7000 * ROUNDS, endpoints, began, ENDPOINTS * ROUNDS);
  assert_int_equal(count, ENDPOINTS * ROUNDS - 1); /* the last, at 20999.3 ms, is rounded up */
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(endpoints[i], i % ENDPOINTS);
    int64_t exact_us = (int64_t)i * 700;
    assert_true(began[i] * 1000 >= exact_us && began[i] * 1000 < exact_us + 1000);
  }
  free(endpoints);
  free(began);
}

static void a_missed_one_is_skipped(void **state)
{
  (void)state;
  struct ticks ticks = {0};
  size_t endpoints[10];
  int64_t began[10];
  ticks_start(&ticks, 1, 1, START_MS);
  assert_int_equal(run(&ticks, 2500, 9500, endpoints, began, 10), 4);
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(began[i], 3000 * (int64_t)i);
}

/* The timer comes late, by more than two intervals: one tick, then the usual ones. */
static void a_late_timer_catches_nothing_up(void **state)
{
  (void)state;
  struct ticks ticks = {0};
  size_t endpoint;
  ticks_start(&ticks, 1, 1, START_MS);
  assert_true(ticks_take(&ticks, START_MS + 2700, &endpoint));
  ticks_done(&ticks, START_MS + 2710);
  assert_int_equal(ticks_due_ms(&ticks) - START_MS, 3000);
  assert_false(ticks_take(&ticks, START_MS + 2999, &endpoint));
  assert_true(ticks_take(&ticks, START_MS + 3000, &endpoint));
}

static void nobody_starves_where_ticks_take_longer_than_the_interval(void **state)
{
  (void)state;
  for (size_t count = 2; count <= 5; count++) {
    struct ticks ticks = {0};
    size_t endpoints[200], runs[5] = {0};
    int64_t began[200];
    ticks_start(&ticks, 1, count, START_MS);
    size_t ran = run(&ticks, 1300, 130000, endpoints, began, 200);
    assert_int_equal(ran, 100);
    for (size_t i = 0; i < ran; i++)
      runs[endpoints[i]]++;
    for (size_t i = 0; i < count; i++)
      assert_true(runs[i] >= ran / count);
  }
}

static void a_new_start_waits_for_the_one_that_is_out(void **state)
{
  (void)state;
  struct ticks ticks = {0};
  size_t endpoint;
  ticks_start(&ticks, 60, 3, START_MS);
  assert_true(ticks_take(&ticks, START_MS, &endpoint));
  ticks_start(&ticks, 5, 1, START_MS + 1000);
  assert_true(ticks_due_ms(&ticks) == INT64_MAX);
  ticks_done(&ticks, START_MS + 2000);
  assert_int_equal(ticks_due_ms(&ticks) - START_MS, 1000); /* the new version's first, at once */
  ticks_stop(&ticks);
  ticks_done(&ticks, START_MS + 3000);
  assert_true(ticks_due_ms(&ticks) == INT64_MAX);
}

static void ten_years_do_not_overflow(void **state)
{
  (void)state;
  struct ticks ticks = {0};
  size_t endpoint;
  int64_t ten_years_ms = (int64_t)3653 * 86400 * 1000;
  ticks_start(&ticks, 0.1, 1000000, START_MS);
  assert_true(ticks_take(&ticks, START_MS + ten_years_ms, &endpoint));
  ticks_done(&ticks, START_MS + ten_years_ms);
  int64_t due_ms = ticks_due_ms(&ticks) - START_MS;
  assert_int_equal(due_ms, ten_years_ms + 1);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_is_at_once_then_each_interval),
      cmocka_unit_test(endpoints_are_spread_over_the_interval),
      cmocka_unit_test(a_missed_one_is_skipped),
      cmocka_unit_test(a_late_timer_catches_nothing_up),
      cmocka_unit_test(nobody_starves_where_ticks_take_longer_than_the_interval),
      cmocka_unit_test(a_new_start_waits_for_the_one_that_is_out),
      cmocka_unit_test(ten_years_do_not_overflow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
