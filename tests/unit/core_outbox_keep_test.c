/* The outbox on the disk: what is written when, and what a new core makes of it. */
#include "core_disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DAY_MS = 24 * 3600 * 1000 };

static void add_for(struct fixture *f, const char *endpoint, const char *text)
{
  core_telemetry(f->core, endpoint, text, strlen(text), f->wall_ms, f->now_ms);
  fixture_turn(f);
}

static void add(struct fixture *f, const char *text)
{
  add_for(f, "E1", text);
}

static void set(struct fixture *f, const char *endpoint, const char *keys)
{
  core_metadata(f->core, endpoint, keys, strlen(keys), f->wall_ms, f->now_ms);
  fixture_turn(f);
}

static void publish(struct fixture *f, const struct sent *sent)
{
  assert_non_null(sent);
  core_published(f->core, sent->request_id, f->now_ms);
  fixture_turn(f);
}

static const char *last_body(const struct fixture *f, enum core_message kind)
{
  const struct sent *sent = fixture_last(f, kind);
  return sent ? sent->body : "";
}

static void what_is_confirmed_within_a_second_never_touches_the_disk(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  for (int i = 0; i < 600; i++) {
    add(&f, "[1]");
    set(&f, "E1", "{\"a\":1}");
    fixture_pass(&f, 90); /* always something is under way */
    publish(&f, fixture_last(&f, CORE_METADATA));
    add(&f, "[2]");
    publish(&f, fixture_sent(&f, CORE_TELEMETRY, fixture_count(&f, CORE_TELEMETRY) - 2));
    fixture_pass(&f, 10);
    publish(&f, fixture_last(&f, CORE_TELEMETRY));
  }
  add(&f, "[3]");
  fixture_pass(&f, 999);
  publish(&f, fixture_last(&f, CORE_TELEMETRY));
  fixture_pass(&f, 5000);
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 0);
  assert_int_equal(f.batches, 0);
  assert_int_equal(disk.writings, 0);
  disk_close(&f, &disk);
}

static void what_waits_is_kept_when_its_second_is_over(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){.last_message = 40});
  add(&f, "[1]");
  fixture_pass(&f, 600);
  set(&f, "E2", "{\"a\":1}"); /* goes with it */
  fixture_pass(&f, 399);
  assert_int_equal(disk.writings, 0);
  fixture_pass(&f, 1);
  assert_int_equal(disk.writings, 1);
  assert_string_equal(disk_text(&disk), "41 [1] 42 {\"a\":1} ");
  assert_false(disk.rows[0].is_metadata);
  assert_true(disk.rows[1].is_metadata);
  assert_string_equal(disk.rows[0].endpoint, "E1");
  assert_string_equal(disk.rows[1].endpoint, "E2");
  assert_int_equal(disk.rows[0].wall_ms, DISK_WALL_MS);
  assert_int_equal(disk.rows[1].wall_ms, DISK_WALL_MS + 600);
  fixture_pass(&f, 50000);
  assert_int_equal(disk.writings, 1); /* nothing more to say */
  disk_close(&f, &disk);
}

static void what_was_kept_and_is_gone_is_released(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  add(&f, "[1]");
  add(&f, "[2]");
  add(&f, "[3]");
  set(&f, "E1", "{\"a\":1}");
  fixture_pass(&f, 1000);
  assert_int_equal(disk.count, 4);
  publish(&f, fixture_sent(&f, CORE_TELEMETRY, 0));
  fixture_pass(&f, 400);
  fixture_answer(&f, fixture_sent(&f, CORE_TELEMETRY, 1), 400); /* refused for good */
  publish(&f, fixture_last(&f, CORE_METADATA));
  fixture_pass(&f, 599);
  assert_int_equal(disk.writings, 1);
  fixture_pass(&f, 1);
  assert_int_equal(disk.writings, 2);
  assert_string_equal(disk_text(&disk), "3 [3] ");
  publish(&f, fixture_sent(&f, CORE_TELEMETRY, 2));
  fixture_pass(&f, 1000);
  assert_int_equal(disk.count, 0);
  assert_true(core_is_settled(f.core));
  assert_int_equal(core_next_deadline(f.core) > f.now_ms + 2000, true); /* at rest */
  disk_close(&f, &disk);
}

static void it_writes_at_most_once_a_second_and_what_is_older_is_there(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  int64_t start_ms = f.now_ms;
  for (int i = 0; i < 1000; i++) {
    char text[16];
    snprintf(text, sizeof text, "[%d]", i);
    add(&f, text);
    fixture_pass(&f, 10);
    assert_true((int64_t)disk.count >= (f.now_ms - start_ms - 1000) / 10);
  }
  assert_in_range(disk.writings, 9, 10);
  assert_true(disk.gap_ms >= 1000);
  assert_int_equal(disk.kept, disk.count); /* each once */
  disk_close(&f, &disk);
}

static void merged_metadata_keeps_its_number_and_is_kept_again(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":1}");
  add(&f, "[1]");
  fixture_pass(&f, 1000);
  set(&f, "E1", "{\"a\":2}");
  fixture_pass(&f, 999);
  set(&f, "E1", "{\"a\":3}"); /* does not put it off */
  assert_string_equal(disk_text(&disk), "1 {\"a\":1} 2 [1] ");
  fixture_pass(&f, 1);
  assert_string_equal(disk_text(&disk), "1 {\"a\":3} 2 [1] ");
  assert_int_equal(disk.rows[0].wall_ms, DISK_WALL_MS + 1999);
  assert_int_equal(disk.kept, 3);
  disk_close(&f, &disk);
}

static void what_is_restored_goes_first_and_in_order(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  for (int i = 0; i < 9; i++) {
    char text[16];
    snprintf(text, sizeof text, "[%d]", i);
    add_for(&f, i % 2 ? "E1" : "E2", text);
  }
  set(&f, "E1", "{\"a\":1}");
  fixture_pass(&f, 1000);
  fixture_close(&f);
  disk_reopen(&f, &disk, &(struct core_options){0});
  add(&f, "[9]");
  set(&f, "E2", "{\"a\":2}");
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 10);
  fixture_connect(&f);
  for (size_t i = 0; i < 10; i++) {
    char text[16];
    snprintf(text, sizeof text, "[%zu]", i);
    assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, i)->body, text);
    assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, i)->endpoint, i % 2 ? "E1" : "E2");
  }
  assert_string_equal(fixture_sent(&f, CORE_METADATA, 0)->body, "{\"a\":1}");
  for (size_t i = 0; i < 10; i++)
    publish(&f, fixture_sent(&f, CORE_TELEMETRY, i));
  publish(&f, fixture_sent(&f, CORE_METADATA, 0));
  publish(&f, fixture_sent(&f, CORE_METADATA, 1));
  fixture_pass(&f, 1000);
  assert_int_equal(disk.count, 0);
  assert_int_equal(disk.kept, 10); /* none of them again */
  add(&f, "[10]");
  fixture_pass(&f, 1000);
  assert_string_equal(disk_text(&disk), "13 [10] ");
  disk_close(&f, &disk);
}

static void what_came_before_the_restoring_goes_behind(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  fixture_open_bare(&f, &(struct core_options){.last_message = 7});
  disk_attach(&disk, &f);
  core_add_endpoint(f.core, "E1");
  core_metadata(f.core, "E1", "{\"a\":9}", 7, f.wall_ms, f.now_ms);
  core_telemetry(f.core, "E1", "[9]", 3, f.wall_ms, f.now_ms);
  char sample[] = "[1]", keys[] = "{\"a\":1}";
  struct storage_message messages[] = {
      {.number = 6, .endpoint = "E1", .body = sample, .body_bytes = 3},
      {.number = 7, .is_metadata = true, .endpoint = "E1", .body = keys, .body_bytes = 7},
  };
  for (int i = 0; i < 2; i++)
    assert_int_equal(core_restore_message(f.core, &messages[i]), 0);
  fixture_connect(&f);
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 0)->body, "[1]");
  assert_string_equal(fixture_sent(&f, CORE_TELEMETRY, 1)->body, "[9]");
  assert_string_equal(fixture_sent(&f, CORE_METADATA, 0)->body, "{\"a\":1}");
  set(&f, "E1", "{\"b\":9}"); /* goes into the one that came later */
  assert_int_equal(fixture_counts(&f).metadata_waiting, 2);
  fixture_pass(&f, 1000);
  assert_string_equal(disk_text(&disk), "8 {\"a\":9,\"b\":9} 9 [9] ");
  disk_close(&f, &disk);
}

static void a_message_of_an_endpoint_that_is_gone_stays_with_the_storage(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  char body[] = "[1]";
  struct storage_message message = {.number = 5, .endpoint = "E9", .body = body, .body_bytes = 3};
  assert_int_equal(core_restore_message(f.core, &message), -ENOENT);
  fixture_turn(&f);
  fixture_pass(&f, 10000);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 0);
  assert_int_equal(disk.writings, 0);
  disk_close(&f, &disk);
}

static void both_kinds_share_one_bound_and_samples_go_first(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){.max_telemetry_bytes = 3 * (128 + 10)});
  fixture_disconnect(&f);
  add(&f, "[10000001]");
  add(&f, "[10000002]");
  set(&f, "E1", "{\"ab\":100}");
  fixture_pass(&f, 1000);
  set(&f, "E2", "{\"ab\":200}"); /* the oldest sample goes for it */
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 1);
  set(&f, "E2", "{\"b\":1}"); /* grows: the other, too */
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 0);
  assert_int_equal(fixture_counts(&f).metadata_waiting, 2);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 2);
  add(&f, "[1000000000000000000000000000000000000000]"); /* no metadata goes for samples */
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 3);
  assert_int_equal(fixture_counts(&f).metadata_dropped, 0);
  fixture_pass(&f, 1000);
  assert_string_equal(disk_text(&disk), "3 {\"ab\":100} 4 {\"ab\":200,\"b\":1} ");
  char keys[400];
  snprintf(keys, sizeof keys, "{\"c\":\"%250s\"}", "");
  core_add_endpoint(f.core, "E3");
  set(&f, "E3", keys); /* where no samples are left the oldest metadata goes */
  assert_int_equal(fixture_counts(&f).metadata_waiting, 1);
  assert_int_equal(fixture_counts(&f).metadata_dropped, 2);
  disk_close(&f, &disk);
}

static void what_does_not_fit_when_restored_is_dropped_oldest_first(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":1}");
  for (int i = 0; i < 4; i++)
    add(&f, "[1]");
  set(&f, "E2", "{\"a\":2}");
  fixture_pass(&f, 1000);
  fixture_close(&f);
  disk_reopen(&f, &disk, &(struct core_options){.max_telemetry_bytes = 4 * (128 + 7)});
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 2);
  fixture_pass(&f, 1000);
  assert_string_equal(disk_text(&disk), "1 {\"a\":1} 4 [1] 5 [1] 6 {\"a\":2} ");
  fixture_close(&f);
  disk_reopen(&f, &disk, &(struct core_options){.max_telemetry_bytes = 100}); /* nothing fits */
  fixture_turn(&f);
  fixture_pass(&f, 1000);
  assert_int_equal(disk.count, 0);
  disk_close(&f, &disk);
}

/* Three messages, the clock of each as told, and what is left of them `later` on. */
static size_t left_after(const int64_t stamps[3], int64_t wall_ms, size_t *notes)
{
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  for (int i = 0; i < 3; i++) {
    f.wall_ms = stamps[i];
    add(&f, "[1]");
  }
  fixture_pass(&f, 1000);
  fixture_close(&f);
  disk_reopen(&f, &disk, &(struct core_options){.wall_ms = wall_ms});
  fixture_connect(&f);
  size_t left = fixture_count(&f, CORE_TELEMETRY);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 3 - left);
  *notes = fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED);
  fixture_pass(&f, 1000);
  assert_int_equal(disk.count, left); /* what was dropped is released */
  disk_close(&f, &disk);
  return left;
}

static void after_seven_days_a_message_is_dropped_and_told_once(void **unused)
{
  (void)unused;
  size_t notes;
  const int64_t day = DAY_MS, now = DISK_WALL_MS;
  const int64_t some_old[] = {now - 8 * day, now - 7 * day - 1, now - 6 * day};
  assert_int_equal(left_after(some_old, now, &notes), 1);
  assert_int_equal(notes, 1);
  assert_int_equal(left_after((int64_t[]){now - 7 * day, now, now - 1}, now, &notes), 3);
  assert_int_equal(notes, 0);
}

static void a_clock_that_cannot_be_right_drops_nothing(void **unused)
{
  (void)unused;
  size_t notes;
  const int64_t now = DISK_WALL_MS, far = DISK_WALL_MS + (int64_t)3650 * DAY_MS;
  assert_int_equal(left_after((int64_t[]){86400, 0, 1000}, now, &notes), 3); /* came in 1970 */
  assert_int_equal(left_after((int64_t[]){now, now, now}, 86400, &notes), 3); /* starts in 1970 */
  assert_int_equal(left_after((int64_t[]){now, now, now}, 0, &notes), 3);     /* not known */
  assert_int_equal(left_after((int64_t[]){far, far, far}, now, &notes), 3); /* from the future */
  assert_int_equal(notes, 0);
}

static void what_waits_in_one_process_ages_by_its_own_clock(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  add(&f, "[1]");
  f.wall_ms += (int64_t)3650 * DAY_MS; /* a jump of ten years */
  add(&f, "[2]");
  fixture_pass(&f, 6 * DAY_MS);
  fixture_turn(&f);
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 2);
  fixture_pass(&f, DAY_MS);
  fixture_pass(&f, 7200 * 1000);
  fixture_connect(&f);
  assert_int_equal(fixture_counts(&f).telemetry_waiting, 0);
  assert_int_equal(fixture_counts(&f).telemetry_dropped, 2);
  assert_int_equal(fixture_notes(&f, CORE_NOTE_TELEMETRY_DROPPED), 1);
  assert_int_equal(fixture_count(&f, CORE_TELEMETRY), 0);
  disk_close(&f, &disk);
}

/* What is submitted is a copy, and a disk that takes its time gets one writing. */
static void a_slow_disk_gathers_nothing_and_sees_no_change(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  f.slow = true;
  set(&f, "E1", "{\"a\":1}");
  add(&f, "[1]");
  fixture_pass(&f, 1000);
  assert_int_equal(f.submitted_count, 2);
  for (int i = 0; i < 100; i++) {
    set(&f, "E1", i % 2 ? "{\"a\":2}" : "{\"a\":3}");
    fixture_pass(&f, 1000);
  }
  assert_int_equal(f.submitted_count, 2);
  fixture_store(&f); /* the body of then */
  assert_string_equal(disk_text(&disk), "1 {\"a\":1} 2 [1] ");
  assert_int_equal(f.submitted_count, 1); /* and one more for all that came */
  fixture_store(&f);
  assert_string_equal(disk_text(&disk), "1 {\"a\":2} 2 [1] ");
  assert_null(f.submitted);
  disk_close(&f, &disk);
}

static void a_message_that_goes_while_it_is_written_is_released(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  f.slow = true;
  add(&f, "[1]");
  set(&f, "E1", "{\"a\":1}");
  fixture_pass(&f, 1000);
  publish(&f, fixture_last(&f, CORE_TELEMETRY));
  publish(&f, fixture_last(&f, CORE_METADATA));
  fixture_store(&f);
  assert_int_equal(disk.count, 2);
  fixture_pass(&f, 1000);
  fixture_store(&f);
  assert_int_equal(disk.count, 0);
  disk_close(&f, &disk);
}

static void it_goes_with_the_batch_of_the_commands(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  f.slow = true;
  add(&f, "[1]");
  f.now_ms += 1000;
  fixture_push(&f, "E1", "a", "[{\"id\":1}]");
  assert_int_equal(f.submitted_count, 2);
  assert_int_equal(f.submitted[0].kind, CHANGE_ACCEPT);
  assert_int_equal(f.submitted[1].kind, CHANGE_KEEP);
  fixture_store(&f);
  assert_int_equal(fixture_counts(&f).queued, 1);
  assert_int_equal(disk.count, 1);
  disk_close(&f, &disk);
}

/* A full disk: the old body is gone, the new one has no room and is tried again. */
static void what_had_no_room_is_not_taken_for_kept(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":1}");
  fixture_pass(&f, 1000);
  f.leaves = true;
  set(&f, "E1", "{\"a\":2}");
  add(&f, "[1]");
  fixture_pass(&f, 1000);
  assert_int_equal(disk.left, 2);
  assert_string_equal(disk_text(&disk), "");
  fixture_turn(&f); /* not each turn: once a second */
  fixture_pass(&f, 999);
  assert_int_equal(disk.left, 2);
  fixture_pass(&f, 1);
  assert_int_equal(disk.left, 4);
  f.leaves = false;
  fixture_pass(&f, 1000);
  assert_string_equal(disk_text(&disk), "1 {\"a\":2} 2 [1] ");
  assert_true(disk.gap_ms >= 1000);
  size_t writings = disk.writings;
  fixture_pass(&f, 5000);
  assert_int_equal(disk.writings, writings);
  disk_close(&f, &disk);
}

/* The disk has nothing of it, so that nothing old can come back behind it. */
static void metadata_that_had_no_room_is_sent_and_released(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  set(&f, "E1", "{\"a\":1}");
  fixture_pass(&f, 1000);
  publish(&f, fixture_last(&f, CORE_METADATA));
  f.leaves = true;
  set(&f, "E1", "{\"a\":2}"); /* waits for its writing */
  assert_int_equal(fixture_count(&f, CORE_METADATA), 1);
  fixture_pass(&f, 1000);
  assert_int_equal(disk.left, 1);
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":2}");
  publish(&f, fixture_last(&f, CORE_METADATA));
  size_t writings = disk.writings;
  fixture_pass(&f, 5000);
  assert_int_equal(disk.left, 1);
  assert_int_equal(disk.writings, writings); /* there is nothing to release */
  f.leaves = false;
  set(&f, "E1", "{\"a\":3}");
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":3}"); /* at once */
  disk_close(&f, &disk);
}

static void a_message_that_goes_while_it_is_left_holds_nothing_back(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  f.slow = f.leaves = true;
  set(&f, "E1", "{\"a\":1}");
  add(&f, "[1]");
  add(&f, "[2]");
  fixture_pass(&f, 1000);
  publish(&f, fixture_last(&f, CORE_METADATA));
  publish(&f, fixture_sent(&f, CORE_TELEMETRY, 0));
  fixture_store(&f);
  assert_int_equal(disk.left, 3);
  f.leaves = false;
  fixture_pass(&f, 1000);
  fixture_store(&f);
  assert_string_equal(disk_text(&disk), "3 [2] ");
  f.slow = false;
  set(&f, "E1", "{\"a\":2}");
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":2}");
  disk_close(&f, &disk);
}

/* Else, after a crash, the old value would be sent behind the new one and stand. */
static void new_metadata_waits_until_the_disk_has_forgotten_the_old(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  set(&f, "E1", "{\"a\":1}");
  fixture_pass(&f, 1000);
  assert_int_equal(disk.count, 1);
  publish(&f, fixture_last(&f, CORE_METADATA));
  set(&f, "E1", "{\"a\":2}");
  set(&f, "E2", "{\"a\":7}"); /* others go */
  assert_int_equal(fixture_count(&f, CORE_METADATA), 2);
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":7}");
  publish(&f, fixture_last(&f, CORE_METADATA)); /* and are found, behind the one that waits */
  assert_int_equal(fixture_counts(&f).metadata_waiting, 1);
  fixture_pass(&f, 999);
  assert_int_equal(fixture_count(&f, CORE_METADATA), 2);
  fixture_pass(&f, 1);
  assert_string_equal(disk_text(&disk), "2 {\"a\":2} ");
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":2}");
  publish(&f, fixture_last(&f, CORE_METADATA));
  fixture_pass(&f, 1000);
  set(&f, "E1", "{\"a\":3}"); /* nothing is there: at once */
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":3}");
  disk_close(&f, &disk);
}

static void restored_metadata_that_is_changed_waits_until_it_is_kept(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  fixture_disconnect(&f);
  set(&f, "E1", "{\"a\":1,\"b\":1}");
  fixture_pass(&f, 1000);
  fixture_close(&f);
  disk_reopen(&f, &disk, &(struct core_options){0});
  set(&f, "E1", "{\"a\":2}");
  fixture_connect(&f);
  assert_int_equal(fixture_count(&f, CORE_METADATA), 0);
  fixture_pass(&f, 1000);
  assert_string_equal(disk_text(&disk), "1 {\"a\":2,\"b\":1} ");
  assert_string_equal(last_body(&f, CORE_METADATA), "{\"a\":2,\"b\":1}");
  disk_close(&f, &disk);
}

static void before_the_end_nothing_waits_for_its_second(void **unused)
{
  (void)unused;
  struct fixture f;
  struct disk disk = {0};
  disk_open(&f, &disk, &(struct core_options){0});
  core_keep_messages(f.core); /* there is nothing */
  fixture_turn(&f);
  add(&f, "[1]");
  assert_int_equal(disk.writings, 0);
  core_keep_messages(f.core);
  fixture_turn(&f);
  assert_string_equal(disk_text(&disk), "1 [1] ");
  publish(&f, fixture_last(&f, CORE_TELEMETRY));
  f.slow = true;
  add(&f, "[2]");
  fixture_pass(&f, 1000);
  add(&f, "[3]");
  core_keep_messages(f.core); /* after the one that is with the storage */
  fixture_turn(&f);
  fixture_store(&f);
  fixture_store(&f);
  assert_string_equal(disk_text(&disk), "2 [2] 3 [3] ");
  disk_close(&f, &disk);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_confirmed_within_a_second_never_touches_the_disk),
      cmocka_unit_test(what_waits_is_kept_when_its_second_is_over),
      cmocka_unit_test(what_was_kept_and_is_gone_is_released),
      cmocka_unit_test(it_writes_at_most_once_a_second_and_what_is_older_is_there),
      cmocka_unit_test(merged_metadata_keeps_its_number_and_is_kept_again),
      cmocka_unit_test(what_is_restored_goes_first_and_in_order),
      cmocka_unit_test(what_came_before_the_restoring_goes_behind),
      cmocka_unit_test(a_message_of_an_endpoint_that_is_gone_stays_with_the_storage),
      cmocka_unit_test(both_kinds_share_one_bound_and_samples_go_first),
      cmocka_unit_test(what_does_not_fit_when_restored_is_dropped_oldest_first),
      cmocka_unit_test(after_seven_days_a_message_is_dropped_and_told_once),
      cmocka_unit_test(a_clock_that_cannot_be_right_drops_nothing),
      cmocka_unit_test(what_waits_in_one_process_ages_by_its_own_clock),
      cmocka_unit_test(a_slow_disk_gathers_nothing_and_sees_no_change),
      cmocka_unit_test(a_message_that_goes_while_it_is_written_is_released),
      cmocka_unit_test(it_goes_with_the_batch_of_the_commands),
      cmocka_unit_test(what_had_no_room_is_not_taken_for_kept),
      cmocka_unit_test(metadata_that_had_no_room_is_sent_and_released),
      cmocka_unit_test(a_message_that_goes_while_it_is_left_holds_nothing_back),
      cmocka_unit_test(new_metadata_waits_until_the_disk_has_forgotten_the_old),
      cmocka_unit_test(restored_metadata_that_is_changed_waits_until_it_is_kept),
      cmocka_unit_test(before_the_end_nothing_waits_for_its_second),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
