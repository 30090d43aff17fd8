#include "handlers/ticks.h"

void ticks_start(struct ticks *ticks, double every_s, size_t count, int64_t now_ms)
{
  ticks->every_ms = (int64_t)(every_s * 1000 + 0.5);
  ticks->count = (int64_t)count;
  ticks->start_ms = now_ms;
  ticks->next = 0;
}

void ticks_stop(struct ticks *ticks)
{
  ticks->every_ms = 0;
}

/* The turn that came last, the first one where none did. */
static int64_t newest(const struct ticks *ticks, int64_t now_ms)
{
  int64_t past_ms = now_ms > ticks->start_ms ? now_ms - ticks->start_ms : 0;
  return past_ms / ticks->every_ms * ticks->count +
         past_ms % ticks->every_ms * ticks->count / ticks->every_ms;
}

/* Rounded up: at that time newest() has reached it. */
int64_t ticks_due_ms(const struct ticks *ticks)
{
  if (!ticks->every_ms || ticks->is_out)
    return INT64_MAX;
  int64_t rounds = ticks->next / ticks->count, turn = ticks->next % ticks->count;
  return ticks->start_ms + rounds * ticks->every_ms +
         (turn * ticks->every_ms + ticks->count - 1) / ticks->count;
}

bool ticks_take(struct ticks *ticks, int64_t now_ms, size_t *endpoint)
{
  if (now_ms < ticks_due_ms(ticks))
    return false;
  int64_t late = newest(ticks, now_ms) - ticks->next;
  ticks->next += late / ticks->count * ticks->count;
  *endpoint = (size_t)(ticks->next % ticks->count);
  ticks->next++;
  ticks->is_out = true;
  return true;
}

void ticks_done(struct ticks *ticks, int64_t now_ms)
{
  ticks->is_out = false;
  if (!ticks->every_ms || ticks->count > 1)
    return; /* others have had their turn before it comes again */
  int64_t last = newest(ticks, now_ms);
  if (ticks->next && last >= ticks->next)
    ticks->next = last + 1;
}
