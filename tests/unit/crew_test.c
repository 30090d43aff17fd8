/* Who of a handler's workers takes a command. Workers are names here: the crew never looks
 * into one. */
#include "handlers/crew.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char names[80]; /* a worker's address, and no more */

static struct worker *worker(size_t n)
{
  return (struct worker *)(void *)&names[n];
}

static size_t started;

/* As the owner does it: a place without a worker has one started. */
static struct crew_place *run(struct crew *crew, const char *endpoint)
{
  struct crew_place *place = crew_take(crew, endpoint);
  if (place && !place->worker)
    place->worker = worker(started++);
  return place;
}

static struct crew_place *keep_and_run(struct crew *crew, const char *endpoint)
{
  assert_int_equal(crew_keep(crew, endpoint), CREW_KEPT);
  struct crew_place *place = run(crew, endpoint);
  assert_non_null(place);
  return place;
}

static void open_crew(struct crew *crew, size_t workers, bool ordered)
{
  started = 0;
  crew_init(crew);
  crew->rules = (struct crew_rules){.workers = workers, .ordered = ordered};
}

static void is_quick(struct crew *crew)
{
  crew->run_ms = 0;
}

/* ---- one worker ---- */

static void one_worker_has_as_many_as_it_is_through_with_in_50_ms(void **unused)
{
  static const struct {
    double run_ms;
    size_t room;
  } cases[] = {{0, 32}, {1, 32}, {2, 25}, {10, 5}, {26, 1}, {50, 1}, {60000, 1}};
  (void)unused;
  struct crew crew;
  open_crew(&crew, 1, false);
  assert_int_equal(crew_room(&crew), 1); /* of a handler that nobody knows yet */
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    crew.run_ms = cases[i].run_ms;
    assert_int_equal(crew_room(&crew), cases[i].room);
  }
  is_quick(&crew);
  struct crew_place *place = keep_and_run(&crew, "E1");
  assert_ptr_equal(keep_and_run(&crew, "E2"), place);
  assert_int_equal(crew_room(&crew), 30);
  crew_end(&crew, place, 0);
  assert_int_equal(crew_room(&crew), 31);
  crew_clear(&crew);
}

static void what_is_kept_takes_room_until_it_comes_or_is_withdrawn(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 1, false);
  assert_int_equal(crew_keep(&crew, "E1"), CREW_KEPT);
  assert_int_equal(crew_room(&crew), 0);
  assert_int_equal(crew_keep(&crew, "E1"), CREW_BUSY);
  assert_false(crew_rests(&crew));
  crew_withdraw(&crew, "E1");
  assert_true(crew_rests(&crew));
  assert_int_equal(crew_room(&crew), 1);
  crew_withdraw(&crew, "E1"); /* one that was never kept */
  assert_int_equal(crew_room(&crew), 1);
  crew_clear(&crew);
}

/* ---- several ---- */

static void four_workers_have_one_command_each_and_no_fifth(void **unused)
{
  (void)unused;
  struct crew crew;
  struct crew_place *places[4];
  open_crew(&crew, 4, false);
  assert_int_equal(crew_room(&crew), 4);
  for (size_t i = 0; i < 4; i++)
    places[i] = keep_and_run(&crew, "E1");
  assert_int_equal(started, 4);
  assert_int_equal(crew_keep(&crew, "E2"), CREW_BUSY);
  assert_int_equal(crew_room(&crew), 0);
  crew_end(&crew, places[2], 7);
  assert_ptr_equal(keep_and_run(&crew, "E2"), places[2]);
  assert_int_equal(started, 4);
  crew_clear(&crew);
}

static void quick_commands_are_spread_before_they_queue_up(void **unused)
{
  (void)unused;
  struct crew crew;
  const struct crew_place *place;
  open_crew(&crew, 4, false);
  is_quick(&crew);
  assert_int_equal(crew_room(&crew), 16); /* a few with each: one may take long all at once */
  for (size_t i = 0; i < 8; i++)
    keep_and_run(&crew, "E1");
  TAILQ_FOREACH(place, &crew.places, link)
    assert_int_equal(place->load, 2);
  crew_clear(&crew);
}

static void the_one_that_worked_last_works_next(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 3, false);
  struct crew_place *a = keep_and_run(&crew, "E1"), *b = keep_and_run(&crew, "E1"),
                    *c = keep_and_run(&crew, "E1");
  crew_end(&crew, c, 10);
  crew_end(&crew, a, 30);
  crew_end(&crew, b, 20);
  assert_ptr_equal(crew_longest_idle(&crew), c);
  assert_ptr_equal(keep_and_run(&crew, "E1"), a);
  assert_ptr_equal(crew_longest_idle(&crew), c);
  crew_vacate(&crew, c);
  assert_ptr_equal(crew_longest_idle(&crew), b);
  crew_vacate(&crew, b);
  assert_null(crew_longest_idle(&crew));
  crew_clear(&crew);
}

static bool is_even(const struct worker *worker)
{
  return ((const char *)(const void *)worker - names) % 2 == 0;
}

static void room_ahead_is_with_workers_that_are_ready(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 4, false);
  assert_int_equal(crew_room_ready(&crew, is_even), 0);
  for (size_t i = 0; i < 3; i++)
    crew_join(&crew, worker(i), 0);
  assert_int_equal(crew_room_ready(&crew, is_even), 2);
  crew.rules.workers = 1;
  assert_int_equal(crew_room_ready(&crew, is_even), 1);
  crew_clear(&crew);
}

static void a_tick_takes_a_worker_of_its_own_where_it_can(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 2, false);
  struct crew_place *command = keep_and_run(&crew, "E1");
  struct crew_place *tick = crew_take_for_tick(&crew);
  assert_non_null(tick);
  assert_ptr_not_equal(tick, command);
  tick->worker = worker(9);
  assert_int_equal(crew_keep(&crew, "E1"), CREW_BUSY); /* not beside a tick, in its worker */
  crew_end(&crew, tick, 0);
  keep_and_run(&crew, "E1");
  assert_non_null(crew_take_for_tick(&crew)); /* in its turn */
  crew_clear(&crew);
}

/* ---- ordered ---- */

static void an_endpoint_stays_with_its_worker_while_it_has_any(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 3, true);
  is_quick(&crew);
  char same[] = "E1"; /* the same text elsewhere */
  struct crew_place *first = keep_and_run(&crew, "E1"), *other = keep_and_run(&crew, "E2");
  assert_ptr_not_equal(first, other);
  assert_ptr_equal(keep_and_run(&crew, same), first);
  crew_end(&crew, first, 0);
  assert_ptr_equal(keep_and_run(&crew, "E1"), first);
  crew_end(&crew, first, 0);
  crew_end(&crew, first, 0);
  assert_null(first->endpoint);
  crew_clear(&crew);
}

static void an_endpoint_that_is_behind_holds_up_no_other(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 2, true);
  struct crew_place *slow = keep_and_run(&crew, "E1");
  assert_int_equal(crew_keep(&crew, "E1"), CREW_BEHIND);
  struct crew_place *quick = keep_and_run(&crew, "E2");
  assert_int_equal(crew_keep(&crew, "E3"), CREW_BEHIND); /* E2 may have room, still */
  is_quick(&crew);
  assert_int_equal(crew_keep(&crew, "E3"), CREW_BEHIND); /* nobody waits behind another's */
  assert_ptr_equal(keep_and_run(&crew, "E2"), quick);
  crew_end(&crew, quick, 0);
  crew_end(&crew, quick, 0);
  assert_ptr_equal(keep_and_run(&crew, "E3"), quick);
  assert_ptr_not_equal(slow, quick);
  crew_clear(&crew);
}

static void an_endpoint_waits_for_its_command_of_the_version_before(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 3, true);
  struct crew_place *old = keep_and_run(&crew, "E1");
  crew_change(&crew, &(struct crew_rules){.workers = 2, .ordered = true});
  crew_join(&crew, worker(10), 0);
  assert_false(crew_is_changing(&crew));
  assert_int_equal(crew_keep(&crew, "E1"), CREW_BEHIND);
  struct crew_place *other = keep_and_run(&crew, "E2");
  assert_ptr_equal(other->worker, worker(10));
  assert_int_equal(crew_keep(&crew, "E3"), CREW_BEHIND); /* two at a time */
  crew_end(&crew, old, 0);
  assert_ptr_equal(crew_idle_leaver(&crew), old);
  crew_vacate(&crew, old);
  assert_ptr_equal(keep_and_run(&crew, "E1")->worker, worker(1));
  crew_clear(&crew);
}

/* ---- versions ---- */

static void a_change_of_order_waits_for_all_that_runs(void **unused)
{
  static const struct crew_rules all[] = {{1, false}, {4, false}, {4, true}};
  (void)unused;
  for (size_t from = 0; from < 3; from++)
    for (size_t to = 0; to < 3; to++) {
      struct crew crew;
      open_crew(&crew, all[from].workers, all[from].ordered);
      struct crew_place *old = keep_and_run(&crew, "E1");
      crew_change(&crew, &all[to]);
      crew_join(&crew, worker(9), 0);
      bool may_mix = from == to && from > 0;
      assert_int_equal(crew_is_changing(&crew), !may_mix);
      assert_int_equal(crew_room(&crew) > 0, may_mix);
      assert_int_equal(crew_keep(&crew, "E2") == CREW_KEPT, may_mix);
      assert_int_equal(crew_take_for_tick(&crew) != NULL, may_mix);
      crew_end(&crew, old, 0);
      crew_vacate(&crew, old);
      assert_false(crew_is_changing(&crew));
      assert_true(crew_room(&crew) > 0);
      crew_clear(&crew);
    }
}

static void no_more_than_its_workers_run_beside_those_of_the_version_before(void **unused)
{
  (void)unused;
  struct crew crew;
  struct crew_place *old[3];
  open_crew(&crew, 3, false);
  for (size_t i = 0; i < 3; i++)
    old[i] = keep_and_run(&crew, "E1");
  crew_change(&crew, &(struct crew_rules){.workers = 3});
  crew_join(&crew, worker(10), 0);
  assert_int_equal(crew_room(&crew), 0);
  assert_int_equal(crew_keep(&crew, "E1"), CREW_BUSY);
  assert_null(crew_take(&crew, "E1"));
  assert_null(crew_take_for_tick(&crew));
  crew_end(&crew, old[1], 0);
  crew_vacate(&crew, old[1]);
  assert_ptr_equal(keep_and_run(&crew, "E1")->worker, worker(10));
  assert_int_equal(crew_keep(&crew, "E1"), CREW_BUSY);
  crew_clear(&crew);
}

static void what_was_on_its_way_to_a_worker_that_leaves_finds_no_place(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 2, false);
  is_quick(&crew);
  struct crew_place *old = keep_and_run(&crew, "E1");
  crew_dismiss(&crew); /* the file is gone */
  assert_true(old->is_leaving);
  assert_int_equal(crew_keep(&crew, "E2"), CREW_KEPT); /* it is back */
  crew_dismiss(&crew);
  struct crew_place *place = run(&crew, "E2");
  assert_ptr_not_equal(place, old);
  crew_clear(&crew);

  open_crew(&crew, 1, false);
  is_quick(&crew);
  old = keep_and_run(&crew, "E1");
  assert_int_equal(crew_keep(&crew, "E1"), CREW_KEPT);
  crew_change(&crew, &(struct crew_rules){.workers = 1});
  assert_null(run(&crew, "E1")); /* it is put back, in its old place */
  assert_int_equal(old->kept, 0);
  crew_clear(&crew);
}

static void a_new_order_holds_for_what_was_on_its_way(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 2, false);
  assert_int_equal(crew_keep(&crew, "E1"), CREW_KEPT);
  assert_int_equal(crew_keep(&crew, "E1"), CREW_KEPT); /* for two workers, not started yet */
  crew_change(&crew, &(struct crew_rules){.workers = 2, .ordered = true});
  const struct crew_place *place = run(&crew, "E1");
  assert_non_null(place);
  assert_ptr_equal(run(&crew, "E1"), place);
  crew_clear(&crew);
}

static void a_death_leaves_what_is_on_its_way_its_place(void **unused)
{
  (void)unused;
  struct crew crew;
  open_crew(&crew, 2, true);
  is_quick(&crew);
  struct crew_place *place = keep_and_run(&crew, "E1");
  assert_int_equal(crew_keep(&crew, "E1"), CREW_KEPT);
  crew_end(&crew, place, 0);
  crew_vacate(&crew, place);
  assert_ptr_equal(run(&crew, "E1"), place);
  assert_ptr_equal(place->worker, worker(1)); /* another */
  assert_null(crew_find(&crew, worker(0)));
  crew_clear(&crew);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_worker_has_as_many_as_it_is_through_with_in_50_ms),
      cmocka_unit_test(what_is_kept_takes_room_until_it_comes_or_is_withdrawn),
      cmocka_unit_test(four_workers_have_one_command_each_and_no_fifth),
      cmocka_unit_test(quick_commands_are_spread_before_they_queue_up),
      cmocka_unit_test(the_one_that_worked_last_works_next),
      cmocka_unit_test(room_ahead_is_with_workers_that_are_ready),
      cmocka_unit_test(a_tick_takes_a_worker_of_its_own_where_it_can),
      cmocka_unit_test(an_endpoint_stays_with_its_worker_while_it_has_any),
      cmocka_unit_test(an_endpoint_that_is_behind_holds_up_no_other),
      cmocka_unit_test(an_endpoint_waits_for_its_command_of_the_version_before),
      cmocka_unit_test(a_change_of_order_waits_for_all_that_runs),
      cmocka_unit_test(no_more_than_its_workers_run_beside_those_of_the_version_before),
      cmocka_unit_test(what_was_on_its_way_to_a_worker_that_leaves_finds_no_place),
      cmocka_unit_test(a_new_order_holds_for_what_was_on_its_way),
      cmocka_unit_test(a_death_leaves_what_is_on_its_way_its_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
