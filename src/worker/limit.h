/* The time limit: the host asks by SIGUSR1 (through the leader), and from then on
 * a hook raises in every Lua function that goes on, so that no pcall() swallows
 * it. Until it is asked, no hook is set and nothing is slower.
 *
 *   limit_begin(&limit, 30);  … protected call …  if (limit_end(&limit)) it was stopped
 *
 * A hook belongs to one coroutine, so all that are running are kept in a chain
 * (worker/coroutines.h). What no hook reaches, a loop inside one C function, is
 * ended by the host. */
#ifndef KAALUA_WORKER_LIMIT_H
#define KAALUA_WORKER_LIMIT_H

#include "worker/place.h"

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;

/* A running coroutine; lives on the C stack of the call that resumed it. */
struct limit_link {
  lua_State *thread;
  const struct limit_link *previous;
};

struct limit {
  struct worker *worker;                     /* borrowed */
  const struct limit_link *volatile running; /* innermost first, without the main one */
  volatile sig_atomic_t is_armed;
  volatile sig_atomic_t is_asked;
  bool is_raised; /* the hook has raised at least once */
  double seconds;
  int64_t began_ms;
  char place[PLACE_BYTES]; /* where it raised first */
};

/* Installs the signal's handler. `worker->lua` is set before limit_begin(). */
void limit_init(struct limit *limit, struct worker *worker);

/* From here on an ask counts. The host's clock starts later than this one, so an
 * ask that comes before half of `seconds` was meant for what ran before and is
 * ignored, unless the command is cancelled. */
void limit_begin(struct limit *limit, double seconds);

/* No ask counts any more; returns whether the hook has raised. */
bool limit_end(struct limit *limit);

/* Puts a coroutine in front of the chain, and sets its hook where it was asked
 * already; limit_leave() takes it out again. */
void limit_enter(struct limit *limit, struct limit_link *link, lua_State *thread);
void limit_leave(struct limit *limit, const struct limit_link *link);

/* Waits until `fd` (-1: none) can be read, `timeout_ms` (-1: none) are over, or
 * an ask came. Returns 1, 0, or -EINTR where it was asked. */
int limit_wait(struct limit *limit, int fd, int64_t timeout_ms);

/* The same, but returns -ECANCELED where the command was cancelled and has not heard of it
 * (worker/cancel.h). */
int limit_wait_or_cancel(struct limit *limit, int fd, int64_t timeout_ms);

/* Raises as the hook does; for a C function that was interrupted. */
int limit_stop(struct limit *limit, lua_State *L);

#endif
