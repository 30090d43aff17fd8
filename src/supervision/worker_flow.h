/* How much a worker may say unasked: samples, metadata, lines for the log, what C
 * libraries print. What is over is left in its pipes, until it waits there itself: one that
 * floods slows down nobody else. Its results wait behind. And how much it may ask for and not
 * read. Private to supervision/worker.c. */
#ifndef KAALUA_SUPERVISION_WORKER_FLOW_H
#define KAALUA_SUPERVISION_WORKER_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct frame;
struct loop_timer;
struct worker;

struct worker_flow {
  struct loop_timer *resume;
  int64_t filled_ms;
  int64_t left_bytes; /* below 0: paused */
  bool is_paused;
  bool is_lifted; /* for what is read right now: see worker_hear() */
  uint64_t answered; /* where in what it was sent its last answer ends */
  unsigned unread;   /* answers that it has not read when it asked again */
};

void worker_flow_start(struct worker *worker);
void worker_flow_stop(struct worker *worker);

/* Counts a frame that was taken, of any kind. */
void worker_flow_charge_frame(struct worker *worker, const struct frame *frame);

/* Counts output that was logged. */
void worker_flow_charge(struct worker *worker, size_t size_bytes);

/* Sends an answer that it waits for. */
void worker_flow_answer(struct worker *worker, const void *bytes, size_t size);

/* Whether it has read its answers, so that it may ask for one more. */
bool worker_flow_may_ask(struct worker *worker);

#endif
