#include "handlers/handler.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/process.h"

#include <stdlib.h>

/* The processes of a worker, of which it is one: they may outlive it for a while, as what a
 * command has executed outlives the command, and an exclusive name is not free before they
 * are gone. */
struct remains {
  LIST_ENTRY(remains) link;
  struct process_witness witness;
  struct handler *handler;     /* NULL: freed */
  const struct worker *worker; /* to tell it by; it may be freed */
  bool is_exclusive;
  bool is_dying; /* its worker is over: in handler.dying */
};

static bool has_remains(const struct handler *handler)
{
  const struct remains *remains;
  LIST_FOREACH(remains, &handler->remains, link)
    if (remains->is_exclusive && remains->witness.count > (remains->is_dying ? 0 : 1))
      return true;
  return false;
}

/* The ones of an earlier worker at the same address come behind. */
static struct remains *remains_of(const struct handler *handler, const struct worker *worker)
{
  struct remains *remains;
  LIST_FOREACH(remains, &handler->remains, link)
    if (remains->worker == worker)
      break;
  return remains;
}

/* The version in service may have another name, or none, and work of its own. */
static bool is_through(const struct handler *handler)
{
  const char *name = handler->current ? handler->current->exclusive : NULL;
  bool is_old = !crew_is_changing(&handler->crew) &&
                (!name || !exclusion_holds(&handler->seat, name));
  return !has_remains(handler) && (is_old || crew_rests(&handler->crew));
}

void handler_yield(struct handler *handler)
{
  if (is_through(handler))
    exclusion_release(&handler->table->exclusions, &handler->seat);
}

bool handler_is_at_rest(const struct handler *handler)
{
  return !handler->in_flight && !handler->ticks.is_out && !handler->dying;
}

static void on_gone(void *context)
{
  struct remains *remains = context;
  struct handler *handler = remains->handler;
  bool was_dying = remains->is_dying;
  if (remains->witness.count) {
    if (handler && remains->is_exclusive)
      handler_settle(handler);
    return;
  }
  if (handler)
    LIST_REMOVE(remains, link);
  free(remains);
  if (!handler || !was_dying)
    return;
  handler->dying--;
  handler_go_on(handler);
  handler_ticks_go_on(handler);
}

struct remains *handler_watch(struct handler *handler)
{
  struct remains *remains = memory_zeroed(1, sizeof *remains);
  remains->witness = (struct process_witness){.gone = on_gone, .context = remains};
  remains->handler = handler;
  LIST_INSERT_HEAD(&handler->remains, remains, link);
  return remains;
}

struct process_witness *handler_witness(struct remains *remains)
{
  return &remains->witness;
}

void handler_watch_begins(struct remains *remains, const struct worker *worker)
{
  remains->worker = worker;
  if (worker) {
    remains->is_exclusive = worker_version(worker)->exclusive != NULL;
    return;
  }
  LIST_REMOVE(remains, link);
  free(remains);
}

void handler_know_worker(struct handler *handler, const struct worker *worker)
{
  struct remains *remains = remains_of(handler, worker);
  if (remains)
    remains->is_exclusive = worker_version(worker)->exclusive != NULL;
}

void handler_watch_end(struct handler *handler, const struct worker *worker)
{
  struct remains *remains = remains_of(handler, worker);
  if (!remains || !remains->is_exclusive)
    return;
  remains->is_dying = true;
  handler->dying++;
  exclusion_take_again(&handler->table->exclusions, &handler->seat,
                       worker_version(worker)->exclusive, clock_monotonic_ms());
}

void handler_forget_remains(struct handler *handler)
{
  struct remains *remains;
  while ((remains = LIST_FIRST(&handler->remains))) {
    LIST_REMOVE(remains, link);
    remains->handler = NULL;
  }
}

bool handler_takes_turn(struct handler *handler)
{
  const char *name = handler->current->exclusive;
  return !name || (!handler->dying &&
                   exclusion_take(&handler->table->exclusions, &handler->seat, name,
                                  clock_monotonic_ms()));
}

/* Each that waits for a name tries again; a tick goes first, as there is but one. */
void handler_turns_call(void *context)
{
  struct handlers *handlers = context;
  struct exclusion_seat *seat;
  while ((seat = exclusion_next(&handlers->exclusions))) {
    struct handler *handler = seat->owner;
    handler_ticks_due(handler);
    handlers->ports.room(handlers->ports.context, handler->type);
  }
}
