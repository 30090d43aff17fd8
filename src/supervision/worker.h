/* One kaalua-worker at work on one version of a handler: loading, the commands
 * and ticks handed to it, their limits, and how it ends. It says what became of
 * each; what to do about it is its owner's to decide.
 *
 *   worker_start → loaded(…) → worker_run … → finished(…) … → worker_destroy
 *                              worker_tick … → ticked(…) …
 *
 * The ports are called from the loop; of the calls of this header only worker_settle(),
 * worker_interrupt(), worker_leave() and worker_cancel() call them. A port may start a worker,
 * hand it commands and interrupt it; worker_destroy() comes after a port has returned. */
#ifndef KAALUA_SUPERVISION_WORKER_H
#define KAALUA_SUPERVISION_WORKER_H

#include "core/command.h"
#include "supervision/version.h"
#include "supervision/workplace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct process_witness;
struct worker;

enum worker_purpose { WORKER_HANDLER, WORKER_CONFIGURATION };

/* How a worker's life ended. */
enum worker_end {
  WORKER_SPENT,   /* a limit was reached: it works no more, its handler is not to blame */
  WORKER_CRASHED, /* it ended by itself */
};

/* How a command ended, beside its result. */
struct worker_finish {
  const char *trace; /* for the log, "" for none; borrowed */
  int64_t run_ms;    /* since its mark */
  bool crashed;      /* the worker died of it */
  bool never_ran;    /* it was cancelled before it began */
  bool waits;        /* it has no result: it waits for the restart that it has asked for */
};

/* The command that runs, and how far its handler says it is; all borrowed. */
struct worker_running {
  const struct command *command;
  int64_t began_ms; /* clock_monotonic_ms() */
  bool is_cancelled;
  double percent;   /* 0 to 100; below 0: not said */
  const char *text; /* one line, "" for none; NULL: neither was said */
};

/* What a handler asks to keep (WORKER_KEEP), checked. All of it is borrowed. */
enum worker_keep_kind {
  WORKER_KEEP_GET,
  WORKER_KEEP_SET,
  WORKER_KEEP_DELETE,
  WORKER_KEEP_CHECKPOINT,
  WORKER_KEEP_RESUME_AFTER,
};

struct worker_keep {
  enum worker_keep_kind kind;
  bool of_device;    /* get, set, delete: it belongs to no handler alone */
  const char *key;   /* get, set, delete */
  const char *value; /* JSON; NULL: none */
  size_t value_bytes;
  enum command_restart restart; /* resume_after */
  int64_t within_ms;            /* resume_after */
};

struct worker_ticket; /* names one question, also when its worker is gone */

struct worker_ports {
  void *context;
  /* The version was loaded; `report` as WORKER_LOADED describes it. Where the
   * worker died or took too long over it there are "faults", and "passing" is
   * true: the file may be good. Borrowed. */
  void (*loaded)(void *context, struct worker *worker, const json_t *report);
  /* The command ended; the receiver takes what `result` owns. */
  void (*finished)(void *context, struct worker *worker, struct command *command,
                   struct command_result *result, const struct worker_finish *how);
  /* The command was handed to the worker and had not begun. In the order of
   * arrival, the last one first. */
  void (*put_back)(void *context, struct worker *worker, struct command *command);
  /* A tick ended, once for each worker_tick(). `status` is 2xx where it went well,
   * 0 where it had not begun when the worker ended; else `reason` says what is
   * wrong. All texts are borrowed; `endpoint` as it was given. */
  void (*ticked)(void *context, struct worker *worker, const char *endpoint, int status,
                 const char *reason, const char *trace);
  void (*telemetry)(void *context, const char *endpoint, const char *samples, size_t size);
  /* A JSON object of metadata keys. */
  void (*metadata)(void *context, const char *endpoint, const char *keys, size_t size);
  /* The handler asks to keep something; `command` is what runs, NULL in a tick (then it
   * is neither checkpoint nor resume_after). The receiver calls worker_kept() once, from
   * within or later. */
  void (*keep)(void *context, struct worker *worker, struct command *command,
               const struct worker_keep *keep, struct worker_ticket *ticket);
  /* kaa.progress, as in struct worker_running; may be NULL. */
  void (*progress)(void *context, struct worker *worker, const struct command *command,
                   double percent, const char *text);
  /* The command ran when worker_leave() ended its worker. */
  void (*left)(void *context, struct worker *worker, struct command *command);
  /* It takes no further commands; all that it had were finished or put back. The
   * receiver calls worker_destroy() once this call has returned, not within it. */
  void (*over)(void *context, struct worker *worker, enum worker_end end, const char *how);
};

struct worker_options {
  enum worker_purpose purpose;
  const json_t *settings; /* of this handler, from the configuration; NULL: none */
  const json_t *ceiling;  /* what it may need (supervision/ceiling.h); NULL: everything */
  const json_t *places;   /* struct config's, for faults of the settings; NULL: not known */
  struct process_witness *witness; /* of its process and what it executes; NULL: none */
  bool may_lack_marks;    /* it is to load a file: started also where no marks can be kept (the
                             disk is full), but then it is handed no commands */
};

/* Starts a process and sends it the version (kept by reference). Returns owned,
 * or NULL with `error`. Where the workplace keeps marks there is no worker for a
 * handler without a file of them, but for options->may_lack_marks. */
struct worker *worker_start(const struct workplace *workplace, struct version *version,
                            const struct worker_options *options, const struct worker_ports *ports,
                            struct error *error);

/* Ends the process and all beneath it; no port is called any more. The commands
 * that it still has are the caller's to deal with. NULL is fine. */
void worker_destroy(struct worker *worker);

struct version *worker_version(const struct worker *worker); /* borrowed */
bool worker_is_loaded(const struct worker *worker);

/* Whether commands may be handed to it: it keeps marks, where the workplace does. */
bool worker_takes_commands(const struct worker *worker);

/* Hands it a command after those that it has, to be run or, where command->resumes, to
 * be resumed. Borrows it until finished, put_back or left; what holds its marks is its
 * owner until its end is durable (supervision/marks_files.h). */
void worker_run(struct worker *worker, struct command *command);

/* Has the handler's tick called in its turn. Borrows the endpoint (NULL: for the
 * agent as a whole) until ticked. */
void worker_tick(struct worker *worker, const char *endpoint);

/* The commands and ticks that it has. */
size_t worker_load(const struct worker *worker);

/* From now on it begins nothing, what runs goes on. Once that has ended, what had not begun
 * is put back, and it is over; where there was nothing it is not, and its owner destroys it.
 * Without a file of marks it goes on as before. */
void worker_recall(struct worker *worker);

/* Before it is interrupted or left: it begins nothing any more, and what it has finished is
 * finished, also where this process has not yet read that. Calls the ports for it; the owner
 * may bury the worker meanwhile. */
void worker_settle(struct worker *worker);

/* Ends what runs with `status` and `reason` and puts the rest back, then is over. */
void worker_interrupt(struct worker *worker, int status, const char *reason);

/* Ends what runs without a result and puts the rest back, then is over. */
void worker_leave(struct worker *worker);

/* The command that runs, or NULL. */
const struct command *worker_running(const struct worker *worker);

/* Cancels one of its commands, which is then finished with 499 "Cancelled", whatever its
 * on_interrupt: from within, where it has not begun, and then it never does; else with the payload
 * that its handler ends with. It is told (kaa.cancelled), and what it executes is ended; after 2 s
 * it is stopped as by its time limit. One that has ended already is finished as it was. Again:
 * nothing. Returns 0 with *begun, whether it may have begun; -ENOENT where the worker does not have
 * it. Not from within its ports. */
int worker_cancel(struct worker *worker, const struct command_key *key, bool *begun);

/* Returns false where no command runs. */
bool worker_get_running(const struct worker *worker, struct worker_running *running);

/* Answers what a handler has asked to keep: `failure` NULL or one line, `value` JSON or
 * NULL. Frees the ticket. Where its worker is gone nobody hears of it. */
void worker_kept(struct worker_ticket *ticket, const char *failure, const char *value,
                 size_t value_bytes);

#endif
