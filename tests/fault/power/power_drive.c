#include "power_drive.h"

#include "base/clock.h"
#include "base/memory.h"
#include "crash_disk.h"
#include "power_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { DEADLINE_MS = 60000, STORES_MOST = 4 };

/* Room for one more state, which begins as the last one was. */
static struct power_state *next_state(struct power_drive *drive)
{
  drive->states = memory_resized(drive->states, (drive->count + 1) * sizeof *drive->states);
  struct power_state *state = &drive->states[drive->count++];
  *state = state[-1];
  return state;
}

void power_drive_begin(struct power_drive *drive, const struct power_state *start, uint64_t seed)
{
  *drive = (struct power_drive){.scene = drive->scene, .seed = seed, .count = 1};
  drive->states = memory_zeroed(1, sizeof *drive->states);
  drive->states[0] = *start;
  drive->sequence = start->sequence;
}

void power_drive_go_on(struct power_drive *drive, size_t at)
{
  drive->states[0] = drive->states[at];
  drive->count = 1;
  drive->told = drive->first = 0;
  drive->stored_before = drive->scene->stored;
  drive->acknowledged = 0;
  drive->sequence = drive->states[0].sequence;
}

void power_drive_settle(struct power_drive *drive)
{
  drive->told = drive->first + (size_t)(drive->scene->stored - drive->stored_before) +
                (size_t)drive->acknowledged;
}

static void on_store(void *context, const char *failure, const char *value, size_t value_bytes)
{
  (void)value, (void)value_bytes;
  struct power_drive *drive = context;
  assert_null(failure);
  drive->acknowledged++;
  loop_stop(drive->scene->loop);
}

static void on_forget(void *context, bool found, const char *failure)
{
  assert_true(found);
  on_store(context, failure, NULL, 0);
}

static void put_store(struct power_drive *drive)
{
  struct power_state *state = next_state(drive);
  int place = (int)crash_random(&drive->seed, POWER_STORED);
  bool sets = crash_random(&drive->seed, 4) != 0;
  char key[16];
  size_t size = 0;
  char *value = sets ? power_letters(&drive->seed, &size) : NULL;
  snprintf(key, sizeof key, "k%d", place % POWER_KEYS);
  state->stored[place] = power_text_of(value, size);
  journal_store(drive->scene->journal, sets ? JOURNAL_SET : JOURNAL_DELETE, power_owner(place), key,
                value, size, on_store, drive);
  free(value);
}

/* One whose life is over, if there is any. */
static bool put_forget(struct power_drive *drive)
{
  int place = (int)crash_random(&drive->seed, POWER_COMMANDS);
  const struct power_command *last = &drive->states[drive->count - 1].commands[place];
  if (!last->sequence || last->state < COMMAND_CONFIRMED)
    return false;
  next_state(drive)->commands[place] = (struct power_command){0};
  int pair = place / POWER_IDS;
  journal_forget(drive->scene->journal, power_endpoint(pair), power_type(pair),
                 place % POWER_IDS + 1, on_forget, drive);
  return true;
}

static void put_batch(struct power_drive *drive)
{
  power_batch_destroy(drive->batch);
  drive->batch = power_batch_make(next_state(drive), &drive->sequence, &drive->seed);
  journal_submit(drive->scene->journal, drive->batch->changes, drive->batch->count);
}

static bool await_told(struct power_drive *drive)
{
  struct scene *scene = drive->scene;
  int64_t until = clock_monotonic_ms() + DEADLINE_MS;
  loop_timer_set(scene->deadline, until);
  power_drive_settle(drive);
  while (drive->told + 1 < drive->count && !scene->failed && clock_monotonic_ms() < until) {
    loop_run(scene->loop);
    power_drive_settle(drive);
  }
  loop_timer_set(scene->deadline, INT64_MAX);
  if (drive->told + 1 < drive->count && !scene->failed)
    fail_msg("the journal does not answer");
  return !scene->failed;
}

static void check_found(const struct power_batch *batch)
{
  for (size_t i = 0; i < batch->count; i++) {
    assert_false(batch->changes[i].is_left);
    assert_int_equal(batch->changes[i].found != NULL, batch->finds[i]);
  }
}

bool power_drive_step(struct power_drive *drive)
{
  drive->first = drive->told;
  drive->stored_before = drive->scene->stored;
  drive->acknowledged = 0;
  if (!crash_random(&drive->seed, 8))
    return !put_forget(drive) || await_told(drive);
  bool has_batch = crash_random(&drive->seed, 8) != 0;
  if (has_batch)
    put_batch(drive);
  for (uint64_t n = crash_random(&drive->seed, STORES_MOST); n; n--)
    put_store(drive);
  if (!await_told(drive))
    return false;
  if (has_batch)
    check_found(drive->batch);
  return true;
}

void power_drive_end(struct power_drive *drive)
{
  power_batch_destroy(drive->batch);
  free(drive->states);
  *drive = (struct power_drive){0};
}
