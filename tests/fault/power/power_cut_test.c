/* The journal on a disk whose power is cut at a random call, again and again: what it said
 * is stored is there, what it did not say is there wholly or not at all.
 *
 * KAALUA_SOAK=1: the long form. KAALUA_SEED repeats what a failure named. An argument picks the
 * tests whose names it matches, as with *sync*. */
#include "base/clock.h"
#include "base/memory.h"
#include "crash_vfs.h"
#include "power_drive.h"
#include "power_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum {
  LIVES = 10, /* of one journal, before a new one begins */
  STEPS_MOST = 60,
  SOAK = 60, /* times as many cuts */
};

/* What comes before the power is cut, or instead of an honest disk. */
enum trouble { NO_TROUBLE, KILLED, SYNC_FAILED };

struct plan {
  const char *what;
  int cuts;
  bool is_normal;
  enum trouble trouble;
  const char *lying;
};

struct counts {
  int cuts, in_open, told, more; /* more: what was not told is there, too */
  int lost, noticed, silent, wrong; /* of a disk that lies, or where durability is normal */
};

struct power {
  const struct plan *plan;
  uint64_t seed, first_seed;
  char parent[4096];
  char boot[32];
  int boots;
  struct power_state state; /* of the journal on which the next life begins */
  struct scene *scene;
  struct crash_disk *disk;
  struct crash_vfs *vfs;
  struct power_drive drive;
  struct counts counts;
};

/* In a new folder; owned, drop() it. */
static struct scene *prepare(struct power *power)
{
  struct scene *scene = memory_zeroed(1, sizeof *scene);
  scene_init(scene, power->parent);
  scene->options.boot_id = power->boot;
  scene->options.is_normal = power->plan->is_normal;
  scene->options.max_history = POWER_HISTORY;
  scene->options.max_ids = POWER_PAST;
  scene->options.ballast_bytes = 4096;
  return scene;
}

static void drop(struct scene *scene)
{
  scene_clear(scene);
  free(scene);
}

static void boot(struct power *power)
{
  snprintf(power->boot, sizeof power->boot, "boot-%d", ++power->boots);
}

/* Fails the test, naming the seed that comes here again. */
__attribute__((format(printf, 2, 3), noreturn)) static void say(const struct power *power,
                                                                const char *format, ...)
{
  char text[600];
  va_list list;
  va_start(list, format);
  vsnprintf(text, sizeof text, format, list);
  va_end(list);
  fail_msg("KAALUA_SEED=%llu, %s, cut %d: %s", (unsigned long long)power->first_seed,
           power->plan->what, power->counts.cuts, text);
  abort();
}

/* The first state from `from` on that is equal; -1: none. */
static int find_state(const struct power_drive *drive, size_t from, const struct power_state *found)
{
  char text[300];
  for (size_t i = from; i < drive->count; i++)
    if (!power_state_differs(found, &drive->states[i], text))
      return (int)i;
  return -1;
}

/* Without what only a running journal tells. */
static void hide_rest(struct power_state *state)
{
  memset(state->stored, 0, sizeof state->stored);
  for (int i = 0; i < POWER_COMMANDS; i++)
    if (state->commands[i].is_past || state->commands[i].state >= COMMAND_CONFIRMED)
      state->commands[i] = (struct power_command){0};
    else if (state->commands[i].state == COMMAND_DONE)
      state->commands[i].element = (struct power_text){0};
}

static int find_start(const struct power_drive *drive, const struct power_state *found)
{
  char text[300];
  for (size_t i = drive->told; i < drive->count; i++) {
    struct power_state state = drive->states[i];
    hide_rest(&state);
    if (!power_state_differs(found, &state, text))
      return (int)i;
  }
  return -1;
}

/* Opens under the disk; false: the power, or the process, went meanwhile. */
static bool open_scene(struct power *power)
{
  int rc = scene_try(power->scene);
  bool is_dead = crash_disk_is_dead(power->disk);
  if (rc && !is_dead && power->plan->trouble != SYNC_FAILED)
    say(power, "the journal cannot be opened: %s", power->scene->error.text);
  if (rc || is_dead)
    return false;
  if (power->scene->found.is_lost && !power->plan->lying && !power->plan->is_normal)
    say(power, "while it starts, the journal says that it is lost: %s", power->scene->found.why);
  return true;
}

static void drive_on(struct power *power)
{
  assert_int_equal(journal_start(power->scene->journal, &power->scene->error), 0);
  int steps = (int)crash_random(&power->drive.seed, STEPS_MOST);
  while (steps-- && power_drive_step(&power->drive)) {
  }
  if (power->scene->failed && !crash_disk_is_dead(power->disk) &&
      power->plan->trouble != SYNC_FAILED)
    say(power, "the journal failed: %s", power->scene->failure);
}

static uint64_t some_calls(struct power *power)
{
  return crash_random(&power->drive.seed, crash_random(&power->drive.seed, 3) ? 1500 : 60);
}

/* The process dies, and the next one finds what that one wrote, synced or not. */
static void live_after_trouble(struct power *power)
{
  struct power_drive *drive = &power->drive;
  struct power_state found;
  scene_close(power->scene);
  power_drive_settle(drive);
  crash_disk_revive(power->disk);
  power->scene->failed = 0;
  bool is_short = crash_random(&drive->seed, 2);
  if (is_short)
    crash_disk_arm(power->disk, crash_random(&drive->seed, 30), CRASH_CUT);
  if (!open_scene(power))
    return;
  power_read_start(power->scene, &found);
  int at = find_start(drive, &found);
  if (at < 0)
    say(power, "after a killed process something else is there");
  drive->told = (size_t)at; /* it may have been acted upon */
  drive->first = drive->told;
  drive->stored_before = power->scene->stored;
  drive->acknowledged = 0;
  if (is_short)
    return;
  assert_int_equal(journal_start(power->scene->journal, &power->scene->error), 0);
  power_read_rest(power->scene, &found);
  if ((at = find_state(drive, drive->told, &found)) < 0)
    say(power, "after a killed process something else is stored");
  power_drive_go_on(drive, (size_t)at);
  crash_disk_arm(power->disk, some_calls(power), CRASH_CUT);
  for (uint64_t steps = crash_random(&drive->seed, 20); steps && power_drive_step(drive); steps--) {
  }
}

/* From a start on the disk to the cut. */
static void live(struct power *power)
{
  static const enum crash_end ends[] = {CRASH_CUT, CRASH_KILL, CRASH_SYNC_FAILS};
  power->disk = crash_disk_create(power->scene->directory, power->seed);
  power->vfs = crash_vfs_create(power->disk);
  power->drive.scene = power->scene;
  power_drive_begin(&power->drive, &power->state,
                    1 + crash_random(&power->seed, UINT64_MAX >> 12));
  crash_disk_arm(power->disk, some_calls(power), ends[power->plan->trouble]);
  bool is_open = open_scene(power);
  power->counts.in_open += !is_open;
  if (power->plan->lying)
    crash_disk_lie(power->disk, power->plan->lying);
  if (is_open)
    drive_on(power);
  bool has_ended = !is_open || power->scene->failed || crash_disk_is_dead(power->disk);
  if (power->plan->trouble != NO_TROUBLE && has_ended)
    live_after_trouble(power);
  crash_disk_cut(power->disk);
  scene_close(power->scene);
  power_drive_settle(&power->drive);
  crash_vfs_destroy(power->vfs);
}

/* Each command as it was at some time, or ended by the salvage. */
static bool is_salvaged(const struct power_drive *drive, const struct power_state *found)
{
  static const char LOST[] = "Journal lost: the outcome is unknown";
  struct power_text lost = power_text_of(LOST, sizeof LOST - 1);
  for (int place = 0; place < POWER_COMMANDS; place++) {
    struct power_command is = found->commands[place];
    power_state_hide(&is);
    bool is_known = !is.sequence || is.sequence == POWER_TWICE ||
                    (is.status == 500 && is.reason.hash == lost.hash);
    for (size_t i = 0; i < drive->count && !is_known; i++) {
      struct power_command was = drive->states[i].commands[place];
      power_state_hide(&was);
      is_known = !memcmp(&is, &was, sizeof is);
    }
    if (!is_known)
      return false;
  }
  return found->sequence >= drive->states[drive->told].sequence;
}

/* Promised of an honest disk: all that was told. */
static void judge(struct power *power, const struct scene *scene, const struct power_state *found)
{
  const struct power_drive *drive = &power->drive;
  struct counts *counts = &power->counts;
  bool is_honest = !power->plan->is_normal && !power->plan->lying;
  char text[300] = "";
  counts->told += (int)drive->told;
  if (scene->found.is_lost) {
    if (is_honest)
      say(power, "the journal says that it is lost: %s", scene->found.why);
    counts->lost++;
    if (!is_salvaged(drive, found))
      say(power, "what was salvaged never was");
    return;
  }
  int at = find_state(drive, drive->told, found);
  counts->more += at > (int)drive->told;
  if (at >= 0)
    return;
  power_state_differs(found, &drive->states[drive->told], text);
  at = find_state(drive, 0, found);
  if (is_honest || (at < 0 && power->plan->is_normal))
    say(power, "of %zu states the %zuth was told, the %dth is there: %s", drive->count,
        drive->told, at, text);
  counts->silent += at >= 0;
  counts->wrong += at < 0;
  if (crash_disk_kept_mark(power->disk))
    say(power, "the mark is there, and %s is not, and nobody says so", text);
}

/* Opens what the cut left, without the disk between; the state goes to the next life. */
static bool verify(struct power *power, uint64_t seed)
{
  struct power_state found;
  struct scene *scene = prepare(power);
  scene->options.is_normal = true; /* only to be quick: it is read */
  crash_disk_materialise(power->disk, scene->directory, seed);
  if (scene_try(scene))
    say(power, "what is left cannot be opened: %s", scene->error.text);
  power_read_start(scene, &found);
  assert_int_equal(journal_start(scene->journal, &scene->error), 0);
  power_read_rest(scene, &found);
  bool is_lost = scene->found.is_lost;
  judge(power, scene, &found);
  drop(scene);
  power->state = found;
  return !is_lost;
}

/* The next life begins on what the cut left, not yet opened by anyone. */
static void cut_once(struct power *power)
{
  live(power);
  power->counts.cuts++;
  uint64_t seed = 1 + crash_random(&power->seed, UINT64_MAX >> 12);
  boot(power);
  bool goes_on = verify(power, seed) && power->counts.cuts % LIVES && !power->plan->lying;
  drop(power->scene);
  power->scene = prepare(power);
  if (goes_on)
    crash_disk_materialise(power->disk, power->scene->directory, seed);
  else
    power->state = (struct power_state){0};
  crash_disk_destroy(power->disk);
  power_drive_end(&power->drive);
}

static uint64_t first_seed(void)
{
  const char *given = getenv("KAALUA_SEED");
  return given ? strtoull(given, NULL, 10) : 1 + (uint64_t)clock_wall_ms();
}

static struct counts cut(const struct plan *plan)
{
  const char *soak = getenv("KAALUA_SOAK"), *parent = getenv("TMPDIR");
  int cuts = plan->cuts * (soak && !strcmp(soak, "1") ? SOAK : 1);
  int64_t began = clock_monotonic_ms();
  struct power *power = memory_zeroed(1, sizeof *power);
  power->plan = plan;
  power->seed = power->first_seed = first_seed();
  assert_non_null(realpath(parent ? parent : "/tmp", power->parent));
  boot(power);
  power->scene = prepare(power);
  while (power->counts.cuts < cuts)
    cut_once(power);
  drop(power->scene);
  struct counts counts = power->counts;
  uint64_t seed = power->first_seed;
  free(power);
  printf("# measured: %s, seed %llu: %d cuts in %d ms, %d while opening; %d works told, %d more"
         " found; lost and said so %d, older unsaid %d, mixed %d\n",
         plan->what, (unsigned long long)seed, counts.cuts, (int)(clock_monotonic_ms() - began),
         counts.in_open, counts.told, counts.more, counts.lost, counts.silent, counts.wrong);
  return counts;
}

static void what_was_stored_survives_power_cuts(void **unused)
{
  (void)unused;
  struct counts counts = cut(&(struct plan){.what = "power cuts", .cuts = 180});
  assert_true(counts.told > counts.cuts);
  assert_true(counts.more > 0 && counts.in_open > 0);
}

static void with_normal_durability_what_is_left_is_a_beginning(void **unused)
{
  (void)unused;
  struct counts counts =
      cut(&(struct plan){.what = "durability normal", .cuts = 50, .is_normal = true});
  assert_true(counts.silent + counts.lost > 0); /* the disk does forget */
}

static void what_a_killed_process_left_survives_a_power_cut(void **unused)
{
  (void)unused;
  cut(&(struct plan){.what = "killed, then cut", .cuts = 50, .trouble = KILLED});
}

static void a_failed_sync_and_then_a_power_cut_lose_nothing(void **unused)
{
  (void)unused;
  cut(&(struct plan){.what = "a sync failed, then cut", .cuts = 50, .trouble = SYNC_FAILED});
}

/* Nothing can be promised of it but that the mark, where it is kept, tells (judge): with an old
 * one, old rows, or old and new ones together, look as if they were whole. */
static void a_disk_that_loses_the_log_is_found_out_by_the_mark(void **unused)
{
  (void)unused;
  struct counts counts =
      cut(&(struct plan){.what = "a lying disk", .cuts = 30, .lying = "journal.db-wal"});
  assert_true(counts.lost > 0);
}

int main(int count, char **arguments)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_stored_survives_power_cuts),
      cmocka_unit_test(with_normal_durability_what_is_left_is_a_beginning),
      cmocka_unit_test(what_a_killed_process_left_survives_a_power_cut),
      cmocka_unit_test(a_failed_sync_and_then_a_power_cut_lose_nothing),
      cmocka_unit_test(a_disk_that_loses_the_log_is_found_out_by_the_mark),
  };
  if (count > 1)
    cmocka_set_test_filter(arguments[1]);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
