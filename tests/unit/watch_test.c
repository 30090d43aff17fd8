/* Watched folders, on the real inotify: what is told of each way to change a file, and that
 * nothing goes unnoticed where events are lost. */
#include "io/watch.h"

#include "base/clock.h"
#include "base/memory.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

struct scene {
  char folder[64];
  struct loop *loop;
  struct loop_timer *patience;
  struct watch *watch;
  const char *until; /* the event that ends the loop */
  char events[4000]; /* "a.lua closed; " */
};

static void on_event(void *context, const char *folder, const char *name, unsigned what)
{
  static const char *const names[] = {"appeared", "written", "closed", "touched",
                                      "gone",     "folder",  "lost"};
  struct scene *s = context;
  char text[200] = "";
  size_t used = strlen(s->events);
  assert_true(*folder || what == WATCH_LOST);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (what & (1u << i)) {
      strcat(text, " ");
      strcat(text, names[i]);
    }
  if (used + 200 < sizeof s->events)
    snprintf(s->events + used, sizeof s->events - used, "%s%s; ", *name ? name : "-", text);
  snprintf(text + strlen(text), 60, " %s", name);
  if (s->until && (strstr(text, s->until)))
    loop_stop(s->loop);
}

static void on_patience(void *context)
{
  struct scene *s = context;
  fail_msg("waited for \"%s\", heard of: %.300s", s->until, s->events);
}

static void open_scene(struct scene *s)
{
  *s = (struct scene){.folder = "/tmp/kaalua-watch-XXXXXX", .loop = loop_create()};
  assert_non_null(mkdtemp(s->folder));
  const struct watch_ports ports = {.context = s, .event = on_event};
  s->watch = watch_create(s->loop, &ports);
  s->patience = loop_timer_create(s->loop, on_patience, s);
}

static void remove_all(const char *path)
{
  DIR *folder = opendir(path);
  for (struct dirent *one; folder && (one = readdir(folder));) {
    if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, ".."))
      continue;
    char *inner = memory_format("%s/%s", path, one->d_name);
    if (unlink(inner) < 0)
      remove_all(inner);
    free(inner);
  }
  if (folder)
    closedir(folder);
  rmdir(path);
}

static void close_scene(struct scene *s)
{
  watch_destroy(s->watch);
  loop_timer_destroy(s->patience);
  loop_destroy(s->loop);
  remove_all(s->folder);
}

/* In the scene's folder; borrowed until the next but one call. */
static const char *at(struct scene *s, const char *name)
{
  static char paths[2][300];
  static int turn;
  turn = !turn;
  snprintf(paths[turn], sizeof paths[turn], "%s/%s", s->folder, name);
  return paths[turn];
}

static void add(struct scene *s, const char *folder, const char *only)
{
  struct error error = {0};
  int rc = watch_add(s->watch, folder, only, &error);
  if (rc < 0)
    fail_msg("%s", error.text);
}

static void run_until(struct scene *s, const char *event)
{
  s->until = event;
  loop_timer_set(s->patience, clock_monotonic_ms() + PATIENCE_MS);
  loop_run(s->loop);
  loop_timer_set(s->patience, INT64_MAX);
}

static void write_file(const char *path, const char *text)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  assert_int_equal(close(fd), 0);
}

static void assert_told(struct scene *s, const char *event)
{
  if (!strstr(s->events, event))
    fail_msg("not told of \"%s\", but of: %.300s", event, s->events);
}

static void each_way_to_change_a_file_is_told_of(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  add(&s, s.folder, NULL);
  write_file(at(&s, "a"), "text");
  rename(at(&s, "a"), at(&s, "b"));
  chmod(at(&s, "b"), 0600);
  assert_int_equal(symlink("b", at(&s, "c")), 0);
  unlink(at(&s, "c"));
  mkdir(at(&s, "d"), 0700);
  run_until(&s, "folder d");
  assert_string_equal(s.events, "a appeared; a written; a closed; a gone; b closed; b touched; "
                                "c appeared; c gone; d appeared folder; ");
  close_scene(&s);
}

static void a_file_that_is_open_is_written_but_not_closed(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  add(&s, s.folder, NULL);
  int fd = open(at(&s, "slow"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  assert_int_equal(write(fd, "x", 1), 1);
  run_until(&s, "written slow");
  assert_null(strstr(s.events, "closed"));
  close(fd);
  run_until(&s, "closed slow");
  close_scene(&s);
}

static void a_folder_is_watched_by_its_path_once_another_is_in_its_place(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  mkdir(at(&s, "h"), 0700);
  add(&s, s.folder, "h");
  add(&s, at(&s, "h"), NULL);
  rename(at(&s, "h"), at(&s, "away"));
  mkdir(at(&s, "h"), 0700);
  run_until(&s, "appeared folder h");
  assert_told(&s, "- gone folder;"); /* the watched folder itself */
  assert_told(&s, "h gone folder;");
  assert_null(strstr(s.events, "away")); /* not the name that is of interest */
  watch_begin(s.watch);
  add(&s, s.folder, "h");
  add(&s, at(&s, "h"), NULL);
  watch_end(s.watch);
  s.events[0] = '\0';
  write_file(at(&s, "away/old"), "x");
  write_file(at(&s, "h/new"), "x");
  run_until(&s, "closed new");
  assert_null(strstr(s.events, "old"));
  close_scene(&s);
}

static void what_is_not_added_again_is_watched_no_more(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  mkdir(at(&s, "one"), 0700);
  mkdir(at(&s, "two"), 0700);
  add(&s, at(&s, "one"), NULL);
  add(&s, at(&s, "two"), NULL);
  watch_begin(s.watch);
  add(&s, at(&s, "two"), NULL);
  watch_end(s.watch);
  write_file(at(&s, "one/a"), "x");
  write_file(at(&s, "two/b"), "x");
  run_until(&s, "closed b");
  assert_null(strstr(s.events, "a "));
  close_scene(&s);
}

static void one_folder_by_two_paths_is_told_of_by_both(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  mkdir(at(&s, "real"), 0700);
  assert_int_equal(symlink("real", at(&s, "link")), 0);
  add(&s, at(&s, "real"), NULL);
  add(&s, at(&s, "link"), NULL);
  write_file(at(&s, "real/a"), "x");
  run_until(&s, "closed a");
  s.events[0] = '\0';
  watch_begin(s.watch);
  add(&s, at(&s, "link"), NULL);
  watch_end(s.watch); /* the other path goes, the watch stays */
  write_file(at(&s, "real/b"), "x");
  run_until(&s, "closed b");
  close_scene(&s);
}

static void a_missing_folder_is_said_to_be_missing(void **unused)
{
  (void)unused;
  struct scene s;
  struct error error = {0};
  open_scene(&s);
  assert_int_equal(watch_add(s.watch, at(&s, "none"), NULL, &error), -2);
  write_file(at(&s, "file"), "x");
  assert_int_equal(watch_add(s.watch, at(&s, "file"), NULL, &error), -20);
  close_scene(&s);
}

static long queue_limit(void)
{
  long limit = 0;
  FILE *file = fopen("/proc/sys/fs/inotify/max_queued_events", "re");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%ld", &limit), 1);
  fclose(file);
  return limit;
}

static void more_events_than_the_kernel_keeps_are_told_as_lost(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  add(&s, s.folder, NULL);
  write_file(at(&s, "a"), "x");
  long limit = queue_limit();
  for (long i = 0; i <= limit / 2; i++) { /* two events each, while nobody reads */
    assert_int_equal(rename(at(&s, "a"), at(&s, "b")), 0);
    assert_int_equal(rename(at(&s, "b"), at(&s, "a")), 0);
  }
  run_until(&s, "lost");
  s.events[0] = '\0';
  write_file(at(&s, "after"), "x");
  run_until(&s, "closed after"); /* and goes on */
  close_scene(&s);
}

static size_t descriptors(void)
{
  size_t count = 0;
  DIR *folder = opendir("/proc/self/fd");
  while (readdir(folder))
    count++;
  closedir(folder);
  return count;
}

static void descriptors_do_not_grow(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  add(&s, s.folder, NULL);
  size_t before = descriptors();
  for (int i = 0; i < 200; i++) {
    mkdir(at(&s, "h"), 0700);
    watch_begin(s.watch);
    add(&s, s.folder, "h");
    add(&s, at(&s, "h"), NULL);
    watch_end(s.watch);
    rmdir(at(&s, "h"));
  }
  assert_int_equal(descriptors(), before);
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_way_to_change_a_file_is_told_of),
      cmocka_unit_test(a_file_that_is_open_is_written_but_not_closed),
      cmocka_unit_test(a_folder_is_watched_by_its_path_once_another_is_in_its_place),
      cmocka_unit_test(what_is_not_added_again_is_watched_no_more),
      cmocka_unit_test(one_folder_by_two_paths_is_told_of_by_both),
      cmocka_unit_test(a_missing_folder_is_said_to_be_missing),
      cmocka_unit_test(more_events_than_the_kernel_keeps_are_told_as_lost),
      cmocka_unit_test(descriptors_do_not_grow),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
