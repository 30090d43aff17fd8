/* Commands that are given up: DROPPED. Private to src/core. */
#ifndef KAALUA_CORE_DROP_H
#define KAALUA_CORE_DROP_H

struct core;
struct command_life;

/* A queued or done command, taken from all lists: its life ends when the storage knows. */
void drop_life(struct core *core, struct command_life *life);

#endif
