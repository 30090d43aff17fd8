/* The journal was lost: what may have run before is answered, and not run. */
#include "core_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct core_options lost = {.seed = 1, .is_lost = true};

static void open_lost(struct fixture *f)
{
  fixture_open_bare(f, &lost);
  f->greedy = true;
  core_add_endpoint(f->core, "E1");
  core_add_endpoint(f->core, "E2");
  core_set_types(f->core, (const char *const[]){"a", "b"}, 2);
  fixture_connect(f);
}

static void assert_lost(const struct fixture *f, size_t n, int id)
{
  char text[200];
  snprintf(text, sizeof text,
           "[{\"id\":%d,\"statusCode\":500,\"reasonPhrase\":\"Journal lost: the outcome is "
           "unknown\"}]", id);
  const struct sent *sent = fixture_sent(f, CORE_RESULT, n);
  assert_non_null(sent);
  assert_string_equal(sent->body, text);
}

static void what_the_first_reply_lists_and_what_is_pushed_before_it_is_not_run(void **unused)
{
  (void)unused;
  struct fixture f;
  open_lost(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  assert_lost(&f, 0, 1);
  fixture_reply(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  assert_lost(&f, 1, 2);
  assert_int_equal(f.runs, 0);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_LOST), 2);
  assert_string_equal(core_rows_listed(f.rows, 0).endpoint, "E1");
  assert_string_equal(core_rows_listed(f.rows, 0).type, "a");
  assert_null(core_rows_listed(f.rows, 1).endpoint);
  fixture_close(&f);
}

static void what_comes_after_the_first_reply_runs(void **unused)
{
  (void)unused;
  struct fixture f;
  open_lost(&f);
  fixture_reply(&f, "E1", "a", "[]");
  fixture_push(&f, "E1", "a", "[{\"id\":3}]");
  assert_string_equal(f.events, "run 3");
  fixture_push(&f, "E2", "a", "[{\"id\":4}]"); /* other pairs have had none */
  fixture_push(&f, "E1", "b", "[{\"id\":5}]");
  assert_string_equal(f.events, "run 3");
  assert_lost(&f, 0, 4);
  assert_lost(&f, 1, 5);
  fixture_reply(&f, "E1", "a", "[]"); /* LISTED once */
  assert_null(core_rows_listed(f.rows, 1).endpoint);
  fixture_close(&f);
}

static void a_pair_is_free_once_that_is_stored(void **unused)
{
  (void)unused;
  struct fixture f;
  open_lost(&f);
  f.slow = true;
  fixture_reply(&f, "E1", "a", "[{\"id\":1}]");
  fixture_push(&f, "E1", "a", "[{\"id\":2}]");
  fixture_kill(&f, false); /* neither was stored */
  f.slow = false;
  fixture_restart(&f, &lost, false, NULL, NULL);
  fixture_forget(&f);
  fixture_connect(&f);
  fixture_reply(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  assert_int_equal(f.runs, 0);
  fixture_kill(&f, true);
  fixture_restart(&f, &lost, false, NULL, NULL); /* the storage says it is listed */
  fixture_connect(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":3}]");
  assert_string_equal(f.events, "run 3");
  fixture_close(&f);
}

static void only_a_reply_to_a_request_of_ours_frees_a_pair(void **unused)
{
  (void)unused;
  struct fixture f;
  open_lost(&f);
  core_commands(f.core, "E1", "a", 12345, "[]", 2, 0, 0, f.now_ms);
  fixture_reply(&f, "E1", "a", "[");
  fixture_answer(&f, fixture_sent(&f, CORE_REQUEST, 0), 404);
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  assert_lost(&f, 0, 1);
  fixture_close(&f);
}

static void a_repeat_is_told_by_its_real_payload(void **unused)
{
  (void)unused;
  struct fixture f;
  open_lost(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":1,\"payload\":{\"x\":1}}]");
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0);
  fixture_reply(&f, "E1", "a", "[]");
  fixture_push(&f, "E1", "a", "[{\"payload\":{\"x\":1.0},\"id\":1}]");
  assert_lost(&f, 1, 1);
  fixture_push(&f, "E1", "a", "[{\"id\":1,\"payload\":{\"x\":2}}]");
  assert_string_equal(f.events, "run 1");
  fixture_close(&f);
}

static void what_the_storage_knows_is_answered_from_it(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 1});
  f.greedy = true;
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  fixture_finish(&f);
  fixture_answer(&f, fixture_last(&f, CORE_RESULT), 0); /* 1 was salvaged as confirmed */
  fixture_kill(&f, true);                               /* and 2 as running */
  fixture_restart(&f, &lost, false, NULL, NULL);
  fixture_forget(&f);
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1); /* 2 was interrupted */
  f.sent[fixture_last(&f, CORE_RESULT) - f.sent].kind = CORE_TELEMETRY;
  fixture_push(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  assert_int_equal(fixture_notes(&f, CORE_NOTE_LOST), 0);
  assert_int_equal(fixture_count(&f, CORE_RESULT), 1);
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "{\"id\":1,\"statusCode\":200"));
  fixture_push(&f, "E1", "a", "[{\"id\":1,\"payload\":5}]"); /* another under an old id */
  assert_int_equal(fixture_notes(&f, CORE_NOTE_LOST), 1);
  assert_lost(&f, 1, 1);
  fixture_reply(&f, "E1", "a", "[]");
  assert_non_null(core_rows_listed(f.rows, 0).endpoint); /* nothing is undecided */
  assert_int_equal(f.runs, 2);
  fixture_close(&f);
}

static void a_salvaged_command_runs(void **unused)
{
  (void)unused;
  struct fixture f;
  fixture_open(&f, &(struct core_options){.seed = 1});
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  fixture_kill(&f, true);
  f.greedy = true;
  f.now_ms += CORE_FRESH_MS;
  fixture_restart(&f, &lost, false, NULL, NULL);
  fixture_connect(&f);
  assert_int_equal(fixture_counts(&f).held, 1);
  fixture_reply(&f, "E1", "a", "[{\"id\":1},{\"id\":2}]");
  assert_string_equal(f.events, "run 1");
  assert_lost(&f, 0, 2);
  fixture_close(&f);
}

static void a_bad_element_is_refused_as_ever(void **unused)
{
  (void)unused;
  struct fixture f;
  open_lost(&f);
  fixture_push(&f, "E1", "a", "[{\"id\":1,\"payload\":{\"k\":1,\"k\":2}}]");
  assert_non_null(strstr(fixture_last(&f, CORE_RESULT)->body, "\"statusCode\":400"));
  assert_int_equal(fixture_notes(&f, CORE_NOTE_LOST), 0);
  fixture_close(&f);
}

/* What was listed by the first reply, and left for want of room, may have run, too. */
static void a_reply_that_was_left_in_part_frees_nothing(void **unused)
{
  (void)unused;
  for (int storage = 0; storage < 2; storage++) {
    struct fixture f;
    fixture_open_bare(&f, &(struct core_options){.seed = 1, .is_lost = true, .max_queued = 1});
    f.greedy = true;
    core_add_endpoint(f.core, "E1");
    core_set_types(f.core, (const char *const[]){"a"}, 1);
    fixture_connect(&f);
    f.leaves = storage;
    fixture_reply(&f, "E1", "a", storage ? "[{\"id\":1}]" : "[{\"id\":1},{\"id\":2}]");
    assert_int_equal(fixture_counts(&f).left, 1);
    assert_null(core_rows_listed(f.rows, 0).endpoint);
    f.leaves = false;
    fixture_pass(&f, 5000);
    fixture_reply(&f, "E1", "a", storage ? "[{\"id\":1}]" : "[{\"id\":2}]");
    assert_int_equal(f.runs, 0);
    assert_non_null(core_rows_listed(f.rows, 0).endpoint);
    fixture_close(&f);
  }
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_the_first_reply_lists_and_what_is_pushed_before_it_is_not_run),
      cmocka_unit_test(what_comes_after_the_first_reply_runs),
      cmocka_unit_test(a_pair_is_free_once_that_is_stored),
      cmocka_unit_test(only_a_reply_to_a_request_of_ours_frees_a_pair),
      cmocka_unit_test(a_repeat_is_told_by_its_real_payload),
      cmocka_unit_test(what_the_storage_knows_is_answered_from_it),
      cmocka_unit_test(a_salvaged_command_runs),
      cmocka_unit_test(a_bad_element_is_refused_as_ever),
      cmocka_unit_test(a_reply_that_was_left_in_part_frees_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
