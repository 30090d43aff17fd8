#include "worker/cancel.h"

#include "worker/capability.h"
#include "worker/worker.h"

#include <signal.h>

static void on_cancel(int number)
{
  (void)number; /* a wait ends; what is read or written goes on */
}

void cancel_init(void)
{
  struct sigaction action = {.sa_handler = on_cancel, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGUSR2, &action, NULL);
}

bool cancel_is_asked(const struct worker *worker)
{
  return worker->is_running && worker->marks &&
         marks_is_cancelled(worker->marks, worker->command.sequence);
}

bool cancel_is_news(const struct worker *worker)
{
  return !worker->command.has_heard && cancel_is_asked(worker);
}

bool cancel_hear(struct worker *worker)
{
  bool is_news = cancel_is_news(worker);
  worker->command.has_heard |= is_news;
  return is_news;
}

int cancel_push(lua_State *L)
{
  lua_pushnil(L);
  lua_pushliteral(L, "cancelled");
  return 2;
}

int cancel_cancelled(lua_State *L)
{
  capability_require_command(L, "kaa.cancelled");
  struct worker *worker = worker_of(L);
  cancel_hear(worker);
  lua_pushboolean(L, worker->command.has_heard);
  return 1;
}
