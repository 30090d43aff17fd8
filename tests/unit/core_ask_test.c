/* Command requests: rounds, new types, errors, the limit of 500 a second. */
#include "core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* An unconnected core with `endpoints` endpoints T0… and `types` types t0…. */
static void open_many(struct fixture *f, int endpoints, int types,
                      const struct core_options *options)
{
  fixture_open_bare(f, options);
  for (int i = 0; i < endpoints; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    core_add_endpoint(f->core, token);
    core_add_endpoint(f->core, token); /* twice is once */
  }
  char names[32][16];
  const char *pointers[32];
  for (int i = 0; i < types; i++) {
    snprintf(names[i], sizeof names[i], "t%02d", i);
    pointers[i] = names[i];
  }
  core_set_types(f->core, pointers, (size_t)types);
}

/* Whether each pair was asked for exactly once. */
static void assert_each_once(const struct fixture *f, int endpoints, int types)
{
  assert_int_equal(fixture_count(f, CORE_REQUEST), endpoints * types);
  char *seen = calloc((size_t)endpoints * (size_t)types, 1);
  for (size_t i = 0; i < f->sent_count; i++) {
    const struct sent *sent = &f->sent[i];
    int at = atoi(sent->endpoint + 1) * types + atoi(sent->type + 1);
    assert_int_equal(seen[at], 0);
    seen[at] = 1;
  }
  free(seen);
}

static void assert_at_most_500_a_second(const struct fixture *f)
{
  for (size_t i = 500; i < f->sent_count; i++)
    assert_true(f->sent[i].at_ms - f->sent[i - 500].at_ms >= 1000);
}

static void all_is_asked_for_at_once_at_the_start(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 3, 20, &(struct core_options){0});
  fixture_connect(&f);
  assert_each_once(&f, 3, 20);
  const struct sent *sent = fixture_last(&f, CORE_REQUEST);
  assert_string_equal(sent->body, "{\"observe\":true}");
  assert_int_equal(sent->body_bytes, strlen(sent->body));
  fixture_close(&f);
}

static void nothing_is_asked_for_without_a_connection(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 3, 3, &(struct core_options){0});
  fixture_turn(&f);
  fixture_pass(&f, 1000000);
  assert_int_equal(f.sent_count, 0);
  fixture_close(&f);
}

static void after_a_lost_connection_requests_are_spread_over_10_s(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 10, 10, &(struct core_options){.seed = 7});
  fixture_connect(&f);
  fixture_disconnect(&f);
  fixture_forget(&f);
  int64_t start_ms = f.now_ms;
  fixture_connect(&f);
  fixture_pass(&f, 10000);
  assert_each_once(&f, 10, 10);
  for (size_t i = 0; i < 100; i++)
    assert_in_range(f.sent[i].at_ms - start_ms, i * 100, (i + 1) * 100);
  fixture_close(&f);
}

static void single_requests_of_a_fleet_do_not_come_in_one_moment(void **unused)
{
  (void)unused;
  int64_t sum_ms = 0, last_ms = 0;
  for (uint64_t seed = 0; seed < 50; seed++) {
    struct fixture f;
    open_many(&f, 1, 1, &(struct core_options){.seed = seed});
    fixture_connect(&f);
    fixture_disconnect(&f);
    fixture_forget(&f);
    int64_t start_ms = f.now_ms;
    fixture_connect(&f);
    fixture_pass(&f, 10000);
    assert_int_equal(f.sent_count, 1);
    last_ms = f.sent[0].at_ms - start_ms;
    sum_ms += last_ms;
    fixture_close(&f);
  }
  assert_in_range(sum_ms / 50, 3500, 6500);
}

static void at_most_500_requests_go_out_in_a_second(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 600, 4, &(struct core_options){0});
  fixture_connect(&f);
  assert_int_equal(f.sent_count, 500);
  fixture_pass(&f, 999);
  assert_int_equal(f.sent_count, 500);
  fixture_pass(&f, 4000);
  assert_each_once(&f, 600, 4);
  assert_at_most_500_a_second(&f);
  fixture_close(&f);
}

static void all_is_asked_for_again_at_the_interval(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 2, 2, &(struct core_options){.seed = 8});
  fixture_connect(&f);
  int64_t last_ms = f.now_ms;
  for (int i = 0; i < 10; i++) {
    fixture_forget(&f);
    while (fixture_count(&f, CORE_REQUEST) < 4)
      fixture_pass(&f, 1000);
    int64_t first_ms = f.sent[0].at_ms;
    assert_in_range(first_ms - last_ms, 230000, 370000); /* 300 s ± 20 % and 10 s of spread */
    last_ms = first_ms;
    assert_each_once(&f, 2, 2);
  }
  fixture_close(&f);
}

static void a_long_round_ends_before_the_next_begins(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 500, 10, &(struct core_options){.ask_interval_ms = 3000});
  fixture_connect(&f);
  while (fixture_count(&f, CORE_REQUEST) < 5000)
    fixture_pass(&f, 10);
  assert_at_most_500_a_second(&f);
  assert_each_once(&f, 500, 10);
  fixture_pass(&f, 15000); /* the next began at once, spread over 10 s */
  assert_true(fixture_count(&f, CORE_REQUEST) >= 10000);
  fixture_close(&f);
}

static void a_new_type_is_asked_for_at_once(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 3, 2, &(struct core_options){0});
  fixture_connect(&f);
  fixture_forget(&f);
  core_set_types(f.core, (const char *const[]){"t00", "t01", "t02"}, 3);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 3);
  for (size_t i = 0; i < 3; i++)
    assert_string_equal(f.sent[i].type, "t02");
  core_set_types(f.core, (const char *const[]){"t00", "t02"}, 2);
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 3);
  core_set_types(f.core, (const char *const[]){"t00", "t01", "t02"}, 3); /* it is back */
  fixture_turn(&f);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 6);
  core_set_types(f.core, NULL, 0);
  fixture_forget(&f);
  fixture_pass(&f, 1000000);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 0);
  fixture_close(&f);
}

static void a_new_type_that_goes_is_asked_for_no_more(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 600, 0, &(struct core_options){0});
  fixture_connect(&f);
  core_set_types(f.core, (const char *const[]){"new"}, 1);
  fixture_turn(&f);
  assert_int_equal(f.sent_count, 500);
  core_set_types(f.core, NULL, 0);
  fixture_pass(&f, 5000);
  assert_int_equal(f.sent_count, 500);
  core_set_types(f.core, (const char *const[]){"other"}, 1);
  fixture_turn(&f);
  fixture_disconnect(&f); /* the next connection asks for it from the first endpoint on */
  fixture_forget(&f);
  fixture_connect(&f);
  fixture_pass(&f, 20000);
  assert_int_equal(f.sent_count, 600);
  fixture_close(&f);
}

static void types_may_change_in_the_middle_of_a_round(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 300, 3, &(struct core_options){0});
  fixture_connect(&f); /* t00 whole, 200 of t01 */
  assert_string_equal(fixture_last(&f, CORE_REQUEST)->type, "t01");
  core_set_types(f.core, (const char *const[]){"t000", "t01", "t02"}, 3);
  fixture_pass(&f, 3000);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 1200);
  size_t counts[4] = {0};
  for (size_t i = 0; i < f.sent_count; i++)
    counts[strcmp(f.sent[i].type, "t000") ? atoi(f.sent[i].type + 1) : 3]++;
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(counts[i], 300);
  fixture_close(&f);
}

static void a_type_that_goes_in_the_middle_of_a_round_is_skipped(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 300, 3, &(struct core_options){0});
  fixture_connect(&f);
  core_set_types(f.core, (const char *const[]){"t00", "t02"}, 2);
  fixture_pass(&f, 3000);
  assert_int_equal(fixture_count(&f, CORE_REQUEST), 800);
  fixture_close(&f);
}

static void an_endpoint_whose_requests_fail_is_asked_again(void **unused)
{
  (void)unused;
  static const int64_t pauses_s[] = {10, 20, 40, 80};
  struct fixture f;
  open_many(&f, 5, 3, &(struct core_options){.ask_interval_ms = 100000000});
  fixture_connect(&f);
  for (size_t i = 0; i < 4; i++) {
    fixture_forget(&f);
    for (int k = 0; k < 3; k++) { /* one for each of its requests: counts once */
      core_answered(f.core, CORE_REQUEST, "T3", "t00", 0, 403, "Forbidden", f.now_ms);
      fixture_turn(&f);
    }
    assert_int_equal(fixture_notes(&f, CORE_NOTE_REQUEST_ERROR), i == 0);
    int64_t start_ms = f.now_ms;
    while (!f.sent_count)
      fixture_pass(&f, 100);
    assert_in_range(f.sent[0].at_ms - start_ms, pauses_s[i] * 800, pauses_s[i] * 1200);
    assert_int_equal(f.sent_count, 3);
    for (size_t k = 0; k < 3; k++)
      assert_string_equal(f.sent[k].endpoint, "T3");
  }
  fixture_forget(&f);
  fixture_pass(&f, 1000000); /* nothing more where no further error comes */
  assert_int_equal(f.sent_count, 0);
  core_commands(f.core, "T3", "t00", 9, "[]", 2, 0, f.now_ms, f.now_ms);
  core_answered(f.core, CORE_REQUEST, "T3", "t00", 9, 500, NULL, f.now_ms);
  fixture_turn(&f);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_REQUEST_ERROR), 1); /* it changed */
  fixture_pass(&f, 12000); /* and the pause begins anew */
  assert_int_equal(f.sent_count, 3);
  fixture_close(&f);
}

static void errors_of_an_old_connection_are_forgotten(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 1, 1, &(struct core_options){.ask_interval_ms = 100000000});
  fixture_connect(&f);
  core_answered(f.core, CORE_REQUEST, "T0", "t00", 0, 403, "Forbidden", f.now_ms);
  fixture_turn(&f);
  fixture_disconnect(&f);
  fixture_pass(&f, 20000);
  fixture_forget(&f);
  fixture_connect(&f);
  fixture_pass(&f, 100000);
  assert_int_equal(f.sent_count, 1);
  fixture_close(&f);
}

static void a_request_that_found_no_room_is_not_lost(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 10, 10, &(struct core_options){0});
  f.room = 3;
  fixture_connect(&f);
  assert_int_equal(f.sent_count, 3);
  for (int i = 0; f.sent_count < 100 && i < 100; i++) {
    f.room = 3;
    core_writable(f.core);
    fixture_turn(&f);
  }
  assert_each_once(&f, 10, 10);
  fixture_close(&f);
}

static void a_transport_without_room_does_not_make_it_spin(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 10, 10, &(struct core_options){0});
  f.room = 0;
  fixture_connect(&f);
  fixture_pass(&f, 100000); /* asserts that each deadline lies ahead */
  assert_int_equal(f.sent_count, 0);
  f.room = SIZE_MAX;
  fixture_pass(&f, 1000);
  assert_each_once(&f, 10, 10);
  fixture_close(&f);
}

static void ten_thousand_endpoints_are_no_burden(void **unused)
{
  (void)unused;
  struct fixture f;
  open_many(&f, 10000, 1, &(struct core_options){0});
  fixture_connect(&f);
  f.greedy = true;
  for (int i = 0; i < 10000; i++) {
    char token[16];
    snprintf(token, sizeof token, "T%d", i);
    fixture_push(&f, token, "t00", "[{\"id\":1}]");
    fixture_finish(&f);
    fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
    fixture_forget(&f);
  }
  assert_int_equal(fixture_counts(&f).confirmed, 10000);
  fixture_close(&f);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_is_asked_for_at_once_at_the_start),
      cmocka_unit_test(nothing_is_asked_for_without_a_connection),
      cmocka_unit_test(after_a_lost_connection_requests_are_spread_over_10_s),
      cmocka_unit_test(single_requests_of_a_fleet_do_not_come_in_one_moment),
      cmocka_unit_test(at_most_500_requests_go_out_in_a_second),
      cmocka_unit_test(all_is_asked_for_again_at_the_interval),
      cmocka_unit_test(a_long_round_ends_before_the_next_begins),
      cmocka_unit_test(a_new_type_is_asked_for_at_once),
      cmocka_unit_test(a_new_type_that_goes_is_asked_for_no_more),
      cmocka_unit_test(types_may_change_in_the_middle_of_a_round),
      cmocka_unit_test(a_type_that_goes_in_the_middle_of_a_round_is_skipped),
      cmocka_unit_test(an_endpoint_whose_requests_fail_is_asked_again),
      cmocka_unit_test(errors_of_an_old_connection_are_forgotten),
      cmocka_unit_test(a_request_that_found_no_room_is_not_lost),
      cmocka_unit_test(a_transport_without_room_does_not_make_it_spin),
      cmocka_unit_test(ten_thousand_endpoints_are_no_burden),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
