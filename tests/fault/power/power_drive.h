/* Random work for a journal, and every state that it is to have gone through. Step by
 * step: a batch of all kinds of changes, with things that handlers store beside it, and
 * then all of it is waited for. */
#ifndef KAALUA_TESTS_POWER_DRIVE_H
#define KAALUA_TESTS_POWER_DRIVE_H

#include "journal_scene.h"
#include "power_state.h"

struct power_batch;

struct power_drive {
  struct scene *scene; /* opened and started; borrowed */
  uint64_t seed;
  struct power_state *states; /* after each work, in order; the first is that of the start */
  size_t count, told;         /* states[told]: what was told to be stored */
  size_t first;               /* told before the step that is on */
  int stored_before, acknowledged;
  int64_t sequence; /* the last one given out */
  struct power_batch *batch; /* what was submitted last; owned */
};

void power_drive_begin(struct power_drive *drive, const struct power_state *start, uint64_t seed);

/* The journal, opened again, holds states[at], and goes on from there. */
void power_drive_go_on(struct power_drive *drive, size_t at);

/* False: the journal has failed. */
bool power_drive_step(struct power_drive *drive);

/* Counts what journal_close() told; with the journal closed. */
void power_drive_settle(struct power_drive *drive);

void power_drive_end(struct power_drive *drive); /* with the journal closed */

#endif
