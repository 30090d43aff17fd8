/* The event loop of a process (libuv): timers, signals, wake-ups from other
 * threads, and a call in each turn. One thread runs it; everything here is
 * called from that thread except loop_wake().
 *
 *   struct loop *loop = loop_create();
 *   loop_each_turn(loop, flush, agent);
 *   struct loop_timer *timer = loop_timer_create(loop, tick, agent);
 *   loop_timer_set(timer, clock_monotonic_ms() + 1000);
 *   loop_run(loop);                 until loop_stop()
 *   loop_timer_destroy(timer); loop_destroy(loop); */
#ifndef KAALUA_IO_LOOP_H
#define KAALUA_IO_LOOP_H

#include <stdint.h>

struct loop;

struct loop *loop_create(void); /* owned, loop_destroy() it */

/* Runs what is still closing to its end, for at most 3 s (a process may be stuck
 * in the kernel), and frees the loop. All timers, wakes and processes were
 * destroyed or released before. */
void loop_destroy(struct loop *loop);

/* Runs until loop_stop() is called from a callback. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Calls `callback` once a turn, behind the timers and before the loop waits for
 * events: what timers and the events before did is dealt with. One per loop. */
void loop_each_turn(struct loop *loop, void (*callback)(void *context), void *context);

/* Calls `callback` when the signal arrives; for the life of the loop, at most
 * four signals. */
void loop_on_signal(struct loop *loop, int signal, void (*callback)(void *context, int signal),
                    void *context);

struct loop_timer;

struct loop_timer *loop_timer_create(struct loop *loop, void (*callback)(void *context), void *context);

/* Calls once at `at_ms` of clock_monotonic_ms(); INT64_MAX: not at all. */
void loop_timer_set(struct loop_timer *timer, int64_t at_ms);
void loop_timer_destroy(struct loop_timer *timer); /* NULL is fine */

struct loop_wake;

struct loop_wake *loop_wake_create(struct loop *loop, void (*callback)(void *context), void *context);

/* Has the callback called on the loop's thread, at least once after this. Any thread. */
void loop_wake(struct loop_wake *wake);
void loop_wake_destroy(struct loop_wake *wake);

#endif
