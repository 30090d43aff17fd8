/* Which commands of a type are handed out, and behind which older ones each waits. */
#include "core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Says what is to be answered for E1 and E2; `asked` is what it was asked for. */
struct wishes {
  enum core_answer first, second;
  size_t most; /* taken in all, then CORE_STOP */
  char asked[200];
};

static enum core_answer offer(void *context, const char *endpoint)
{
  struct wishes *wishes = context;
  size_t used = strlen(wishes->asked);
  snprintf(wishes->asked + used, sizeof wishes->asked - used, "%s%s", used ? " " : "", endpoint);
  enum core_answer answer = strcmp(endpoint, "E1") ? wishes->second : wishes->first;
  if (answer != CORE_TAKE)
    return answer;
  return wishes->most-- ? CORE_TAKE : CORE_STOP;
}

/* Four commands wait: 1 and 2 of E1, 3 of E2, 4 of E1. */
static void open_with_four(struct fixture *f, enum core_order order)
{
  fixture_open(f, &(struct core_options){0});
  core_set_order(f->core, "a", order);
  fixture_push(f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  fixture_push(f, "E2", "a", "[{\"id\":3}]");
  fixture_push(f, "E1", "a", "[{\"id\":4}]");
}

static size_t hand_out(struct fixture *f, size_t max, struct wishes *wishes)
{
  size_t count = core_hand_out_to(f->core, "a", max, offer, wishes);
  fixture_turn(f);
  return count;
}

static void an_endpoint_that_is_passed_over_keeps_back_all_of_its_commands(void **unused)
{
  static const enum core_order orders[] = {CORE_ORDER_ENDPOINT, CORE_ORDER_NONE};
  (void)unused;
  for (size_t i = 0; i < 2; i++) {
    struct fixture f;
    struct wishes wishes = {.first = CORE_PASS, .most = SIZE_MAX};
    open_with_four(&f, orders[i]);
    assert_int_equal(hand_out(&f, 10, &wishes), 1);
    assert_string_equal(f.events, "run 3");
    assert_string_equal(wishes.asked, "E1 E2"); /* each is asked for once */
    wishes = (struct wishes){.most = SIZE_MAX};
    assert_int_equal(hand_out(&f, 2, &wishes), 2);
    assert_string_equal(f.events, "run 3 run 1 run 2"); /* no more than were wanted */
    fixture_close(&f);
  }
}

static void with_one_order_for_all_nothing_passes_what_is_passed_over(void **unused)
{
  (void)unused;
  struct fixture f;
  struct wishes wishes = {.second = CORE_PASS, .most = SIZE_MAX};
  open_with_four(&f, CORE_ORDER_TYPE);
  assert_int_equal(hand_out(&f, 10, &wishes), 2);
  assert_string_equal(f.events, "run 1 run 2");
  assert_string_equal(wishes.asked, "E1 E1 E2");
  fixture_close(&f);
}

static void nothing_more_is_asked_for_after_a_stop(void **unused)
{
  (void)unused;
  struct fixture f;
  struct wishes wishes = {.most = 1};
  open_with_four(&f, CORE_ORDER_NONE);
  assert_int_equal(hand_out(&f, 10, &wishes), 1);
  assert_string_equal(wishes.asked, "E1 E1");
  assert_string_equal(f.events, "run 1");
  fixture_close(&f);
}

/* 1 is put back while 2, 3 and 4 are on their way. */
static void put_one_back_behind_three(struct fixture *f, enum core_order order)
{
  struct wishes wishes = {.most = SIZE_MAX};
  open_with_four(f, order);
  hand_out(f, 1, &wishes);
  f->slow = true;
  hand_out(f, 10, &wishes);
  core_put_back(f->core, f->running[0]);
  f->running_count = 0;
  fixture_store(f);
  f->slow = false;
  fixture_store(f);
}

static void what_is_put_back_keeps_its_place_before_those_of_its_endpoint(void **unused)
{
  (void)unused;
  struct fixture f;
  put_one_back_behind_three(&f, CORE_ORDER_ENDPOINT);
  assert_string_equal(f.events, "run 1 run 3 ended 1");
  assert_int_equal(f.withdrawn, 2);
  assert_int_equal(core_hand_out(f.core, "a", 10), 3);
  fixture_turn(&f);
  assert_string_equal(f.events, "run 1 run 3 ended 1 run 1 run 2 run 4");
  fixture_close(&f);
}

static void what_is_put_back_holds_nothing_up_where_no_order_is_kept(void **unused)
{
  (void)unused;
  struct fixture f;
  put_one_back_behind_three(&f, CORE_ORDER_NONE);
  assert_string_equal(f.events, "run 1 run 2 run 3 run 4 ended 1");
  assert_int_equal(f.withdrawn, 0);
  fixture_close(&f);
}

static void what_is_put_back_holds_all_up_where_one_order_is_kept(void **unused)
{
  (void)unused;
  struct fixture f;
  put_one_back_behind_three(&f, CORE_ORDER_TYPE);
  assert_string_equal(f.events, "run 1 ended 1");
  assert_int_equal(f.withdrawn, 3);
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_endpoint_that_is_passed_over_keeps_back_all_of_its_commands),
      cmocka_unit_test(with_one_order_for_all_nothing_passes_what_is_passed_over),
      cmocka_unit_test(nothing_more_is_asked_for_after_a_stop),
      cmocka_unit_test(what_is_put_back_keeps_its_place_before_those_of_its_endpoint),
      cmocka_unit_test(what_is_put_back_holds_nothing_up_where_no_order_is_kept),
      cmocka_unit_test(what_is_put_back_holds_all_up_where_one_order_is_kept),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
