/* What is not certain after a restart, until the platform has said what it still lists.
 * Stale commands are held until they are delivered again. After the loss of a journal, a
 * pair of endpoint and type is answered and not run until its first reply was dealt
 * with. A pair has a record only as long as this concerns it. Private to src/core. */
#ifndef KAALUA_CORE_STALE_H
#define KAALUA_CORE_STALE_H

#include "core/left.h"
#include "core/life.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct core;
struct intake;
struct stale_pair;

TAILQ_HEAD(stale_pair_list, stale_pair);

struct stales {
  void *pairs; /* a tree of struct stale_pair, by endpoint and type */
  struct stale_pair_list holding;
  size_t held; /* commands */
  size_t held_bytes; /* of lives.element_bytes */
};

void stale_init(struct stales *stales);
void stale_clear(struct stales *stales);

/* Holds a queued command. */
void stale_hold(struct core *core, struct command_life *life);

/* Takes it from the held ones; the caller drops it. */
void stale_unhold(struct core *core, struct command_life *life);

/* The platform delivered it again: it is queued. */
void stale_release(struct core *core, struct command_life *life);

/* Has pairs asked for that hold commands and are not asked for otherwise: their type has
 * no handler file. */
void stale_ask(struct core *core);

/* A command request is sent for the pair. */
void stale_asked(struct core *core, const struct ask_pair *pair, uint32_t request_id);

/* A reply was dealt with; `is_whole`: nothing of it was left. What is still held is dropped. */
void stale_replied(struct core *core, const struct intake *intake, bool is_whole);

/* Whether commands of the pair may have run before the journal was lost. */
bool stale_is_lost(const struct core *core, struct endpoint *endpoint, struct type *type);

/* Such a command is to be answered and not run. */
void stale_refuse_lost(struct core *core, struct command_life *life);

/* What the storage says to it: it was accepted, is known, or was left. */
void stale_lost_accepted(struct core *core, struct command_life *life);
void stale_lost_known(struct core *core, struct command_life *life);
void stale_lost_left(struct core *core, struct command_life *life);

/* LISTED is durable. */
void stale_listed(struct core *core, const struct command_key *pair);

#endif
