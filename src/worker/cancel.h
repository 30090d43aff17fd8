/* kaa.cancelled(): the host says in the marks which command it has cancelled (base/marks.h), so
 * that what it says never hits another one; SIGUSR2 only ends a wait. The handler hears of
 * it by kaa.cancelled(), or once by a call that waits and then returns nil, "cancelled": the
 * one that is under way, or the next. What it calls after that works as before, for it to
 * clean up. One that does not hear is stopped as by the time limit. */
#ifndef KAALUA_WORKER_CANCEL_H
#define KAALUA_WORKER_CANCEL_H

#include <lua.h>
#include <stdbool.h>

struct worker;

/* Installs the signal's handler. */
void cancel_init(void);

/* Whether the command at work is cancelled; false in a tick. May be called by a signal's
 * handler. */
bool cancel_is_asked(const struct worker *worker);

/* Whether it is, and has not heard of it. */
bool cancel_is_news(const struct worker *worker);

/* The same, and now it hears. */
bool cancel_hear(struct worker *worker);

/* Pushes nil, "cancelled"; returns 2. */
int cancel_push(lua_State *L);

/* kaa.cancelled() */
int cancel_cancelled(lua_State *L);

#endif
