/* What the MQTT thread runs: connection after connection, with back-off between
 * them, until it is told to stop. Events and messages go through the queue. */
#ifndef KAALUA_IO_MQTT_LOOP_H
#define KAALUA_IO_MQTT_LOOP_H

#include "io/mqtt.h"
#include "io/mqtt_queue.h"

#include <pthread.h>
#include <signal.h>

/* Interrupts a connect() that hangs; needs a handler without SA_RESTART. */
#define MQTT_LOOP_SIGNAL (SIGRTMIN + 1)

struct mqtt_loop;

/* Borrows both until mqtt_loop_destroy(); the options hold no 0 that stands for a
 * default. Returns owned. */
struct mqtt_loop *mqtt_loop_create(const struct mqtt_options *options, struct mqtt_queue *queue);
void mqtt_loop_destroy(struct mqtt_loop *loop);

/* The thread's work; returns after mqtt_loop_stop(). */
void mqtt_loop_run(struct mqtt_loop *loop);

/* From any thread: what is on its way may go until then, then DISCONNECT. The
 * options' functions are not called any more. The queue is to be closed after it. */
void mqtt_loop_stop(struct mqtt_loop *loop, int64_t flush_until_ms);

/* From any thread, after mqtt_loop_stop(): signals the thread that runs the loop if
 * it may hang in connect(). One signal can come too early; repeat it. */
void mqtt_loop_interrupt(struct mqtt_loop *loop, pthread_t thread);

#endif
