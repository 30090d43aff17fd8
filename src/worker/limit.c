#include "worker/limit.h"

#include "base/clock.h"
#include "base/worker_frames.h"
#include "worker/cancel.h"
#include "worker/worker.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

enum { HOOKED = LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT };

/* A signal's handler has no argument of ours: the one worker of this process. */
static struct limit *volatile signalled;

/* Tells the host before anything is interrupted: it may not get that far. */
static void tell_place(struct limit *limit)
{
  struct worker *worker = limit->worker;
  if (!worker->is_running)
    return;
  size_t at = frame_begin(&worker->channel.out, WORKER_AT);
  frame_put_i64(&worker->channel.out, worker->command.job);
  frame_put_text(&worker->channel.out, limit->place);
  frame_end(&worker->channel.out, at);
  channel_flush(&worker->channel);
}

int limit_stop(struct limit *limit, lua_State *L)
{
  if (!limit->is_raised) {
    limit->is_raised = true;
    place_find(limit->worker, limit->place);
    tell_place(limit);
  }
  lua_pushliteral(L, "Timed out");
  return lua_error(L);
}

/* Stays set: whatever catches the error is stopped at its next instruction. */
static void on_hook(lua_State *L, lua_Debug *where)
{
  (void)where;
  struct limit *limit = &worker_of(L)->limit;
  if (limit->is_asked)
    limit_stop(limit, L);
  lua_sethook(L, NULL, 0, 0); /* of a command that ended before it was stopped */
}

static void set_hook(lua_State *thread)
{
  lua_sethook(thread, on_hook, HOOKED, 1);
}

/* lua_sethook() is what Lua offers a signal handler (lua.c uses it so). */
static void on_ask(int number)
{
  (void)number;
  struct limit *limit = signalled;
  if (!limit || !limit->is_armed)
    return;
  bool is_late = (double)(clock_monotonic_ms() - limit->began_ms) >= limit->seconds * 500;
  if (!is_late && !cancel_is_asked(limit->worker))
    return;
  limit->is_asked = 1;
  set_hook(limit->worker->lua);
  for (const struct limit_link *link = limit->running; link; link = link->previous)
    set_hook(link->thread);
}

void limit_init(struct limit *limit, struct worker *worker)
{
  *limit = (struct limit){.worker = worker};
  signalled = limit;
  struct sigaction action = {.sa_handler = on_ask}; /* no SA_RESTART: a read ends */
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR1, &action, NULL);
}

void limit_begin(struct limit *limit, double seconds)
{
  limit->running = NULL;
  limit->is_asked = 0;
  limit->is_raised = false;
  *limit->place = '\0';
  limit->seconds = seconds;
  limit->began_ms = clock_monotonic_ms();
  atomic_signal_fence(memory_order_seq_cst);
  limit->is_armed = 1;
}

bool limit_end(struct limit *limit)
{
  limit->is_armed = 0;
  limit->is_asked = 0;
  limit->running = NULL;
  lua_sethook(limit->worker->lua, NULL, 0, 0);
  return limit->is_raised;
}

void limit_enter(struct limit *limit, struct limit_link *link, lua_State *thread)
{
  *link = (struct limit_link){.thread = thread, .previous = limit->running};
  atomic_signal_fence(memory_order_seq_cst);
  limit->running = link; /* from here on the signal's handler sees it */
  if (limit->is_asked)
    set_hook(thread);
}

void limit_leave(struct limit *limit, const struct limit_link *link)
{
  limit->running = link->previous;
}

/* The signals are blocked between the look at what they say and the wait. */
static int wait_for(struct limit *limit, int fd, int64_t timeout_ms, bool heeds_cancel)
{
  struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000};
  struct pollfd ready = {.fd = fd, .events = POLLIN};
  sigset_t ask, before;
  sigemptyset(&ask);
  sigaddset(&ask, SIGUSR1);
  sigaddset(&ask, SIGUSR2);
  sigprocmask(SIG_BLOCK, &ask, &before);
  bool is_over = limit->is_asked || (heeds_cancel && cancel_is_news(limit->worker));
  int rc = is_over ? 0 : ppoll(&ready, 1, timeout_ms < 0 ? NULL : &timeout, &before);
  sigprocmask(SIG_SETMASK, &before, NULL);
  if (limit->is_asked)
    return -EINTR;
  if (heeds_cancel && cancel_is_news(limit->worker))
    return -ECANCELED;
  return rc > 0 ? 1 : 0;
}

int limit_wait(struct limit *limit, int fd, int64_t timeout_ms)
{
  return wait_for(limit, fd, timeout_ms, false);
}

int limit_wait_or_cancel(struct limit *limit, int fd, int64_t timeout_ms)
{
  return wait_for(limit, fd, timeout_ms, true);
}
