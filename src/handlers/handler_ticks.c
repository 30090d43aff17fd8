#include "handlers/handler.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { FAULTS_MS = 60000, FAULT_LINES_MAX = 10 /* different ones, in that time */ };

static void log_fault(struct handler *handler, const char *endpoint, const char *reason,
                      const char *trace)
{
  log_warn(handler->type, reason, "tick", endpoint ? LOG_TOKEN(endpoint) : "agent", "not_shown",
           handler->tick_faults.not_shown ? LOG_NUMBER(handler->tick_faults.not_shown) : "",
           "trace", trace);
  handler->tick_faults.not_shown = 0;
}

/* Logs a fault, but the one that was logged last only once a minute. */
static void tell_fault(struct handler *handler, const char *endpoint, const char *reason,
                       const char *trace)
{
  struct tick_faults *faults = &handler->tick_faults;
  int64_t now_ms = clock_monotonic_ms();
  if (faults->last && now_ms - faults->since_ms < FAULTS_MS &&
      (!strcmp(faults->last, reason) || faults->lines >= FAULT_LINES_MAX)) {
    faults->not_shown++;
    return;
  }
  if (!faults->last || now_ms - faults->since_ms >= FAULTS_MS) {
    faults->since_ms = now_ms;
    faults->lines = 0;
  }
  log_fault(handler, endpoint, reason, trace);
  faults->lines++;
  free(faults->last);
  faults->last = memory_text(reason);
}

/* It goes well again: what was not shown is told once its minute is over. */
static void tell_rest(struct handler *handler, const char *endpoint)
{
  const struct tick_faults *faults = &handler->tick_faults;
  if (faults->not_shown && clock_monotonic_ms() - faults->since_ms >= FAULTS_MS)
    log_fault(handler, endpoint, faults->last, "");
}

void handler_ticks_start(struct handler *handler)
{
  const struct version *version = handler->current;
  size_t count = version->ticks_per_agent ? 1 : handler->table->endpoint_count;
  if (version->every_s > 0 && count)
    ticks_start(&handler->ticks, version->every_s, count, clock_monotonic_ms());
  else
    ticks_stop(&handler->ticks);
  handler_ticks_go_on(handler);
}

void handler_ticks_stop(struct handler *handler)
{
  ticks_stop(&handler->ticks);
  loop_timer_set(handler->tick, INT64_MAX);
}

static bool has_to_wait(const struct handler *handler)
{
  return crew_is_changing(&handler->crew) || handler->table->stopping ||
         handler->deaths >= HANDLER_DEATHS_MAX;
}

/* Takes a place for the tick that is due; NULL where there is none, or it is not this
 * handler's turn: what ends that calls handler_ticks_go_on(). */
static struct crew_place *take_place(struct handler *handler)
{
  struct crew_place *place =
      handler_takes_turn(handler) ? crew_take_for_tick(&handler->crew) : NULL;
  if (!place) {
    handler_settle(handler);
    loop_timer_set(handler->tick, INT64_MAX);
  }
  return place;
}

static void call(struct handler *handler, struct crew_place *place, const char *endpoint)
{
  struct error error = {0};
  if (handler_need_worker(handler, place, false, &error) == 0) {
    worker_tick(place->worker, endpoint);
    return;
  }
  tell_fault(handler, endpoint, error.text, "");
  ticks_done(&handler->ticks, clock_monotonic_ms());
  crew_end(&handler->crew, place, clock_monotonic_ms());
  handler_settle(handler);
  handler_ticks_go_on(handler);
}

/* Never at once: the caller may be at work with a worker that is about to end. */
void handler_ticks_go_on(struct handler *handler)
{
  loop_timer_set(handler->tick,
                 has_to_wait(handler) ? INT64_MAX : ticks_due_ms(&handler->ticks));
}

void handler_ticks_due(void *context)
{
  struct handler *handler = context;
  int64_t now_ms = clock_monotonic_ms();
  size_t which;
  if (has_to_wait(handler) || now_ms < ticks_due_ms(&handler->ticks)) {
    handler_ticks_go_on(handler);
    return;
  }
  struct crew_place *place = take_place(handler);
  if (place && ticks_take(&handler->ticks, now_ms, &which))
    call(handler, place, handler->current->ticks_per_agent ? NULL : handler->table->endpoints[which]);
}

void handler_ticks_ended(void *context, struct worker *worker, const char *endpoint, int status,
                         const char *reason, const char *trace)
{
  struct handler *handler = context;
  bool is_good = status >= 200 && status <= 299;
  ticks_done(&handler->ticks, clock_monotonic_ms());
  crew_end(&handler->crew, crew_find(&handler->crew, worker), clock_monotonic_ms());
  if (status)
    handler_count_end(handler, true, is_good);
  if (is_good)
    tell_rest(handler, endpoint);
  else if (status && !handler->table->stopping)
    tell_fault(handler, endpoint, reason, trace);
  handler_go_on(handler);
  handler_ticks_go_on(handler);
}
