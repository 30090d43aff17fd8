/* A program that a handler runs (kaa.exec): started by the host, outside the
 * worker, under a leader of its own. What it leaves behind lives until the
 * command that ran it ends; of the last 16 programs, if there are more. */
#ifndef KAALUA_SUPERVISION_EXECUTION_H
#define KAALUA_SUPERVISION_EXECUTION_H

#include "base/frame.h"
#include "supervision/workplace.h"

#include <jansson.h>
#include <sys/queue.h>

struct execution;
TAILQ_HEAD(executions, execution);

struct execution_caller {
  struct process_witness *witness; /* of the program, or NULL */
  void *context;
  /* The WORKER_EXECUTED frame for the worker; borrowed. Never called from
   * within execution_start(). */
  void (*answer)(void *context, const void *frame, size_t size);
};

/* Starts what a WORKER_EXEC frame asks for, within `needs` (the contract's: its
 * "exec" is true or a list of paths), and puts it into `list`. A refusal or a
 * program that cannot be started is answered, too. Returns -EPROTO for a frame
 * that cannot be read, asks for more than kaa.exec can, or comes while another one waits
 * for its answer; else 0. */
int execution_start(struct executions *list, const struct workplace *workplace,
                    struct frame *request, const json_t *needs, const struct execution_caller *caller);

/* Ends what was not answered yet: the worker does not wait for it any more. */
void executions_end_awaited(struct executions *list);

/* Ends all of them with everything beneath; nothing more is answered. */
void executions_end(struct executions *list);

#endif
