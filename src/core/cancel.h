/* Commands that are cancelled before they are at work: core_cancel(). One that the storage is
 * just being told of is answered once that is done. Private to src/core. */
#ifndef KAALUA_CORE_CANCEL_H
#define KAALUA_CORE_CANCEL_H

#include <stdbool.h>

struct core;
struct command_life;

/* What the storage was told of it is durable: a command that was cancelled meanwhile, and is
 * queued or waits, is answered. */
void cancel_look(struct core *core, struct command_life *life);

/* It was handed out and would go to the port run next: answers one that was cancelled
 * meanwhile. Returns whether it was. */
bool cancel_take(struct core *core, struct command_life *life);

#endif
