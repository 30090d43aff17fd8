#include "core/resume.h"

#include "base/memory.h"
#include "core/state.h"

#include <stddef.h>

static bool is_at_work(const struct command_life *life)
{
  return life->command.state == COMMAND_RUNNING && life->has_begun;
}

void resume_end(struct core *core, struct command_life *life, int status, char *reason)
{
  struct command_result result = {.status = status, .reason = reason};
  deadline_disarm(&core->deadlines, &life->retry);
  life_set_result(core, life, &result);
  life_set_state(core, life, COMMAND_DONE);
  batch_add(core, CHANGE_DONE, life);
}

void core_save(struct core *core, struct command *command, struct command_saved *saved)
{
  struct command_life *life = command->life;
  if (!is_at_work(life)) {
    command_saved_clear(saved);
    return;
  }
  life->restart = (uint8_t)saved->restart;
  life->until_ms = core->now_ms + saved->within_ms;
  life->within_ms = saved->within_ms;
  batch_add(core, CHANGE_SAVE, life)->saved = *saved;
  *saved = (struct command_saved){0};
}

void resume_saved(struct core *core, struct command_life *life, struct command_saved *saved)
{
  struct command *command = &life->command;
  command_saved_clear(&command->saved);
  command->saved = *saved;
  command->has_saved = true;
  *saved = (struct command_saved){0};
  if (is_at_work(life) && core->ports.saved)
    core->ports.saved(core->ports.context, command);
}

void core_wait(struct core *core, struct command *command)
{
  struct command_life *life = command->life;
  if (!is_at_work(life))
    return;
  if (life->restart == COMMAND_NO_RESTART) {
    struct command_result result = {.status = 500, .reason = memory_text(RESUME_INTERRUPTED)};
    core_finish(core, command, &result);
    return;
  }
  life->has_begun = false;
  life->is_ending = true;
  life_set_state(core, life, COMMAND_WAITING);
  batch_add(core, CHANGE_WAIT, life);
}

static void too_late(struct core *core, struct deadline *deadline)
{
  struct command_life *life = (void *)((char *)deadline - offsetof(struct command_life, retry));
  resume_end(core, life, 504,
             memory_format("Did not restart within %g s", (double)life->within_ms / 1000));
}

void resume_waits(struct core *core, struct command_life *life)
{
  if (life->command.state == COMMAND_WAITING)
    deadline_arm(&core->deadlines, &life->retry, life->until_ms, too_late);
}
