/* Names that one handler at a time may hold. */
#include "handlers/exclusion.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SEATS = 4 };

struct scene {
  struct exclusions exclusions;
  struct exclusion_seat seats[SEATS];
  unsigned turns;
};

static void on_turn(void *context)
{
  ((struct scene *)context)->turns++;
}

static void open_scene(struct scene *s)
{
  *s = (struct scene){0};
  exclusions_init(&s->exclusions, on_turn, s);
  for (size_t i = 0; i < SEATS; i++)
    exclusion_join(&s->exclusions, &s->seats[i], s);
}

static void close_scene(struct scene *s)
{
  for (size_t i = 0; i < SEATS; i++)
    if (s->seats[i].owner)
      exclusion_part(&s->exclusions, &s->seats[i]);
}

static bool take(struct scene *s, size_t i, const char *name, int64_t now_ms)
{
  return exclusion_take(&s->exclusions, &s->seats[i], name, now_ms);
}

static void release(struct scene *s, size_t i)
{
  exclusion_release(&s->exclusions, &s->seats[i]);
}

/* The seat whose turn it is; SEATS: none. */
static size_t next(struct scene *s)
{
  const struct exclusion_seat *seat = exclusion_next(&s->exclusions);
  return seat ? (size_t)(seat - s->seats) : SEATS;
}

static void one_holds_a_name_at_a_time(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_true(take(&s, 0, "bus", 1000000)); /* nobody waits: for as long as it likes */
  assert_false(take(&s, 1, "bus", 1000000));
  assert_true(take(&s, 2, "valves", 0));
  assert_true(exclusion_holds(&s.seats[0], "bus"));
  assert_false(exclusion_holds(&s.seats[1], "bus"));
  assert_false(exclusion_holds(&s.seats[0], "valves"));
  close_scene(&s);
}

static void those_who_wait_have_their_turns_in_order(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_false(take(&s, 2, "bus", 1));
  assert_false(take(&s, 1, "bus", 2));
  assert_int_equal(next(&s), SEATS);
  assert_int_equal(s.turns, 0);
  release(&s, 0);
  assert_int_equal(s.turns, 1);
  assert_false(take(&s, 0, "bus", 3)); /* nobody comes between */
  assert_false(take(&s, 1, "bus", 3));
  assert_false(take(&s, 3, "bus", 3));
  assert_int_equal(next(&s), 2);
  assert_true(take(&s, 2, "bus", 4));
  assert_int_equal(next(&s), SEATS);
  static const size_t then[] = {1, 0, 3};
  size_t holder = 2;
  for (size_t i = 0; i < 3; i++) {
    release(&s, holder);
    holder = next(&s);
    assert_int_equal(holder, then[i]);
    assert_true(take(&s, holder, "bus", 5));
  }
  assert_int_equal(s.turns, 4);
  release(&s, 3);
  assert_int_equal(s.turns, 4); /* nobody waits */
  close_scene(&s);
}

static void one_that_others_wait_for_comes_to_an_end(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 1000));
  assert_false(take(&s, 1, "bus", 1010));
  assert_true(take(&s, 0, "bus", 1000 + EXCLUSION_TURN_MS - 1));
  assert_false(take(&s, 0, "bus", 1000 + EXCLUSION_TURN_MS));
  assert_true(exclusion_holds(&s.seats[0], "bus")); /* until what it has is through */
  release(&s, 0);
  assert_int_equal(next(&s), 1);
  assert_true(take(&s, 1, "bus", 2000));
  assert_false(take(&s, 1, "bus", 2000 + EXCLUSION_TURN_MS)); /* the first waits again */
  release(&s, 1);
  assert_int_equal(next(&s), 0);
  close_scene(&s);
}

static void a_name_may_be_taken_again_before_anybody_has_it(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 1000));
  assert_false(take(&s, 1, "bus", 1000));
  release(&s, 0);
  exclusion_take_again(&s.exclusions, &s.seats[0], "bus", 1001);
  assert_int_equal(next(&s), SEATS);
  assert_false(take(&s, 1, "bus", 1001));
  assert_false(take(&s, 0, "bus", 1001)); /* its turn is over */
  release(&s, 0);
  assert_int_equal(s.turns, 2);
  assert_int_equal(next(&s), 1);
  assert_true(take(&s, 1, "bus", 1002));
  exclusion_take_again(&s.exclusions, &s.seats[0], "bus", 1002); /* too late */
  assert_false(exclusion_holds(&s.seats[0], "bus"));
  close_scene(&s);
}

static void who_has_no_use_for_its_turn_loses_it(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_false(take(&s, 1, "bus", 0));
  assert_false(take(&s, 2, "bus", 0));
  release(&s, 0);
  assert_int_equal(next(&s), 1);
  assert_int_equal(next(&s), 2);
  assert_int_equal(next(&s), SEATS);
  assert_true(take(&s, 3, "bus", 0)); /* free for whoever comes */
  close_scene(&s);
}

static void names_are_free_independently(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_true(take(&s, 1, "valves", 0));
  assert_false(take(&s, 2, "bus", 0));
  assert_false(take(&s, 3, "valves", 0));
  release(&s, 1);
  assert_int_equal(next(&s), 3);
  assert_true(take(&s, 3, "valves", 0));
  assert_int_equal(next(&s), SEATS);
  close_scene(&s);
}

static void another_name_waits_until_the_old_one_is_free(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_false(take(&s, 0, "valves", 0)); /* its new version says so; the old one runs */
  assert_true(exclusion_holds(&s.seats[0], "bus"));
  release(&s, 0);
  assert_int_equal(s.turns, 1);
  assert_int_equal(next(&s), 0);
  assert_true(take(&s, 0, "valves", 0));
  assert_true(take(&s, 1, "bus", 0));
  close_scene(&s);
}

static void one_that_is_called_may_wait_for_another_name(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_true(take(&s, 1, "valves", 0));
  assert_false(take(&s, 2, "bus", 0));
  release(&s, 0);
  assert_int_equal(next(&s), 2);
  assert_false(take(&s, 2, "valves", 0));
  assert_int_equal(next(&s), SEATS);
  release(&s, 1);
  assert_int_equal(next(&s), 2);
  assert_true(take(&s, 2, "valves", 0));
  close_scene(&s);
}

static void one_that_goes_frees_its_name_and_its_place_in_line(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  assert_true(take(&s, 0, "bus", 0));
  assert_false(take(&s, 1, "bus", 0));
  assert_false(take(&s, 2, "bus", 0));
  exclusion_part(&s.exclusions, &s.seats[1]);
  s.seats[1].owner = NULL;
  exclusion_part(&s.exclusions, &s.seats[0]);
  s.seats[0].owner = NULL;
  assert_int_equal(s.turns, 1);
  assert_int_equal(next(&s), 2);
  exclusion_part(&s.exclusions, &s.seats[2]); /* while it is called */
  s.seats[2].owner = NULL;
  assert_int_equal(next(&s), SEATS);
  assert_true(take(&s, 3, "bus", 0));
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_holds_a_name_at_a_time),
      cmocka_unit_test(those_who_wait_have_their_turns_in_order),
      cmocka_unit_test(one_that_others_wait_for_comes_to_an_end),
      cmocka_unit_test(a_name_may_be_taken_again_before_anybody_has_it),
      cmocka_unit_test(who_has_no_use_for_its_turn_loses_it),
      cmocka_unit_test(names_are_free_independently),
      cmocka_unit_test(another_name_waits_until_the_old_one_is_free),
      cmocka_unit_test(one_that_is_called_may_wait_for_another_name),
      cmocka_unit_test(one_that_goes_frees_its_name_and_its_place_in_line),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
