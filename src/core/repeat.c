#include "core/repeat.h"

#include "base/memory.h"
#include "core/queue.h"
#include "core/report.h"
#include "core/state.h"

#include <search.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct resend {
  struct command_key key; /* first: the tree compares through it */
  struct deadline pause; /* always armed */
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  int64_t gap_ms;
};

static int compare(const void *a, const void *b)
{
  return command_key_compare(a, b);
}

static struct resend *find(struct repeats *repeats, const struct command_key *key)
{
  struct resend **node = tfind(key, &repeats->tree, compare);
  return node ? *node : NULL;
}

static struct resend *of_pause(struct deadline *pause)
{
  return (void *)((char *)pause - offsetof(struct resend, pause));
}

static void forget(struct repeats *repeats, struct resend *resend)
{
  tdelete(resend, &repeats->tree, compare);
  deadline_disarm(&repeats->pauses, &resend->pause);
  free(resend);
}

void repeat_forget(struct core *core, const struct command_key *key)
{
  struct resend *resend = find(&core->repeats, key);
  if (resend)
    forget(&core->repeats, resend);
}

void repeat_clear(struct repeats *repeats)
{
  while (repeats->pauses.count)
    forget(repeats, of_pause(repeats->pauses.heap[repeats->pauses.count - 1]));
  deadlines_clear(&repeats->pauses);
}

bool repeat_is_same(const struct core *core, const uint8_t a[JSONTEXT_DIGEST_BYTES],
                    const uint8_t b[JSONTEXT_DIGEST_BYTES])
{
  return core->options.id_reuse_never || !memcmp(a, b, JSONTEXT_DIGEST_BYTES);
}

bool repeat_is_too_soon(struct core *core, const struct command_key *key,
                        const uint8_t digest[JSONTEXT_DIGEST_BYTES])
{
  struct resend *resend = find(&core->repeats, key);
  return resend && core->now_ms < resend->pause.due_ms &&
         repeat_is_same(core, resend->digest, digest);
}

bool repeat_is_new(const struct core *core, const struct command_life *life,
                   const uint8_t digest[JSONTEXT_DIGEST_BYTES])
{
  return life->is_answer && !repeat_is_same(core, life->command.digest, digest);
}

/* Begins the pause after an answer; returns false where it cannot be remembered. */
static bool remember(struct core *core, const struct command_key *key, const uint8_t digest[])
{
  struct repeats *repeats = &core->repeats;
  struct resend *resend = find(repeats, key);
  if (resend) {
    resend->gap_ms = state_back_off_ms(resend->gap_ms, 1);
  } else {
    if (repeats->pauses.count >= REPEAT_MAX_RESENDS) {
      if (deadline_next_ms(&repeats->pauses) > core->now_ms)
        return false;
      forget(repeats, of_pause(repeats->pauses.heap[0]));
    }
    resend = memory_zeroed(1, sizeof *resend);
    resend->key = *key;
    resend->gap_ms = REPEAT_GAP_MS;
    tsearch(resend, &repeats->tree, compare);
  }
  memcpy(resend->digest, digest, JSONTEXT_DIGEST_BYTES);
  deadline_arm(&repeats->pauses, &resend->pause, core->now_ms + resend->gap_ms, deadline_wake);
  return true;
}

static const char *age_in_words(char text[64], int64_t age_ms)
{
  static const struct {
    int64_t ms;
    const char *name;
  } units[] = {{86400000, "day"}, {3600000, "hour"}, {60000, "minute"}, {1000, "second"}};
  if (age_ms < 0)
    return "of unknown age (the clock went back)";
  for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
    long long count = (long long)(age_ms / units[i].ms);
    if (count) {
      snprintf(text, 64, "%lld %s%s old", count, units[i].name, count == 1 ? "" : "s");
      return text;
    }
  }
  return "less than a second old";
}

static void answer(struct core *core, struct command_life *life, struct storage_record *record)
{
  const struct command_key *key = &life->command.key;
  core->counts.repeats++;
  if (life->is_lost)
    stale_lost_known(core, life);
  if (!core->is_connected || repeat_is_too_soon(core, key, life->command.digest) ||
      !remember(core, key, life->command.digest)) {
    life_destroy(core, life);
    return;
  }
  int64_t age_ms = life->command.received_wall_ms - record->done_wall_ms;
  notes_add(core, CORE_NOTE_REPEAT, key->endpoint, key->type, key->id,
            "answered from what is stored: %d %s, %s", record->result.status,
            record->result.reason ? record->result.reason : "",
            age_in_words((char[64]){0}, age_ms));
  life_set_result(core, life, &record->result);
  life_set_state(core, life, record->state);
  report_answer(core, life);
}

static void replace(struct core *core, struct command_life *life)
{
  repeat_forget(core, &life->command.key);
  /* It was not known to be new until now: what arrived meanwhile is before it. */
  life->command.sequence = life_next_sequence(core);
  queue_accept(core, life, CHANGE_REPLACE);
}

/* What was dropped without ever being run, and the platform delivers after all, runs. */
void repeat_found(struct core *core, struct command_life *life, struct storage_record *record)
{
  bool was_answered = record->state != COMMAND_DROPPED || record->result.status;
  if (was_answered && repeat_is_same(core, life->command.digest, record->digest))
    answer(core, life, record);
  else
    replace(core, life);
  storage_record_destroy(record);
}
