/* Commands from their acceptance to their result: one queue for each type.
 * Private to src/core. */
#ifndef KAALUA_CORE_QUEUE_H
#define KAALUA_CORE_QUEUE_H

#include "core/life.h"
#include "core/storage.h"

/* Gathers the changes that accept a received command: `kind` ACCEPT or REPLACE,
 * with RUN in the same batch where there is room for it ahead. */
void queue_accept(struct core *core, struct command_life *life, enum change_kind kind);

/* What the storage answered to that. */
void queue_accepted(struct core *core, struct command_life *life);
void queue_not_accepted(struct command_life *life);

/* Queues what the storage has as queued, in the order of sequences. */
void queue_enter(struct core *core, struct command_life *life);

/* Takes it from its queue. */
void queue_leave(struct command_life *life);

/* RUN is durable: calls the port run; where an older command of the type has not begun, it is
 * queued again. */
void queue_run(struct core *core, struct command_life *life);

/* A result is off the memory: where work was held back for want of room for results, the
 * types that wait are announced again. */
void queue_settled(struct core *core);

/* Calls the port queued for each type whose queue grew. */
void queue_announce(struct core *core);

/* Whether no further command of the type can be taken. Held ones take no room: they may
 * have to wait long, and come from a queue that was bounded. Room is for max_queued
 * commands, and beyond it, up to twice as many, for those of a type that has but
 * a few waiting. */
bool queue_is_full(const struct core *core, const struct type *type);

/* Whether half of the room is free again: of all, or of what a type may have
 * where the others have filled it. */
bool queue_is_half_empty(const struct core *core);
bool queue_has_room_again(const struct core *core, const struct type *type);

#endif
