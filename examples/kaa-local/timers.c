#include "timers.h"

#include "base/clock.h"
#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>

struct timer {
  struct timer *next;
  uint64_t number;
  int64_t at_ms;
  void (*run)(void *context);
  void (*clear)(void *context);
  void *context;
};

struct timers {
  struct timer *first; /* by time, equal times as they came */
  struct timer *last;
  uint64_t count; /* ever made */
};

struct timers *timers_create(void)
{
  return memory_zeroed(1, sizeof(struct timers));
}

void timers_destroy(struct timers *timers)
{
  if (!timers)
    return;
  while (timers->first) {
    struct timer *timer = timers->first;
    timers->first = timer->next;
    if (timer->clear)
      timer->clear(timer->context);
    free(timer);
  }
  free(timers);
}

uint64_t timers_add(struct timers *timers, int64_t delay_ms, void (*run)(void *context),
                    void (*clear)(void *context), void *context)
{
  struct timer *timer = memory_zeroed(1, sizeof *timer);
  int64_t begun_ms = delay_ms > 0; /* of the clock's millisecond a part is over: never early */
  *timer = (struct timer){.number = ++timers->count,
                          .at_ms = clock_monotonic_ms() + delay_ms + begun_ms,
                          .run = run,
                          .clear = clear,
                          .context = context};
  /* Most are the latest: a thousand delayed answers take no search. */
  struct timer **place = timers->last && timers->last->at_ms <= timer->at_ms ? &timers->last->next
                                                                             : &timers->first;
  while (*place && (*place)->at_ms <= timer->at_ms)
    place = &(*place)->next;
  timer->next = *place;
  *place = timer;
  if (!timer->next)
    timers->last = timer;
  return timer->number;
}

static void take_out(struct timers *timers, struct timer *before, struct timer *timer)
{
  *(before ? &before->next : &timers->first) = timer->next;
  if (timers->last == timer)
    timers->last = before;
}

void timers_cancel(struct timers *timers, uint64_t number)
{
  struct timer *before = NULL;
  for (struct timer *timer = timers->first; timer; before = timer, timer = timer->next)
    if (timer->number == number) {
      take_out(timers, before, timer);
      free(timer);
      return;
    }
}

int timers_wait_ms(const struct timers *timers)
{
  if (!timers->first)
    return -1;
  int64_t wait_ms = timers->first->at_ms - clock_monotonic_ms();
  return wait_ms < 0 ? 0 : wait_ms > INT_MAX ? INT_MAX : (int)wait_ms;
}

void timers_run(struct timers *timers)
{
  int64_t now_ms = clock_monotonic_ms();
  while (timers->first && timers->first->at_ms <= now_ms) {
    struct timer *timer = timers->first;
    take_out(timers, NULL, timer);
    timer->run(timer->context);
    free(timer);
  }
}
