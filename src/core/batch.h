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

void batch_add(struct core *core, enum change_kind kind, struct command_life *life);

/* Submits what has gathered, unless a batch is with the storage. */
void batch_submit(struct core *core);

/* Carries out what the storage answered to the batch that was submitted, and
 * calls the port run for what may run now. */
void batch_stored(struct core *core);

void batch_clear(struct batches *batches);

#endif
