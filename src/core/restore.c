/* Commands that were alive when the host ended: core_restore(). */
#include "base/memory.h"
#include "core/queue.h"
#include "core/report.h"
#include "core/resume.h"
#include "core/stale.h"
#include "core/state.h"

#include <errno.h>
#include <string.h>

struct restoring {
  struct core *core;
  struct command_life *life;
  enum core_evidence evidence;
  struct command_result *result;
  bool is_new_boot;
  int64_t now_boot_ms;
};

static void tell(const struct restoring *r, const char *what)
{
  const struct command_key *key = &r->life->command.key;
  notes_add(r->core, CORE_NOTE_RESTORED, key->endpoint, key->type, key->id, "%s", what);
}

/* Takes `reason`. */
static void interrupt(const struct restoring *r, char *reason)
{
  resume_end(r->core, r->life, 500, reason);
  tell(r, "answered 500: it was running, the outcome is unknown");
}

static bool is_fresh(const struct restoring *r)
{
  int64_t age_ms = r->now_boot_ms - r->life->command.received_boot_ms;
  return r->life->command.received_boot_ms >= 0 && age_ms >= 0 && age_ms < CORE_FRESH_MS;
}

/* One that had begun once is to be ended, however old it is. */
static void restore_queued(const struct restoring *r, int attempts)
{
  if (attempts || is_fresh(r)) {
    queue_enter(r->core, r->life);
    tell(r, attempts ? "queued: it is to run again" : "queued");
  } else {
    stale_hold(r->core, r->life);
    tell(r, "held: it is stale, and runs only if the platform lists it still");
  }
}

static bool is_proven(const struct restoring *r)
{
  const struct command_saved *saved = &r->life->command.saved;
  return saved->restart == COMMAND_AGENT_RESTART || r->is_new_boot || saved->boot_ms < 0;
}

static int64_t rest_ms(const struct restoring *r)
{
  const struct command_saved *saved = &r->life->command.saved;
  int64_t gone_ms = r->now_boot_ms - saved->boot_ms;
  return saved->within_ms - (gone_ms > 0 ? gone_ms : 0);
}

static void restore_waiting(const struct restoring *r)
{
  struct command_life *life = r->life;
  if (is_proven(r)) {
    life->command.resumes = true;
    batch_add(r->core, CHANGE_WAKE, life);
    queue_enter(r->core, life);
    tell(r, "queued to be resumed: the restart that it waited for has been");
    return;
  }
  life_set_state(r->core, life, COMMAND_WAITING);
  life->within_ms = life->command.saved.within_ms;
  life->until_ms = r->core->now_ms + rest_ms(r);
  if (!life->changes) /* else when WAIT is durable */
    resume_waits(r->core, life);
  tell(r, "waits on: the machine was not restarted");
}

static void run_again(const struct restoring *r, bool resumes)
{
  struct command_life *life = r->life;
  if (life->command.attempts >= COMMAND_MAX_ATTEMPTS) {
    interrupt(r, memory_format(RESUME_INTERRUPTED ", after %d attempts", life->command.attempts));
    return;
  }
  life->command.resumes = resumes;
  batch_add(r->core, CHANGE_REQUEUE, life);
  queue_enter(r->core, life);
  tell(r, resumes ? "queued to be resumed: it was running" : "queued again: it was running");
}

/* What may not be run again may not be resumed again either. */
static bool goes_on(const struct command *command)
{
  return command->policy != COMMAND_REPORT &&
         (command->resumes || (command->policy == COMMAND_RESUME && command->has_saved));
}

static void restore_begun(const struct restoring *r)
{
  const struct command *command = &r->life->command;
  if (command->saved.restart != COMMAND_NO_RESTART) { /* that killed it */
    batch_add(r->core, CHANGE_WAIT, r->life);
    restore_waiting(r);
  } else if (goes_on(command)) {
    run_again(r, true);
  } else if (command->policy == COMMAND_RETRY) {
    run_again(r, false);
  } else {
    interrupt(r, memory_text(RESUME_INTERRUPTED));
  }
}

static void restore_running(const struct restoring *r)
{
  struct command_life *life = r->life;
  switch (r->evidence) {
  case CORE_BEGUN: restore_begun(r); break;
  case CORE_NOT_BEGUN:
    life->takes_back = true;
    batch_add(r->core, CHANGE_REQUEUE, life);
    restore_queued(r, life->command.attempts - 1);
    break;
  case CORE_FINISHED:
    life_set_result(r->core, life, r->result);
    life_set_state(r->core, life, COMMAND_DONE);
    batch_add(r->core, CHANGE_DONE, life);
    tell(r, "its result was found");
    break;
  }
}

static void restore_done(const struct restoring *r, const struct command_result *stored)
{
  struct command_result result = {
      .status = stored->status,
      .reason = memory_text(stored->reason ? stored->reason : ""),
      .payload = stored->payload ? memory_copied(stored->payload, stored->payload_bytes) : NULL,
      .payload_bytes = stored->payload_bytes,
  };
  life_set_result(r->core, r->life, &result);
  life_set_state(r->core, r->life, COMMAND_DONE);
  report_restored(r->core, r->life);
}

static void restore_state(const struct restoring *r, const struct storage_row *row)
{
  switch (row->state) {
  case COMMAND_QUEUED: restore_queued(r, row->attempts); break;
  case COMMAND_RUNNING: restore_running(r); break;
  case COMMAND_WAITING:
    if (row->saved.restart == COMMAND_NO_RESTART) {
      interrupt(r, memory_text(RESUME_INTERRUPTED));
      break;
    }
    if (r->evidence == CORE_FINISHED)
      batch_add(r->core, CHANGE_WAIT, r->life);
    restore_waiting(r);
    break;
  default: restore_done(r, &row->result); break;
  }
}

static struct command_saved copy_saved(const struct command_saved *saved)
{
  struct command_saved copy = *saved;
  if (saved->text)
    copy.text = memory_copied(saved->text, saved->text_bytes);
  return copy;
}

static struct command_life *create(struct core *core, const struct storage_row *row,
                                   struct endpoint *endpoint)
{
  struct type *type = state_intern_type(core, row->type, true); /* whatever their number */
  struct command_life *life = life_create(core, endpoint, type, row->id, row->sequence);
  struct command *command = &life->command;
  memcpy(command->digest, row->digest, sizeof command->digest);
  command->received_wall_ms = row->received_wall_ms;
  command->received_boot_ms = row->received_boot_ms;
  command->policy = row->policy;
  command->attempts = row->attempts;
  command->resumes = row->resumes;
  command->has_saved = row->has_saved;
  if (row->has_saved)
    command->saved = copy_saved(&row->saved);
  if (row->element)
    life_set_element(core, life, row->element, row->element_bytes);
  if (core->lives.last_sequence < row->sequence)
    core->lives.last_sequence = row->sequence;
  return life;
}

int core_restore(struct core *core, const struct storage_row *row, enum core_evidence evidence,
                 struct command_result *result, bool is_new_boot, int64_t now_boot_ms,
                 int64_t now_ms)
{
  core->now_ms = now_ms;
  struct endpoint *endpoint = state_find_endpoint(core, row->endpoint);
  const struct command_key key = {row->endpoint, row->type, row->id};
  int rc = !endpoint ? -ENOENT : life_find(core, &key) ? -EEXIST : 0;
  struct command_result none = {0};
  if (!result)
    result = &none;
  if (!rc) {
    const struct restoring restoring = {
        .core = core,
        .life = create(core, row, endpoint),
        .evidence = evidence,
        .result = result,
        .is_new_boot = is_new_boot,
        .now_boot_ms = now_boot_ms,
    };
    restore_state(&restoring, row);
  }
  command_result_clear(result);
  return rc;
}
