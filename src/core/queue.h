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
void queue_not_accepted(struct core *core, struct command_life *life);

/* RUN is durable: calls the port. */
void queue_run(struct core *core, struct command_life *life);

/* Calls the port queued for each type whose queue grew. */
void queue_announce(struct core *core);

/* Whether no further command can be taken, and whether half of the room is free again. */
bool queue_is_full(const struct core *core);
bool queue_is_half_empty(const struct core *core);

#endif
