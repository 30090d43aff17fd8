/* A random batch that a core could submit. */
#ifndef KAALUA_TESTS_POWER_BATCH_H
#define KAALUA_TESTS_POWER_BATCH_H

#include "power_state.h"

enum { POWER_CHANGES = 24 };

struct power_batch {
  struct change changes[POWER_CHANGES + 2];
  size_t count;
  bool finds[POWER_CHANGES + 2]; /* the journal is to find something */
  struct command commands[POWER_COMMANDS];
  bool is_used[POWER_COMMANDS];
};

/* Follows on `state`, and carries it out there. Returns owned. */
struct power_batch *power_batch_make(struct power_state *state, int64_t *sequence, uint64_t *seed);
void power_batch_destroy(struct power_batch *batch); /* NULL is fine */

/* Some letters, most often few; returns owned, with a zero behind them. */
char *power_letters(uint64_t *seed, size_t *size);

#endif
