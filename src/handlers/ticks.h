/* When a handler's tick is due, and for which of the endpoints: each has its turn
 * once in an interval, the turns spread evenly over it, the first at once. A
 * cursor, whatever the number of endpoints. Pure: the time comes in as an argument.
 *
 *   ticks_start → at ticks_due_ms(): ticks_take → it runs → ticks_done → …
 *
 * One tick is out at a time. An endpoint whose turn comes again before it had the
 * last one has missed that; nothing is caught up. The endpoints keep their order,
 * so that none starves where their ticks take longer than the interval. */
#ifndef KAALUA_HANDLERS_TICKS_H
#define KAALUA_HANDLERS_TICKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded and zeroed: stopped. */
struct ticks {
  int64_t every_ms; /* 0: stopped */
  int64_t count;    /* of endpoints; 1 for the agent as a whole */
  int64_t start_ms;
  int64_t next;     /* turn, counted from the start */
  bool is_out;
};

/* `count` over 0. One that is out stays out. */
void ticks_start(struct ticks *ticks, double every_s, size_t count, int64_t now_ms);
void ticks_stop(struct ticks *ticks);

/* When ticks_take() has one, INT64_MAX while stopped or one is out. */
int64_t ticks_due_ms(const struct ticks *ticks);

/* Takes what is due; returns false where nothing is. `*endpoint` is from 0. */
bool ticks_take(struct ticks *ticks, int64_t now_ms, size_t *endpoint);

/* The tick that was taken has ended, or was not called. */
void ticks_done(struct ticks *ticks, int64_t now_ms);

#endif
