/* Runs one command, from its JSON to its result, or one tick. */
#ifndef KAALUA_WORKER_RUN_H
#define KAALUA_WORKER_RUN_H

#include "base/frame.h"

struct worker;

/* Runs the command of a WORKER_COMMAND frame: says MARK, calls the handler, puts
 * FINISHED into worker->channel.out, where it leaves together with what follows. Where
 * there are marks (base/marks.h) they are written ahead of both frames. */
void run_command(struct worker *worker, struct frame *frame);

/* The same for a WORKER_RESUME frame. */
void run_resume(struct worker *worker, struct frame *frame);

/* The same for a WORKER_TICK frame. */
void run_tick(struct worker *worker, struct frame *frame);

#endif
