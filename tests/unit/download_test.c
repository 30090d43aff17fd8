/* A file that is there whole or not at all, with and without O_TMPFILE: the tests' openat()
 * refuses that where told, as some file systems do. */
#include "worker/download.h"

#include "base/worker_frames.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static bool lacks_nameless; /* the file system */

int __real_openat(int directory, const char *path, int flags, ...);
int __wrap_openat(int directory, const char *path, int flags, ...);

int __wrap_openat(int directory, const char *path, int flags, ...)
{
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (lacks_nameless && (flags & O_TMPFILE) == O_TMPFILE) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return __real_openat(directory, path, flags, mode);
}

struct scene {
  char folder[64], path[128];
};

static void open_scene(struct scene *s, bool lacks)
{
  lacks_nameless = lacks;
  strcpy(s->folder, "/tmp/download_test.XXXXXX");
  assert_non_null(mkdtemp(s->folder));
  snprintf(s->path, sizeof s->path, "%s/file", s->folder);
}

/* The names in the folder, "." and ".." apart. */
static int count(const struct scene *s)
{
  DIR *directory = opendir(s->folder);
  int found = -2;
  while (readdir(directory))
    found++;
  closedir(directory);
  return found;
}

static void close_scene(struct scene *s)
{
  unlink(s->path);
  assert_int_equal(rmdir(s->folder), 0);
}

static void put(const char *path, const char *text)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

static void expect(const char *path, const char *text)
{
  char found[64] = "";
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(read(fd, found, sizeof found - 1), strlen(text));
  close(fd);
  assert_string_equal(found, text);
}

static int count_descriptors(void)
{
  DIR *directory = opendir("/proc/self/fd");
  int found = 0;
  while (readdir(directory))
    found++;
  closedir(directory);
  return found;
}

static void writes(struct download *download, const char *text)
{
  assert_int_equal(write(download->fd, text, strlen(text)), strlen(text));
}

static void each_way(void (*test)(struct scene *s, bool lacks))
{
  for (int lacks = 0; lacks < 2; lacks++) {
    struct scene s;
    int before = count_descriptors();
    open_scene(&s, lacks);
    test(&s, lacks);
    close_scene(&s);
    assert_int_equal(count_descriptors(), before);
  }
}

static void take_name(struct scene *s, bool lacks)
{
  struct download download;
  put(s->path, "old");
  assert_int_equal(download_open(&download, s->path), 0);
  writes(&download, "new");
  expect(s->path, "old");
  assert_int_equal(count(s), lacks ? 2 : 1);
  assert_int_equal(download_commit(&download), 0);
  expect(s->path, "new");
  assert_int_equal(count(s), 1);
}

static void takes_its_name_when_it_is_complete(void **state)
{
  (void)state;
  each_way(take_name);
}

static void abandon(struct scene *s, bool lacks)
{
  struct download download;
  (void)lacks;
  assert_int_equal(download_open(&download, s->path), 0);
  writes(&download, "half");
  download_abandon(&download);
  assert_int_equal(count(s), 0);
}

static void leaves_nothing_where_it_is_abandoned(void **state)
{
  (void)state;
  each_way(abandon);
}

static void find_leftover(struct scene *s, bool lacks)
{
  struct download download;
  char part[160];
  (void)lacks;
  snprintf(part, sizeof part, "%s/.file.kaalua-part", s->folder);
  put(part, "of one that was killed");
  assert_int_equal(download_open(&download, s->path), 0);
  writes(&download, "new");
  assert_int_equal(download_commit(&download), 0);
  expect(s->path, "new");
  assert_int_equal(count(s), 1);
}

static void removes_what_another_has_left(void **state)
{
  (void)state;
  each_way(find_leftover);
}

static void meet(struct scene *s, bool lacks)
{
  struct download first, second;
  assert_int_equal(download_open(&first, s->path), 0);
  writes(&first, "first");
  assert_int_equal(download_open(&second, s->path), 0);
  writes(&second, "sec");
  int rc = download_commit(&first);
  assert_int_equal(rc, lacks ? -1 : 0); /* the second has taken the name */
  if (lacks)
    assert_int_equal(errno, EBUSY);
  writes(&second, "ond");
  assert_int_equal(download_commit(&second), 0);
  expect(s->path, "second");
  assert_int_equal(count(s), 1);
}

static void mixes_two_transfers_never(void **state)
{
  (void)state;
  each_way(meet);
}

static void replaces_regular_files_only(void **state)
{
  struct scene s;
  struct download download;
  (void)state;
  open_scene(&s, false);
  assert_int_equal(mkfifo(s.path, 0600), 0);
  assert_int_equal(download_open(&download, s.path), -1);
  assert_int_equal(errno, EINVAL);
  assert_int_equal(unlink(s.path), 0);
  assert_int_equal(symlink("/etc/passwd", s.path), 0);
  assert_int_equal(download_open(&download, s.path), -1);
  assert_int_equal(errno, EINVAL);
  assert_int_equal(download_open(&download, "/tmp"), -1);
  assert_int_equal(errno, EISDIR);
  assert_int_equal(download_open(&download, "/nonexistent/x"), -1);
  assert_int_equal(errno, ENOENT);
  close_scene(&s);
}

static void needs_a_host_that_takes_descriptors(void **state)
{
  struct scene s;
  struct download download;
  (void)state;
  open_scene(&s, false);
  close(WORKER_DESCRIPTORS_FD);
  assert_int_equal(download_open(&download, s.path), 0);
  int taken = open("/dev/null", O_RDONLY | O_CLOEXEC); /* whatever has that number */
  assert_int_equal(download_send(&download, 1), -1);
  assert_true(errno == EBADF || errno == ENOTSOCK);
  close(taken);
  download_abandon(&download);
  close_scene(&s);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(takes_its_name_when_it_is_complete),
      cmocka_unit_test(leaves_nothing_where_it_is_abandoned),
      cmocka_unit_test(removes_what_another_has_left),
      cmocka_unit_test(mixes_two_transfers_never),
      cmocka_unit_test(replaces_regular_files_only),
      cmocka_unit_test(needs_a_host_that_takes_descriptors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
