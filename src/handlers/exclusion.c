#include "handlers/exclusion.h"

#include "base/memory.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

void exclusions_init(struct exclusions *exclusions, void (*turn)(void *context), void *context)
{
  *exclusions = (struct exclusions){.turn = turn, .context = context};
  TAILQ_INIT(&exclusions->all);
  TAILQ_INIT(&exclusions->waiting);
}

void exclusion_join(struct exclusions *exclusions, struct exclusion_seat *seat, void *owner)
{
  *seat = (struct exclusion_seat){.owner = owner};
  TAILQ_INSERT_TAIL(&exclusions->all, seat, link);
}

static void stop_waiting(struct exclusions *exclusions, struct exclusion_seat *seat)
{
  if (!seat->awaited)
    return;
  TAILQ_REMOVE(&exclusions->waiting, seat, line);
  free(seat->awaited);
  seat->awaited = NULL;
}

static void wait_for(struct exclusions *exclusions, struct exclusion_seat *seat, const char *name)
{
  if (seat->awaited && !strcmp(seat->awaited, name))
    return;
  stop_waiting(exclusions, seat);
  if (exclusions->called == seat)
    exclusions->called = NULL; /* for another name: it keeps its place in this line */
  seat->awaited = memory_text(name);
  TAILQ_INSERT_TAIL(&exclusions->waiting, seat, line);
}

static bool is_held(const struct exclusions *exclusions, const char *name)
{
  const struct exclusion_seat *seat;
  TAILQ_FOREACH(seat, &exclusions->all, link)
    if (exclusion_holds(seat, name))
      return true;
  return false;
}

static struct exclusion_seat *first_in_line(const struct exclusions *exclusions, const char *name)
{
  struct exclusion_seat *seat;
  TAILQ_FOREACH(seat, &exclusions->waiting, line)
    if (!strcmp(seat->awaited, name))
      break;
  return seat;
}

void exclusion_part(struct exclusions *exclusions, struct exclusion_seat *seat)
{
  stop_waiting(exclusions, seat);
  exclusion_release(exclusions, seat);
  TAILQ_REMOVE(&exclusions->all, seat, link);
  if (exclusions->called == seat)
    exclusions->called = NULL;
}

static bool may_go_on(const struct exclusions *exclusions, const struct exclusion_seat *seat,
                      int64_t now_ms)
{
  return !first_in_line(exclusions, seat->held) || now_ms - seat->since_ms < EXCLUSION_TURN_MS;
}

static bool may_begin(const struct exclusions *exclusions, const struct exclusion_seat *seat,
                      const char *name)
{
  const struct exclusion_seat *first = first_in_line(exclusions, name);
  return !seat->held && !is_held(exclusions, name) && (!first || first == seat);
}

bool exclusion_take(struct exclusions *exclusions, struct exclusion_seat *seat, const char *name,
                    int64_t now_ms)
{
  if (exclusion_holds(seat, name) && may_go_on(exclusions, seat, now_ms))
    return true;
  if (!may_begin(exclusions, seat, name)) {
    wait_for(exclusions, seat, name);
    return false;
  }
  stop_waiting(exclusions, seat);
  if (exclusions->called == seat)
    exclusions->called = NULL;
  seat->held = memory_text(name);
  seat->since_ms = now_ms;
  return true;
}

void exclusion_take_again(struct exclusions *exclusions, struct exclusion_seat *seat,
                          const char *name, int64_t now_ms)
{
  if (seat->held || is_held(exclusions, name))
    return;
  seat->held = memory_text(name);
  seat->since_ms = now_ms - EXCLUSION_TURN_MS;
}

bool exclusion_holds(const struct exclusion_seat *seat, const char *name)
{
  return seat->held && !strcmp(seat->held, name);
}

void exclusion_release(struct exclusions *exclusions, struct exclusion_seat *seat)
{
  if (!seat->held)
    return;
  bool is_awaited = first_in_line(exclusions, seat->held) || seat->awaited;
  free(seat->held);
  seat->held = NULL;
  if (is_awaited)
    exclusions->turn(exclusions->context);
}

struct exclusion_seat *exclusion_next(struct exclusions *exclusions)
{
  if (exclusions->called)
    stop_waiting(exclusions, exclusions->called);
  struct exclusion_seat *seat;
  TAILQ_FOREACH(seat, &exclusions->waiting, line)
    if (may_begin(exclusions, seat, seat->awaited))
      break;
  exclusions->called = seat;
  return seat;
}
