/* Changes of one turn, gathered for the storage; at most one batch is with the
 * storage. Private to src/core. */
#ifndef KAALUA_CORE_BATCH_H
#define KAALUA_CORE_BATCH_H

#include "core/storage.h"

struct core;
struct command_life;

struct batch {
  struct change *changes;
  size_t count;
  size_t capacity;
};

struct batches {
  struct batch gathering;
  struct batch submitted;
  bool is_submitted;
};

/* Returns the change, for what else belongs to it; borrowed until the next one is added. */
struct change *batch_add(struct core *core, enum change_kind kind, struct command_life *life);

/* Returns a change that is about no command, to be filled in before the next is added. */
struct change *batch_append(struct core *core, enum change_kind kind);

/* Submits what has gathered, unless a batch is with the storage. */
void batch_submit(struct core *core);

/* Carries out what the storage answered to the batch that was submitted, and
 * calls the ports for what ended, was saved, and may run now. */
void batch_stored(struct core *core);

void batch_clear(struct batches *batches);

#endif
