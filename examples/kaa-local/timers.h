/* What is to happen later, in one thread. */
#ifndef KAA_LOCAL_TIMERS_H
#define KAA_LOCAL_TIMERS_H

#include <stdint.h>

struct timers;

struct timers *timers_create(void);

/* What did not happen yet does not happen any more: `clear` of each is called. */
void timers_destroy(struct timers *timers); /* NULL: nothing */

/* Calls `run` once in `delay_ms`, from timers_run(), in the order of their times; takes
 * `context`, which `run`, or else `clear` (may be NULL), has to give back. Returns the
 * timer's number for timers_cancel(). */
uint64_t timers_add(struct timers *timers, int64_t delay_ms, void (*run)(void *context),
                    void (*clear)(void *context), void *context);

/* Forgets a timer without a call; one that has run is let pass. */
void timers_cancel(struct timers *timers, uint64_t number);

/* Milliseconds until the next one; -1: there is none. */
int timers_wait_ms(const struct timers *timers);

void timers_run(struct timers *timers);

#endif
