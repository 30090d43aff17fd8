/* When a dropped file is taken: by what events, scans and the kernel tell of it. */
#include "handlers/arrival.h"

#include "io/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { WALL_S = 1700000000 };

static struct arrival arrival;
static struct file_stamp stamp;
static int64_t now_ms;

static int set_up(void **unused)
{
  (void)unused;
  arrival = (struct arrival){0};
  stamp = (struct file_stamp){.inode = 1, .size = 10, .changed.tv_sec = WALL_S - 3600};
  now_ms = 1000000;
  return 0;
}

static struct arrival_look look(enum arrival_haste haste)
{
  return (struct arrival_look){
      .now_ms = now_ms, .wall_ms = (int64_t)WALL_S * 1000, .haste = haste};
}

/* Looks, and reads where that is allowed. Returns whether it did. */
static bool takes(enum arrival_haste haste, enum arrival_writer writer)
{
  struct arrival_look this = look(haste);
  if (!arrival_wants_reading(&arrival, &stamp, &this) || !arrival_allows(&arrival, &stamp, writer, &this))
    return false;
  arrival_took(&arrival, &stamp, now_ms);
  return true;
}

static void write_to_it(void)
{
  stamp.size++;
  stamp.modified.tv_nsec += 1000;
}

/* It was taken long ago. */
static void settle(void)
{
  assert_true(takes(ARRIVAL_FIRST, ARRIVAL_NO_WRITER));
  now_ms += 10000;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER)); /* once more, to be sure */
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
}

static void what_is_unchanged_is_not_read(void **unused)
{
  (void)unused;
  settle();
  for (int i = 0; i < 10; i++, now_ms += 2000)
    assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  assert_false(takes(ARRIVAL_AT_ONCE, ARRIVAL_NO_WRITER));
  assert_true(arrival_due_ms(&arrival, now_ms) == INT64_MAX);
}

static void what_an_event_tells_of_is_taken_at_once(void **unused)
{
  (void)unused;
  static const unsigned events[] = {WATCH_CLOSED, WATCH_TOUCHED, WATCH_APPEARED};
  for (size_t i = 0; i < 3; i++) {
    set_up(NULL);
    settle();
    write_to_it();
    arrival_hint(&arrival, events[i]);
    assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  }
}

static void what_only_a_scan_sees_is_taken_once_it_is_settled(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  assert_int_equal(arrival_due_ms(&arrival, now_ms), now_ms + ARRIVAL_SETTLE_MS);
  now_ms += ARRIVAL_SETTLE_MS - 1;
  write_to_it();
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER)); /* the time begins anew */
  now_ms += ARRIVAL_SETTLE_MS - 1;
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  now_ms += 1;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
}

static void nothing_is_taken_while_somebody_writes(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  arrival_hint(&arrival, WATCH_CLOSED);
  for (int i = 0; i < 100; i++, now_ms += 1000)
    assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER));
  assert_false(takes(ARRIVAL_AT_ONCE, ARRIVAL_WRITER));
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
}

static void nothing_is_taken_while_somebody_writes_at_the_first_look(void **unused)
{
  (void)unused;
  assert_false(takes(ARRIVAL_FIRST, ARRIVAL_WRITER));
  assert_true(takes(ARRIVAL_REGARDLESS, ARRIVAL_WRITER)); /* a command of a person */
}

static void a_second_content_of_the_same_stamp_is_found(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  arrival_hint(&arrival, WATCH_CLOSED);
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  arrival_hint(&arrival, WATCH_CLOSED); /* within one grain of the clock: told of … */
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  assert_int_equal(arrival_due_ms(&arrival, now_ms), now_ms + ARRIVAL_SETTLE_MS);
  now_ms += ARRIVAL_SETTLE_MS; /* … or not */
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
}

/* ---- where the kernel does not say who writes ---- */

static void unknown_writers_what_is_closed_is_taken_at_once(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  arrival_hint(&arrival, WATCH_APPEARED);
  arrival_hint(&arrival, WATCH_WRITTEN);
  arrival_hint(&arrival, WATCH_CLOSED);
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
}

static void unknown_writers_what_is_not_closed_is_never_taken(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  arrival_hint(&arrival, WATCH_CLOSED);
  arrival_hint(&arrival, WATCH_WRITTEN); /* the next write has begun */
  for (int i = 0; i < 100; i++, now_ms += 1000)
    assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
  arrival_hint(&arrival, WATCH_CLOSED);
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
}

static void unknown_writers_what_has_only_appeared_settles(void **unused)
{
  (void)unused;
  arrival_hint(&arrival, WATCH_APPEARED); /* a link, or a file that is written next */
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
}

static void unknown_writers_an_empty_file_settles(void **unused)
{
  (void)unused;
  settle();
  stamp.size = 0;
  arrival_hint(&arrival, WATCH_CLOSED);
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
  assert_false(takes(ARRIVAL_AT_ONCE, ARRIVAL_WRITER_UNKNOWN));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
}

static void unknown_writers_what_changes_before_it_is_opened_is_left(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  arrival_hint(&arrival, WATCH_CLOSED);
  struct arrival_look this = look(ARRIVAL_CAREFUL);
  assert_true(arrival_wants_reading(&arrival, &stamp, &this));
  write_to_it();
  assert_false(arrival_allows(&arrival, &stamp, ARRIVAL_WRITER_UNKNOWN, &this));
  assert_true(arrival_allows(&arrival, &stamp, ARRIVAL_NO_WRITER, &this));
}

static void unknown_writers_lost_events_let_it_settle(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  arrival_hint(&arrival, WATCH_WRITTEN);
  arrival_hint_lost(&arrival); /* its close may have been among them */
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
}

static void unknown_writers_a_look_that_is_asked_for_waits_for_nothing_else(void **unused)
{
  (void)unused;
  settle();
  write_to_it();
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
  assert_true(takes(ARRIVAL_AT_ONCE, ARRIVAL_WRITER_UNKNOWN));
  write_to_it();
  arrival_hint(&arrival, WATCH_WRITTEN); /* but not half of it */
  assert_false(takes(ARRIVAL_AT_ONCE, ARRIVAL_WRITER_UNKNOWN));
}

static void unknown_writers_a_young_file_settles_at_the_first_look(void **unused)
{
  (void)unused;
  stamp.changed.tv_sec = WALL_S - 1;
  assert_false(takes(ARRIVAL_FIRST, ARRIVAL_WRITER_UNKNOWN));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_WRITER_UNKNOWN));
  set_up(NULL);
  stamp.changed.tv_sec = WALL_S + 1000000; /* the clock was set back: no file is old */
  assert_true(takes(ARRIVAL_FIRST, ARRIVAL_WRITER_UNKNOWN));
}

/* ---- what goes, what cannot be read, what has no name ---- */

static void a_removed_file_counts_as_removed_after_a_while(void **unused)
{
  (void)unused;
  settle();
  struct arrival_look this = look(ARRIVAL_CAREFUL);
  assert_false(arrival_is_gone(&arrival, &this));
  assert_int_equal(arrival_due_ms(&arrival, now_ms), now_ms + ARRIVAL_SETTLE_MS);
  now_ms += ARRIVAL_SETTLE_MS - 1;
  this = look(ARRIVAL_CAREFUL);
  assert_false(arrival_is_gone(&arrival, &this));
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER)); /* it is back, and the same */
  now_ms += 1;
  this = look(ARRIVAL_CAREFUL);
  assert_false(arrival_is_gone(&arrival, &this)); /* the time begins anew */
  now_ms += ARRIVAL_SETTLE_MS;
  this = look(ARRIVAL_CAREFUL);
  assert_true(arrival_is_gone(&arrival, &this));
}

static void a_look_that_is_asked_for_finds_a_file_removed_at_once(void **unused)
{
  (void)unused;
  settle();
  struct arrival_look this = look(ARRIVAL_AT_ONCE);
  assert_true(arrival_is_gone(&arrival, &this));
}

static void what_cannot_be_read_is_so_after_a_while(void **unused)
{
  (void)unused;
  settle();
  stamp = (struct file_stamp){.error = 2}; /* a link whose target is replaced */
  arrival_hint(&arrival, WATCH_TOUCHED);
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
}

static void a_misnamed_file_is_told_of_after_a_while(void **unused)
{
  (void)unused;
  arrival.is_slow = true;
  arrival_hint(&arrival, WATCH_CLOSED);
  assert_false(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
  now_ms += ARRIVAL_SETTLE_MS;
  assert_true(takes(ARRIVAL_CAREFUL, ARRIVAL_NO_WRITER));
}

#define UNIT(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
  const struct CMUnitTest tests[] = {
      UNIT(what_is_unchanged_is_not_read),
      UNIT(what_an_event_tells_of_is_taken_at_once),
      UNIT(what_only_a_scan_sees_is_taken_once_it_is_settled),
      UNIT(nothing_is_taken_while_somebody_writes),
      UNIT(nothing_is_taken_while_somebody_writes_at_the_first_look),
      UNIT(a_second_content_of_the_same_stamp_is_found),
      UNIT(unknown_writers_what_is_closed_is_taken_at_once),
      UNIT(unknown_writers_what_is_not_closed_is_never_taken),
      UNIT(unknown_writers_what_has_only_appeared_settles),
      UNIT(unknown_writers_an_empty_file_settles),
      UNIT(unknown_writers_what_changes_before_it_is_opened_is_left),
      UNIT(unknown_writers_lost_events_let_it_settle),
      UNIT(unknown_writers_a_look_that_is_asked_for_waits_for_nothing_else),
      UNIT(unknown_writers_a_young_file_settles_at_the_first_look),
      UNIT(a_removed_file_counts_as_removed_after_a_while),
      UNIT(a_look_that_is_asked_for_finds_a_file_removed_at_once),
      UNIT(what_cannot_be_read_is_so_after_a_while),
      UNIT(a_misnamed_file_is_told_of_after_a_while),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
