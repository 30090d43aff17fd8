#include "core/cancel.h"

#include "base/memory.h"
#include "core/queue.h"
#include "core/resume.h"
#include "core/stale.h"
#include "core/state.h"

#include <errno.h>

static void answer(struct core *core, struct command_life *life)
{
  life->is_cancelled = false;
  resume_end(core, life, CORE_CANCELLED, memory_text(CORE_CANCELLED_REASON));
}

void cancel_look(struct core *core, struct command_life *life)
{
  if (!life->is_cancelled || life->changes)
    return;
  if (life->command.state == COMMAND_WAITING) {
    answer(core, life);
  } else if (life->command.state == COMMAND_QUEUED) {
    if (life->is_held)
      stale_unhold(core, life);
    else
      queue_leave(life);
    answer(core, life);
  }
}

bool cancel_take(struct core *core, struct command_life *life)
{
  if (!life->is_cancelled)
    return false;
  answer(core, life);
  return true;
}

static bool is_at_work(const struct command_life *life)
{
  return life->command.state == COMMAND_RUNNING && life->has_begun;
}

int core_cancel(struct core *core, const char *endpoint, const char *type, int64_t id,
                struct core_cancelling *found)
{
  const struct command_key key = {endpoint, type, id};
  struct command_life *life = life_find(core, &key);
  *found = (struct core_cancelling){0};
  if (!life || life->is_answer || life->where == LIFE_SETTLING)
    return -ENOENT;
  found->state = life->command.state;
  if (life->has_result) {
    found->status = life->command.result.status;
    found->reason = life->command.result.reason;
    return -EALREADY;
  }
  if (is_at_work(life))
    return -EBUSY;
  life->is_cancelled = true;
  cancel_look(core, life);
  return 0;
}
