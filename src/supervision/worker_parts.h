/* A worker from within, for its parts: supervision/worker.c starts, fills and destroys
 * it, supervision/worker_jobs.c keeps what it was handed, with the limits, and ends it,
 * supervision/worker_cancel.c ends one command before its time, supervision/worker_frames.c reads what it
 * says, as much as supervision/worker_flow.c lets it, supervision/worker_keep.c what it asks to keep. */
#ifndef KAALUA_SUPERVISION_WORKER_PARTS_H
#define KAALUA_SUPERVISION_WORKER_PARTS_H

#include "base/buffer.h"
#include "base/frame.h"
#include "io/loop.h"
#include "io/process.h"
#include "supervision/execution.h"
#include "supervision/fetch.h"
#include "supervision/marks_files.h"
#include "supervision/worker.h"
#include "supervision/worker_flow.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct job {
  TAILQ_ENTRY(job) link;
  int64_t number;
  struct command *command; /* NULL: a tick */
  const char *endpoint;    /* of a tick, or NULL */
  int64_t sequence;        /* of the command; 0: a tick */
  int64_t began_ms; /* 0: it has not */
  bool is_cancelled; /* its answer is 499, whatever comes of it */
  bool is_void;      /* it is answered and gone; the worker is about to skip it */
  size_t slot;       /* in the marks, from 1, where it says so to the worker; 0: none */
  int64_t tenths;    /* how far it is, of a percent; -1: not said */
  char *progress;    /* the same in words, "" for none; NULL: neither was said */
};

TAILQ_HEAD(job_list, job);

enum limit_stage { LIMIT_NONE, LIMIT_BEGINS, LIMIT_RUNS, LIMIT_CANCELLED, LIMIT_ASKED };

struct worker {
  const struct workplace *workplace;
  struct version *version;
  struct worker_ports ports;
  json_t *ceiling, *places; /* of its options, or NULL */
  struct process *process;
  struct process_witness *witness; /* of it and of what it executes, or NULL */
  struct frame_reader reader;
  json_t *options;   /* of the version, as it was sent */
  struct buffer out; /* commands of this turn, sent in one write */
  struct loop_timer *limit; /* of loading, or of the command that runs */
  struct loop_timer *send;
  struct worker_flow flow;
  enum limit_stage stage;
  bool is_late; /* the limit's time is over, what has come meanwhile is looked at */
  bool loaded, is_over;
  bool is_recalled; /* it begins nothing any more, what runs goes on */
  bool stands;      /* it has said that what it has not marked has not begun */
  bool is_settled; /* what it has done is known, it does no more: it is about to be over */
  bool is_broken;  /* it broke the protocol: nothing that it says is heard any more */
  struct marks_file *marks;     /* or NULL */
  struct worker_ticket *ticket; /* of what it asks to keep and waits for, or NULL */
  char *place; /* where the running handler was when it was asked to stop */
  struct job_list jobs;
  size_t job_count;
  int64_t last_number;
  struct executions executions;
  struct fetches fetches;
  int descriptors; /* our end of WORKER_DESCRIPTORS_FD; 0: none */
};

/* The process's part (supervision/worker.c) */

/* Whether the process has loaded a version that writes files, and was not told so when it
 * started: it can only be told less (worker/confine.h). */
bool worker_may_write_too_little(const struct worker *worker, const json_t *report);

/* Loads the same version in another process, which is told where it may write. */
int worker_start_again(struct worker *worker, const json_t *report, struct error *error);

/* The jobs' part (supervision/worker_jobs.c) */

struct job *worker_add_job(struct worker *worker);
void worker_remove_job(struct worker *worker, struct job *job);

/* The one that has begun last, or NULL. Of those before it nothing but their end is known
 * (worker_settle). */
struct job *worker_running_job(const struct worker *worker);

/* Whether it may wait for a restart: that was kept before, durably. */
bool worker_may_wait(const struct job *job);

/* The command that runs was cancelled: the worker ends soon unless it does. */
void worker_hurry(struct worker *worker, const struct job *job);

/* Loading begins, with its limit. */
void worker_expect_loaded(struct worker *worker);

/* The next command's mark is due. */
void worker_expect_mark(struct worker *worker);

/* The mark has come: the time limit starts. */
void worker_begin_job(struct worker *worker, struct job *job);

/* Gives the result of what runs to the owner; takes what it owns. */
void worker_finish_job(struct worker *worker, struct job *job, struct command_result *result,
                       const char *trace, bool crashed, bool waits);

/* The limit's timer. */
void worker_on_limit(void *worker);

/* Settles, ends the process; puts back what had not begun. What had, and has not been
 * answered, is answered as interrupted. */
void worker_end(struct worker *worker, enum worker_end how, const char *text);

/* The worker is gone or not to be believed: answers for what ran. */
void worker_give_up(struct worker *worker, const char *how);

/* The process has ended; `ended` of struct process_options. */
void worker_on_ended(void *worker, const struct worker_ending *ending);

/* The cancelling part (supervision/worker_cancel.c) */

/* A cancelled command has begun. */
void worker_ask_cancelled(struct worker *worker, struct job *job);

/* It did not begin: answers it, unless it was, and forgets it. */
void worker_skip(struct worker *worker, struct job *job);

/* Makes the answer of a cancelled command of what it has ended with. */
void worker_set_cancelled(struct command_result *result);

/* The frames' part (supervision/worker_frames.c) */

/* `received` of struct process_options. */
void worker_on_received(void *worker, enum process_stream stream, const char *bytes, size_t size);

/* Takes the frames that were received. */
void worker_take_frames(struct worker *worker);

/* Reads what it has said up to now, also where that is to wait (supervision/worker_flow.h): before
 * anything is done to it for what it seems to do still. It may end. */
void worker_hear(struct worker *worker);

/* The keeping part (supervision/worker_keep.c) */

/* Takes a WORKER_KEEP frame. Returns false where it makes no sense. */
bool worker_take_keep(struct worker *worker, struct frame *frame);

/* It is over: what it waits for is not told any more. */
void worker_drop_ticket(struct worker *worker);

#endif
