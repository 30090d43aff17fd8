#include "core/drop.h"

#include "base/memory.h"
#include "core/queue.h"
#include "core/repeat.h"
#include "core/resume.h"
#include "core/stale.h"
#include "core/state.h"

#include <errno.h>

void drop_life(struct core *core, struct command_life *life)
{
  life->where = LIFE_SETTLING;
  life_set_state(core, life, COMMAND_DROPPED);
  batch_add(core, CHANGE_DROP, life);
}

static struct command_life *find(struct core *core, const struct command_key *key)
{
  struct command_life *life = life_find(core, key);
  return life && !life->is_answer ? life : NULL;
}

int core_forget(struct core *core, const char *endpoint, const char *type, int64_t id)
{
  const struct command_key key = {endpoint, type, id};
  struct command_life *life = find(core, &key);
  repeat_forget(core, &key);
  if (!life)
    return -ENOENT;
  if (life->changes)
    return -EBUSY;
  bool has_run = life->command.attempts > 0;
  switch (life->command.state) {
  case COMMAND_QUEUED:
    if (life->is_held)
      stale_unhold(core, life);
    else
      queue_leave(life);
    break;
  case COMMAND_WAITING: break;
  case COMMAND_DONE: report_give_up(core, life); break;
  default: return -EBUSY;
  }
  if (has_run && life->command.state != COMMAND_DONE) /* its result keeps it from running again */
    resume_end(core, life, 500, memory_text(RESUME_INTERRUPTED));
  drop_life(core, life);
  return 0;
}
