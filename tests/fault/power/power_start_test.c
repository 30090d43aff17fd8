/* A first start that is killed at each of its calls in turn, a second one behind it, and then
 * a power cut: names that the first one gave and did not sync are not to be lost by the
 * second. */
#include "crash_vfs.h"
#include "journal_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { REMAINS = 12 }; /* of each cut, looked at */

static const char *parent(void)
{
  const char *given = getenv("TMPDIR");
  return given ? given : "/tmp";
}

static void prepare(struct scene *scene)
{
  scene_init(scene, parent());
  scene->options.ballast_bytes = 4096;
}

/* Whether it came to its end before the kill. */
static bool first_start(struct scene *scene, struct crash_disk *disk, uint64_t calls)
{
  crash_disk_arm(disk, calls, CRASH_KILL);
  int rc = scene_try(scene);
  bool has_ended = !crash_disk_is_dead(disk);
  assert_true(!rc || !has_ended);
  scene_close(scene);
  crash_disk_revive(disk);
  return has_ended;
}

static void second_start(struct scene *scene, bool stores)
{
  scene_open(scene);
  assert_false(scene->found.is_lost);
  if (!stores)
    return;
  struct scene_answer answer = scene_store(scene, JOURNAL_SET, NULL, "key", "value");
  assert_string_equal(answer.failure, "");
}

static void check_left(struct crash_disk *disk, uint64_t calls, uint64_t seed, bool stores)
{
  struct scene scene;
  prepare(&scene);
  scene.options.is_normal = true; /* only to be quick: it is read */
  crash_disk_materialise(disk, scene.directory, seed);
  scene_open(&scene);
  if (scene.found.is_lost)
    fail_msg("killed after %d calls, seed %d: %s", (int)calls, (int)seed, scene.found.why);
  struct scene_answer answer = scene_store(&scene, JOURNAL_GET, NULL, "key", NULL);
  if (stores && !answer.has_value)
    fail_msg("killed after %d calls, seed %d: what was stored is gone", (int)calls, (int)seed);
  free(answer.value);
  scene_clear(&scene);
}

/* False: the first start was not killed. */
static bool cut_after(uint64_t calls, bool stores)
{
  struct scene scene;
  prepare(&scene);
  struct crash_disk *disk = crash_disk_create(scene.directory, 1);
  struct crash_vfs *vfs = crash_vfs_create(disk);
  bool has_ended = first_start(&scene, disk, calls);
  second_start(&scene, stores);
  crash_disk_cut(disk);
  scene_close(&scene);
  crash_vfs_destroy(vfs);
  for (uint64_t seed = 1; seed <= REMAINS; seed++)
    check_left(disk, calls, seed, stores);
  crash_disk_destroy(disk);
  scene_clear(&scene);
  return !has_ended;
}

static void what_a_second_start_found_survives_a_cut(void **unused)
{
  (void)unused;
  uint64_t calls = 0;
  while (cut_after(calls, false))
    calls++;
  assert_true(calls > 0);
}

static void what_a_second_start_stored_survives_a_cut(void **unused)
{
  (void)unused;
  uint64_t calls = 0;
  while (cut_after(calls, true))
    calls++;
  assert_true(calls > 0);
}

int main(int count, char **arguments)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_a_second_start_found_survives_a_cut),
      cmocka_unit_test(what_a_second_start_stored_survives_a_cut),
  };
  if (count > 1)
    cmocka_set_test_filter(arguments[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
