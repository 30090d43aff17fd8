/* The handler directories as files, on a real file system: what is taken, what is refused,
 * what shadows what. */
#include "handlers/sources.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 20000, LOOK_MS = 20 };

struct scene {
  char folder[64];
  char one[80], two[80]; /* the directories; two wins */
  struct sources *sources;
};

static char *inner(const char *folder, const char *name)
{
  return memory_format("%s/%s", folder, name);
}

static void remove_all(const char *path)
{
  DIR *folder = opendir(path);
  for (struct dirent *one; folder && (one = readdir(folder));) {
    if (!strcmp(one->d_name, ".") || !strcmp(one->d_name, ".."))
      continue;
    char *path_in = inner(path, one->d_name);
    if (unlink(path_in) < 0)
      remove_all(path_in);
    free(path_in);
  }
  if (folder)
    closedir(folder);
  rmdir(path);
}

static void open_scene(struct scene *s)
{
  *s = (struct scene){.folder = "/tmp/kaalua-sources-XXXXXX"};
  assert_non_null(mkdtemp(s->folder));
  chmod(s->folder, 0755);
  snprintf(s->one, sizeof s->one, "%s/one", s->folder);
  snprintf(s->two, sizeof s->two, "%s/two", s->folder);
  mkdir(s->one, 0755);
  mkdir(s->two, 0755);
  s->sources = sources_create((const char *const[]){s->one, s->two}, 2);
}

static void close_scene(struct scene *s)
{
  sources_destroy(s->sources);
  remove_all(s->folder);
}

static void save(const char *folder, const char *name, const char *text)
{
  char *path = inner(folder, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
  free(path);
}

static void drop(const char *folder, const char *name)
{
  char *path = inner(folder, name);
  assert_int_equal(unlink(path), 0);
  free(path);
}

static void look(struct scene *s)
{
  sources_look(s->sources, ARRIVAL_CAREFUL, NULL);
}

static const char *text_of(struct scene *s, const char *type)
{
  const struct source_file *file = sources_find(s->sources, type);
  return !file ? "(none)" : file->fault ? file->fault : file->text;
}

/* Looks until the type's text is this one; returns how long that took. */
static int64_t await_text(struct scene *s, const char *type, const char *text)
{
  int64_t began_ms = clock_monotonic_ms();
  for (look(s); strcmp(text_of(s, type), text) != 0; look(s)) {
    if (clock_monotonic_ms() - began_ms > PATIENCE_MS)
      fail_msg("%s is still: %s", type, text_of(s, type));
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
  }
  return clock_monotonic_ms() - began_ms;
}

static void a_change_without_an_event_is_taken_after_two_seconds(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "1");
  look(&s);
  assert_string_equal(text_of(&s, "a"), "1");
  save(s.one, "a.lua", "22");
  assert_true(await_text(&s, "a", "22") >= ARRIVAL_SETTLE_MS - LOOK_MS);
  close_scene(&s);
}

static void a_change_that_an_event_tells_of_is_taken_at_once(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  look(&s);
  save(s.one, "a.lua", "1");
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "1");
  save(s.one, "a.lua", "2"); /* the same size, within one grain of the clock */
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "2");
  close_scene(&s);
}

static void lost_events_make_a_look_take_what_changed(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "1");
  look(&s);
  save(s.one, "a.lua", "22");
  save(s.two, "b.lua", "3");
  sources_hint(s.sources, "", "", WATCH_LOST);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "22");
  assert_string_equal(text_of(&s, "b"), "3");
  close_scene(&s);
}

static void a_file_that_is_open_for_writing_is_not_taken(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "good");
  look(&s);
  char *path = inner(s.one, "a.lua");
  int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
  assert_int_equal(write(fd, "ha", 2), 2);
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED); /* somebody else's */
  look(&s);
  assert_string_equal(text_of(&s, "a"), "good");
  assert_null(sources_fault(s.sources, 0)); /* an upload that is under way */
  sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
  assert_string_equal(text_of(&s, "a"), "good");
  char *held =
      memory_format("%s: a program has it open for writing; taken once it is closed", path);
  assert_string_equal(sources_fault(s.sources, 0), held); /* whoever asked for the look waits */
  assert_int_equal(write(fd, "lf", 2), 2);
  close(fd);
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "half");
  assert_null(sources_fault(s.sources, 0));
  free(held);
  free(path);
  close_scene(&s);
}

static void a_file_that_is_mapped_for_writing_is_not_taken(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "good");
  look(&s);
  await_text(&s, "a", "good");
  char *path = inner(s.one, "a.lua");
  int fd = open(path, O_RDWR | O_CLOEXEC);
  char *memory = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  assert_true(memory != MAP_FAILED);
  close(fd);
  memcpy(memory, "half", 4);
  sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "good");
  memcpy(memory, "full", 4);
  assert_int_equal(munmap(memory, 4), 0);
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED); /* as the kernel tells with munmap() */
  look(&s);
  assert_string_equal(text_of(&s, "a"), "full");
  free(path);
  close_scene(&s);
}

/* As nobody, who is granted no lease on a file of root's. */
static void without_a_lease_the_last_close_decides(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  if (geteuid() != 0)
    skip();
  save(s.one, "a.lua", "good");
  assert_int_equal(seteuid(65534), 0);
  look(&s);
  await_text(&s, "a", "good"); /* so young: it settles first */
  assert_int_equal(seteuid(0), 0);
  save(s.one, "a.lua", "ha");
  assert_int_equal(seteuid(65534), 0);
  sources_hint(s.sources, s.one, "a.lua", WATCH_WRITTEN);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "good");
  sources_hint(s.sources, s.one, "a.lua", WATCH_CLOSED);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "ha");
  assert_int_equal(seteuid(0), 0);
  close_scene(&s);
}

static void a_later_directory_shadows_an_earlier_one(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "one");
  save(s.two, "a.lua", "two");
  save(s.one, "b.lua", "only");
  look(&s);
  const struct source_file *a = sources_find(s.sources, "a");
  assert_string_equal(a->text, "two");
  assert_int_equal(a->directory, 1);
  char *shadowed = inner(s.one, "a.lua");
  assert_string_equal(a->shadows[0], shadowed);
  assert_null(a->shadows[1]);
  assert_null(sources_find(s.sources, "b")->shadows);
  drop(s.two, "a.lua");
  look(&s);
  assert_string_equal(text_of(&s, "a"), "two"); /* perhaps it is being replaced */
  assert_true(await_text(&s, "a", "one") >= ARRIVAL_SETTLE_MS - 2 * LOOK_MS);
  assert_null(sources_find(s.sources, "a")->shadows);
  free(shadowed);
  close_scene(&s);
}

static void a_refused_file_shadows_all_the_same(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "one");
  save(s.two, "a.lua", "two");
  char *path = inner(s.two, "a.lua");
  chmod(path, 0666);
  look(&s);
  const struct source_file *a = sources_find(s.sources, "a");
  char *fault = memory_format("writable by everybody; mend it with: chmod o-w %s", path);
  assert_string_equal(a->fault, fault);
  assert_non_null(a->shadows);
  free(fault);
  chmod(path, 0644);
  sources_hint(s.sources, s.two, "a.lua", WATCH_TOUCHED);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "two");
  free(path);
  close_scene(&s);
}

/* What is said of a file of this mode and owner. */
static void assert_refused(mode_t mode, uid_t owner, gid_t group, const char *what,
                           const char *command)
{
  struct scene s;
  open_scene(&s);
  save(s.one, "a.lua", "1");
  char *path = inner(s.one, "a.lua");
  assert_int_equal(chown(path, owner, group), 0);
  assert_int_equal(chmod(path, mode), 0);
  look(&s);
  const struct source_file *file = sources_find(s.sources, "a");
  if (!what) {
    assert_null(file->fault);
  } else {
    char *fault = memory_format("%s; mend it with: %s %s", what, command, path);
    assert_string_equal(file->fault, fault);
    free(fault);
    char *line = memory_format("%s %s", command, path);
    assert_int_equal(system(line), 0);
    free(line);
    sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
    assert_null(sources_find(s.sources, "a")->fault);
  }
  free(path);
  close_scene(&s);
}

static void files_that_others_can_write_are_refused_with_what_mends_it(void **unused)
{
  (void)unused;
  assert_refused(0646, geteuid(), getegid(), "writable by everybody", "chmod o-w");
  assert_refused(0664, geteuid(), getegid(), NULL, NULL); /* a group of its own */
  if (geteuid() != 0)
    skip();
  assert_refused(0666, 0, 7, "writable by everybody", "chmod go-w");
  assert_refused(0664, 0, 7, "writable by group 7", "chmod g-w");
  assert_refused(0644, 0, 7, NULL, NULL);
  assert_refused(0644, 12345, 0, "belongs to user 12345, neither root nor the agent's user",
                 "chown root:");
}

static void links_of_others_are_refused(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  if (geteuid() != 0)
    skip();
  save(s.folder, "target", "1");
  char *link = inner(s.one, "a.lua");
  assert_int_equal(symlink("../target", link), 0);
  look(&s);
  assert_string_equal(text_of(&s, "a"), "1");
  assert_int_equal(lchown(link, 12345, 0), 0);
  sources_hint(s.sources, s.one, "a.lua", WATCH_TOUCHED);
  look(&s);
  char *fault = memory_format("a symbolic link of user 12345, neither root nor the agent's user; "
                              "mend it with: chown -h root: %s", link);
  assert_string_equal(text_of(&s, "a"), fault);
  free(fault);
  free(link);
  close_scene(&s);
}

static void a_directory_that_others_can_write_is_refused(void **unused)
{
  (void)unused;
  static const char *const places[] = {"", "/lib", "/lib/drivers"};
  for (size_t i = 0; i < 3; i++) {
    struct scene s;
    open_scene(&s);
    char *lib = inner(s.one, "lib"), *drivers = inner(lib, "drivers");
    char *path = memory_format("%s%s", s.one, places[i]);
    mkdir(lib, 0755);
    mkdir(drivers, 0755);
    chmod(path, 0777);
    save(s.one, "a.lua", "1");
    save(s.two, "b.lua", "2");
    look(&s);
    char *fault = memory_format("%s: writable by everybody; mend it with: chmod o-w %s", path, path);
    assert_string_equal(sources_fault(s.sources, 0), fault);
    assert_null(sources_fault(s.sources, 1));
    assert_string_equal(text_of(&s, "a"), "(none)");
    assert_string_equal(text_of(&s, "b"), "2");
    chmod(path, 0755);
    sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
    assert_null(sources_fault(s.sources, 0));
    assert_string_equal(text_of(&s, "a"), "1");
    free(fault);
    free(path);
    free(drivers);
    free(lib);
    close_scene(&s);
  }
}

/* Whoever may write the directory could make any number of them. */
static void names_in_a_refused_directory_cost_nothing(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  chmod(s.one, 0777);
  look(&s);
  assert_non_null(sources_fault(s.sources, 0));
  size_t before = mallinfo2().uordblks; /* 0 under the sanitizers */
  for (int n = 0; n < 1000; n++) {
    char name[32];
    snprintf(name, sizeof name, "x%d.lua", n);
    sources_hint(s.sources, s.one, name, WATCH_APPEARED);
    sources_hint(s.sources, s.one, name, WATCH_GONE);
  }
  look(&s);
  assert_true(mallinfo2().uordblks < before + 10000);
  close_scene(&s);
}

static void a_path_is_quoted_in_the_command(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  char *folder = inner(s.folder, "it's here");
  mkdir(folder, 0755);
  save(folder, "a.lua", "1");
  char *path = inner(folder, "a.lua");
  chmod(path, 0646);
  struct sources *sources = sources_create((const char *const[]){folder}, 1);
  sources_scan(sources);
  const char *command = strstr(sources_find(sources, "a")->fault, "chmod");
  assert_int_equal(system(command), 0);
  sources_scan(sources);
  assert_null(sources_find(sources, "a")->fault);
  sources_destroy(sources);
  free(path);
  free(folder);
  close_scene(&s);
}

static void temporary_names_are_none(void **unused)
{
  (void)unused;
  static const char *const names[] = {
      ".x.lua.swp", ".x.lua.swx", ".#x.lua", "#x.lua#", "x.lua~", "4913", ".x.lua.AbC123",
      "x.lua.part", "x.lua.tmp", "x.lua.filepart", "sedAbCdEf", "x.lua.dpkg-new",
      "x.lua.dpkg-tmp", "x.lua.bak", "x.lua.orig", "x.lua.rej", ".x.lua", "~x.lua", "#x.lua",
      "x.lua.AbCdEf", ".goutputstream-AB12CD", "x.lua___jb_tmp___", ".syncthing.x.lua.tmp",
      "~$x.lua", "x.luac", "x.LUA", ".lua", "x.lua.partial", ".nfs000000000001",
  };
  struct scene s;
  open_scene(&s);
  char *lib = inner(s.one, "lib");
  mkdir(lib, 0755);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    save(s.one, names[i], "1");
    save(lib, names[i], "1");
  }
  look(&s);
  if (sources_at(s.sources, 0))
    fail_msg("taken: %s", sources_at(s.sources, 0)->path);
  save(s.one, "x.tmp.lua", "1");
  sources_hint(s.sources, s.one, "x.tmp.lua", WATCH_CLOSED);
  look(&s);
  assert_null(sources_at(s.sources, 0)); /* not yet worth a word */
  await_text(&s, "x.tmp", "\"x.tmp\" is no command type: 1 to 64 of A-Z a-z 0-9 _ -, not all "
                          "digits, not status or error");
  free(lib);
  close_scene(&s);
}

static void a_missing_directory_keeps_what_it_had(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  char *away = inner(s.folder, "away");
  save(s.one, "a.lua", "1");
  look(&s);
  assert_int_equal(rename(s.one, away), 0);
  look(&s);
  assert_null(sources_fault(s.sources, 0)); /* for a moment */
  int64_t began_ms = clock_monotonic_ms();
  while (!sources_fault(s.sources, 0)) {
    assert_true(clock_monotonic_ms() - began_ms < PATIENCE_MS);
    nanosleep(&(struct timespec){.tv_nsec = LOOK_MS * 1000000L}, NULL);
    look(&s);
  }
  char *fault = memory_format("%s: No such file or directory", s.one);
  assert_string_equal(sources_fault(s.sources, 0), fault);
  assert_string_equal(text_of(&s, "a"), "1");
  assert_int_equal(rename(away, s.one), 0);
  look(&s);
  assert_null(sources_fault(s.sources, 0));
  assert_string_equal(text_of(&s, "a"), "1");
  free(fault);
  free(away);
  close_scene(&s);
}

static void an_unreadable_lib_keeps_what_there_was(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  if (geteuid() != 0)
    skip();
  char *lib = inner(s.one, "lib");
  mkdir(lib, 0755);
  save(s.one, "a.lua", "require 'v'");
  save(lib, "v.lua", "1");
  look(&s);
  uint64_t hash = sources_find(s.sources, "a")->hash;
  assert_int_equal(chmod(lib, 0700), 0);
  assert_int_equal(seteuid(65534), 0);
  sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
  assert_int_equal(seteuid(0), 0);
  char *fault = memory_format("%s: Permission denied", lib);
  assert_string_equal(sources_fault(s.sources, 0), fault);
  assert_true(sources_find(s.sources, "a")->hash == hash);
  assert_int_equal(sources_library(s.sources)->count, 1);
  free(fault);
  free(lib);
  close_scene(&s);
}

static void a_library_changes_the_hash_of_those_that_require_it(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  char *lib = inner(s.one, "lib");
  mkdir(lib, 0755);
  save(s.one, "a.lua", "require 'v'");
  save(s.one, "b.lua", "return 1");
  save(lib, "v.lua", "1");
  look(&s);
  uint64_t a = sources_find(s.sources, "a")->hash, b = sources_find(s.sources, "b")->hash;
  save(lib, "v.lua", "2");
  sources_hint(s.sources, lib, "v.lua", WATCH_CLOSED);
  look(&s);
  assert_true(sources_find(s.sources, "a")->hash != a);
  assert_true(sources_find(s.sources, "b")->hash == b);
  free(lib);
  close_scene(&s);
}

static void what_was_shadowed_has_the_hash_with_the_libraries_of_now(void **unused)
{
  (void)unused;
  struct scene s;
  open_scene(&s);
  char *lib = inner(s.one, "lib");
  mkdir(lib, 0755);
  save(s.one, "a.lua", "require 'v'");
  save(lib, "v.lua", "1");
  look(&s);
  uint64_t before = sources_find(s.sources, "a")->hash;
  save(s.two, "a.lua", "return 1");
  sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
  save(lib, "v.lua", "2");
  sources_hint(s.sources, lib, "v.lua", WATCH_CLOSED);
  look(&s);
  drop(s.two, "a.lua");
  sources_look(s.sources, ARRIVAL_AT_ONCE, NULL);
  uint64_t after = sources_find(s.sources, "a")->hash;
  assert_string_equal(text_of(&s, "a"), "require 'v'");
  assert_true(after != before);
  sources_destroy(s.sources);
  s.sources = sources_create((const char *const[]){s.one, s.two}, 2);
  look(&s);
  assert_true(sources_find(s.sources, "a")->hash == after);
  free(lib);
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_change_without_an_event_is_taken_after_two_seconds),
      cmocka_unit_test(a_change_that_an_event_tells_of_is_taken_at_once),
      cmocka_unit_test(lost_events_make_a_look_take_what_changed),
      cmocka_unit_test(a_file_that_is_open_for_writing_is_not_taken),
      cmocka_unit_test(a_file_that_is_mapped_for_writing_is_not_taken),
      cmocka_unit_test(without_a_lease_the_last_close_decides),
      cmocka_unit_test(a_later_directory_shadows_an_earlier_one),
      cmocka_unit_test(a_refused_file_shadows_all_the_same),
      cmocka_unit_test(files_that_others_can_write_are_refused_with_what_mends_it),
      cmocka_unit_test(links_of_others_are_refused),
      cmocka_unit_test(a_directory_that_others_can_write_is_refused),
      cmocka_unit_test(names_in_a_refused_directory_cost_nothing),
      cmocka_unit_test(a_path_is_quoted_in_the_command),
      cmocka_unit_test(temporary_names_are_none),
      cmocka_unit_test(a_missing_directory_keeps_what_it_had),
      cmocka_unit_test(an_unreadable_lib_keeps_what_there_was),
      cmocka_unit_test(a_library_changes_the_hash_of_those_that_require_it),
      cmocka_unit_test(what_was_shadowed_has_the_hash_with_the_libraries_of_now),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
