/* handlers/last_good.c and supervision/version_file.c on real files. */
#include "handlers/last_good.h"

#include "base/clock.h"
#include "base/memory.h"
#include "supervision/version_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { PATIENCE_MS = 30000, REPEAT_MS = 1 };

struct scene {
  char state[64];
  struct last_good *store;
};

static int set_up(void **state)
{
  struct scene *scene = memory_zeroed(1, sizeof *scene);
  strcpy(scene->state, "/tmp/kaalua-versions-XXXXXX");
  assert_non_null(mkdtemp(scene->state));
  scene->store = last_good_create(scene->state, REPEAT_MS);
  *state = scene;
  return 0;
}

static int tear_down(void **state)
{
  struct scene *scene = *state;
  char folder[80];
  last_good_destroy(scene->store);
  snprintf(folder, sizeof folder, "%s/versions", scene->state);
  DIR *listing = opendir(folder);
  for (struct dirent *entry; listing && (entry = readdir(listing));)
    if (entry->d_name[0] != '.')
      unlinkat(dirfd(listing), entry->d_name, 0);
  if (listing)
    closedir(listing);
  rmdir(folder);
  rmdir(scene->state);
  free(scene);
  return 0;
}

/* Once all is written, as another process would find it. */
static void reopen(struct scene *scene)
{
  last_good_destroy(scene->store);
  scene->store = last_good_create(scene->state, REPEAT_MS);
}

/* With a NUL, and what is no UTF-8. */
static const char text[] = "return function() end -- \0 \xff";

static struct version *new_version(const char *type, const char *library_text)
{
  struct library *library = library_create();
  library_add(library, "valve", "lib/valve.lua", library_text, strlen(library_text));
  library_add(library, "drivers.pump", "lib/drivers/pump.lua", "", 0);
  struct version *version =
      version_create(type, "/etc/h/park.lua", "park.lua", text, sizeof text - 1, library);
  library_drop(library);
  return version;
}

static void keep(struct scene *scene, const char *type, const char *library_text)
{
  struct version *version = new_version(type, library_text);
  last_good_keep(scene->store, version);
  version_drop(version);
}

static void path_of(const struct scene *scene, const char *name, char path[200])
{
  snprintf(path, 200, "%s/versions/%s", scene->state, name);
}

static size_t read_file(const char *path, char *bytes, size_t room)
{
  FILE *file = fopen(path, "re");
  assert_non_null(file);
  size_t size = fread(bytes, 1, room, file);
  assert_true(size < room);
  fclose(file);
  return size;
}

static void write_file(const char *path, const char *bytes, size_t size)
{
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  assert_int_equal(fwrite(bytes, 1, size, file), size);
  assert_int_equal(fclose(file), 0);
}

static bool is_readable(struct scene *scene, const char *type)
{
  int64_t since_ms;
  struct version *version = last_good_read(scene->store, type, &since_ms);
  bool is_there = version != NULL;
  version_drop(version);
  return is_there;
}

static void comes_back_as_it_was(void **state)
{
  struct scene *scene = *state;
  struct version *before = new_version("park", "return 1");
  int64_t since_ms = 17;
  keep(scene, "park", "return 1");
  reopen(scene);
  assert_true(last_good_has(scene->store, "park"));
  struct version *after = last_good_read(scene->store, "park", &since_ms);
  assert_non_null(after);
  assert_int_equal(since_ms, 0);
  assert_string_equal(after->type, "park");
  assert_string_equal(after->path, before->path);
  assert_string_equal(after->source.chunk, before->source.chunk);
  assert_int_equal(after->source.text_bytes, sizeof text - 1);
  assert_memory_equal(after->source.text, text, sizeof text - 1);
  assert_int_equal(after->library->count, 2);
  assert_string_equal(after->library->sources[0].module, "valve");
  assert_string_equal(after->library->sources[0].text, "return 1");
  assert_string_equal(after->library->sources[1].chunk, "lib/drivers/pump.lua");
  assert_true(after->hash == before->hash);
  version_drop(before);
  version_drop(after);
}

static void keeps_since_when_its_file_is_faulty_until_that_is_good(void **state)
{
  struct scene *scene = *state;
  int64_t since_ms;
  keep(scene, "park", "return 1");
  last_good_set_since(scene->store, "park", 1795357385123);
  reopen(scene);
  struct version *version = last_good_read(scene->store, "park", &since_ms);
  assert_non_null(version);
  assert_true(since_ms == 1795357385123);
  last_good_set_since(scene->store, "park", 5);
  last_good_keep(scene->store, version);
  version_drop(version);
  reopen(scene);
  version = last_good_read(scene->store, "park", &since_ms);
  assert_non_null(version);
  assert_true(since_ms == 0);
  version_drop(version);
}

static void takes_no_time_that_makes_no_sense(void **state)
{
  static const char *const texts[] = {"", "soon\n", "-5\n", "99999999999999999999999\n"};
  struct scene *scene = *state;
  char path[200];
  keep(scene, "park", "return 1");
  reopen(scene);
  path_of(scene, "park.since", path);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    int64_t since_ms = 17;
    write_file(path, texts[i], strlen(texts[i]));
    version_drop(last_good_read(scene->store, "park", &since_ms));
    assert_true(since_ms == 0);
  }
}

static void of_several_the_last_one_stays(void **state)
{
  struct scene *scene = *state;
  int64_t since_ms;
  for (int i = 0; i < 200; i++) {
    char library_text[32];
    snprintf(library_text, sizeof library_text, "return %d", i);
    keep(scene, "park", library_text);
    keep(scene, i % 2 ? "door" : "gate", library_text);
  }
  last_good_forget(scene->store, "gate");
  reopen(scene);
  struct version *version = last_good_read(scene->store, "park", &since_ms);
  assert_non_null(version);
  assert_string_equal(version->library->sources[0].text, "return 199");
  version_drop(version);
  assert_true(is_readable(scene, "door"));
  assert_false(is_readable(scene, "gate"));
}

static void is_forgotten_with_all_that_belongs_to_it(void **state)
{
  struct scene *scene = *state;
  char path[200];
  keep(scene, "park", "return 1");
  last_good_set_since(scene->store, "park", 5);
  reopen(scene);
  last_good_forget(scene->store, "park");
  assert_false(last_good_has(scene->store, "park")); /* at once */
  assert_false(is_readable(scene, "park"));
  reopen(scene);
  path_of(scene, "park.version", path);
  assert_int_equal(access(path, F_OK), -1);
  path_of(scene, "park.since", path);
  assert_int_equal(access(path, F_OK), -1);
}

static void lists_the_types_and_clears_away_drafts(void **state)
{
  struct scene *scene = *state;
  char path[200];
  char **types = last_good_types(scene->store);
  assert_null(types[0]);
  free(types);
  keep(scene, "park", "return 1");
  reopen(scene);
  path_of(scene, "door.version.new", path);
  write_file(path, "cut off", 7);
  char other[200];
  path_of(scene, "no type.version", other);
  write_file(other, "", 0);
  types = last_good_types(scene->store);
  assert_string_equal(types[0], "park");
  assert_null(types[1]);
  free(types[0]);
  free(types);
  assert_int_equal(access(path, F_OK), -1);
}

/* Every bit that is turned over, and every length that is cut, is noticed. */
static void a_damaged_file_is_none(void **state)
{
  struct scene *scene = *state;
  char path[200], sound[4096], damaged[4096];
  keep(scene, "park", "return 1");
  reopen(scene);
  path_of(scene, "park.version", path);
  size_t size = read_file(path, sound, sizeof sound);
  for (size_t i = 0; i < size; i++) {
    struct version *version = NULL;
    struct error error = {0};
    memcpy(damaged, sound, size);
    damaged[i] = (char)(damaged[i] ^ (1 << i % 8));
    write_file(path, damaged, size);
    int rc = version_file_read(path, &version, &error);
    assert_true(rc == -EBADMSG || rc == -EPROTONOSUPPORT);
    assert_non_null(strstr(error.text, path));
    write_file(path, sound, i);
    assert_int_equal(version_file_read(path, &version, &error), -EBADMSG);
  }
  memcpy(damaged, sound, size);
  write_file(path, damaged, size + 1);
  struct version *version = NULL;
  assert_int_equal(version_file_read(path, &version, NULL), -EBADMSG);
  assert_null(version);
  write_file(path, sound, size);
  assert_true(is_readable(scene, "park"));
}

static void of_another_type_is_none(void **state)
{
  struct scene *scene = *state;
  char park[200], door[200];
  keep(scene, "park", "return 1");
  reopen(scene);
  path_of(scene, "park.version", park);
  path_of(scene, "door.version", door);
  assert_int_equal(rename(park, door), 0);
  assert_true(last_good_has(scene->store, "door"));
  assert_false(is_readable(scene, "door"));
}

static void what_others_may_have_written_is_none(void **state)
{
  struct scene *scene = *state;
  char path[200], real[200];
  keep(scene, "park", "return 1");
  reopen(scene);
  path_of(scene, "park.version", path);
  path_of(scene, "real", real);
  struct stat status;
  assert_int_equal(stat(path, &status), 0);
  assert_int_equal(status.st_mode & 0777, 0600);
  assert_int_equal(chmod(path, 0620), 0);
  assert_false(is_readable(scene, "park"));
  assert_int_equal(chmod(path, 0600), 0);
  assert_true(is_readable(scene, "park"));
  assert_int_equal(rename(path, real), 0);
  assert_int_equal(symlink(real, path), 0);
  assert_false(is_readable(scene, "park"));
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0);
  assert_false(is_readable(scene, "park"));
}

static void no_path_is_made_of_what_is_no_type(void **state)
{
  struct scene *scene = *state;
  char path[200];
  keep(scene, "park", "return 1");
  reopen(scene);
  path_of(scene, "park.version", path);
  char outside[200];
  snprintf(outside, sizeof outside, "%s/outside.version", scene->state);
  assert_int_equal(rename(path, outside), 0);
  assert_false(last_good_has(scene->store, "../outside"));
  assert_false(is_readable(scene, "../outside"));
  assert_int_equal(unlink(outside), 0);
}

static void without_a_store_nothing_is_kept(void **state)
{
  struct version *version = new_version("park", "return 1");
  int64_t since_ms;
  (void)state;
  last_good_keep(NULL, version);
  last_good_set_since(NULL, "park", 5);
  last_good_forget(NULL, "park");
  assert_false(last_good_has(NULL, "park"));
  assert_null(last_good_read(NULL, "park", &since_ms));
  assert_false(last_good_is_to_be_repeated(NULL));
  char **types = last_good_types(NULL);
  assert_null(types[0]);
  free(types);
  last_good_destroy(NULL);
  version_drop(version);
}

/* ---- a disk that is full ---- */

/* A file system of our own in the state directory; skips where that is not allowed. */
static void mount_small(const struct scene *scene)
{
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount("tmpfs", scene->state, "tmpfs", 0, "size=64k,mode=700") < 0) {
    print_message("  skipped: a file system cannot be mounted here: %s\n", strerror(errno));
    skip();
  }
}

static void fill(const struct scene *scene, const char *name)
{
  char path[200], block[4096] = {0};
  snprintf(path, sizeof path, "%s/%s", scene->state, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  while (write(fd, block, sizeof block) == (ssize_t)sizeof block) {
  }
  close(fd);
}

static void await_repeat(struct scene *scene)
{
  int64_t deadline_ms = clock_monotonic_ms() + PATIENCE_MS;
  while (!last_good_is_to_be_repeated(scene->store)) {
    assert_true(clock_monotonic_ms() < deadline_ms);
    poll(NULL, 0, 1);
  }
}

static void what_the_disk_has_no_room_for_leaves_the_one_before_and_is_kept_later(void **state)
{
  struct scene *scene = *state;
  char path[200], large[9000];
  int64_t since_ms;
  mount_small(scene);
  keep(scene, "park", "return 1");
  reopen(scene);
  assert_false(last_good_is_to_be_repeated(scene->store));
  fill(scene, "filler");
  memset(large, '-', sizeof large - 1);
  large[sizeof large - 1] = '\0';
  keep(scene, "park", large);
  await_repeat(scene);
  struct version *version = last_good_read(scene->store, "park", &since_ms);
  assert_non_null(version);
  assert_string_equal(version->library->sources[0].text, "return 1");
  version_drop(version);
  path_of(scene, "park.version.new", path);
  assert_int_equal(access(path, F_OK), -1);
  snprintf(path, sizeof path, "%s/filler", scene->state);
  assert_int_equal(unlink(path), 0);
  keep(scene, "park", large);
  reopen(scene);
  assert_false(last_good_is_to_be_repeated(scene->store));
  version = last_good_read(scene->store, "park", &since_ms);
  assert_non_null(version);
  assert_string_equal(version->library->sources[0].text, large);
  version_drop(version);
  last_good_destroy(scene->store);
  scene->store = NULL;
  assert_int_equal(umount(scene->state), 0);
}

static void what_cannot_be_written_at_all_is_no_reason_to_stop(void **state)
{
  struct scene *scene = *state;
  char path[100];
  snprintf(path, sizeof path, "%s/versions", scene->state);
  write_file(path, "", 0); /* in place of the folder */
  keep(scene, "park", "return 1");
  await_repeat(scene);
  assert_false(is_readable(scene, "park"));
  assert_int_equal(unlink(path), 0);
  keep(scene, "park", "return 1");
  reopen(scene);
  assert_true(is_readable(scene, "park"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(comes_back_as_it_was),
      TEST(keeps_since_when_its_file_is_faulty_until_that_is_good),
      TEST(takes_no_time_that_makes_no_sense),
      TEST(of_several_the_last_one_stays),
      TEST(is_forgotten_with_all_that_belongs_to_it),
      TEST(lists_the_types_and_clears_away_drafts),
      TEST(a_damaged_file_is_none),
      TEST(of_another_type_is_none),
      TEST(what_others_may_have_written_is_none),
      TEST(no_path_is_made_of_what_is_no_type),
      TEST(without_a_store_nothing_is_kept),
      TEST(what_cannot_be_written_at_all_is_no_reason_to_stop),
      TEST(what_the_disk_has_no_room_for_leaves_the_one_before_and_is_kept_later),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
