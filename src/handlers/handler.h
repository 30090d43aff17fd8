/* One entry of the table of handlers, and what its parts share: handlers/handlers.c keeps
 * the table, handlers/handler_workers.c starts and ends workers, handlers/handler_turns.c has those
 * with one exclusive name take turns, handlers/handler_commands.c runs commands,
 * handlers/handler_ticks.c has ticks called, handlers/handler_files.c takes the files in,
 * handlers/handler_scan.c looks for them, handlers/handler_kept.c has their last good versions kept
 * across restarts. */
#ifndef KAALUA_HANDLERS_HANDLER_H
#define KAALUA_HANDLERS_HANDLER_H

#include "handlers/crew.h"
#include "handlers/exclusion.h"
#include "handlers/handler_scan.h"
#include "handlers/handlers.h"
#include "handlers/sources.h"
#include "handlers/ticks.h"
#include "io/loop.h"
#include "supervision/version.h"
#include "supervision/worker.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
  HANDLER_DEATHS_MAX = 3, /* in a row, then quarantine */
  HANDLER_LOADS_MAX = 3,  /* that failed and may pass, in a row, then its commands are answered */
};

/* What ticks failed with, so that the log is not flooded. */
struct tick_faults {
  char *last;       /* the one that was logged last, or NULL */
  int64_t since_ms; /* the minute that is counted */
  int lines;        /* logged in it */
  int64_t not_shown;
};

struct remains;

struct handler {
  TAILQ_ENTRY(handler) link;
  struct handlers *table;
  char *type;
  struct version *current; /* NULL: no good version yet */
  struct crew crew;        /* its workers: of the current version, or of one before while they
                              have work */
  struct exclusion_seat seat; /* for the name that its contract says */
  LIST_HEAD(, remains) remains; /* processes of workers that are over, or may be */
  size_t dying; /* exclusive workers that are over and whose processes are not gone */
  struct version *candidate;
  struct worker *loading;  /* of the candidate */
  uint64_t seen_hash;      /* of the content that was tried last */
  bool has_seen;
  char *fault;
  json_t *faults;          /* all of the file's, as of host/faults.h; NULL: none */
  int64_t faulty_since_ms; /* wall clock, of the first; 0: none */
  int64_t taken;           /* versions that were taken into service since the agent started */
  int deaths;
  char *last_death;
  bool died_in_tick, last_was_tick;
  size_t in_flight; /* commands with its workers */
  bool is_removed;         /* away for good; kept while its last commands run */
  int64_t retry_at_ms;     /* of a fault that may pass; 0: none */
  int64_t retry_wait_ms;
  int passing_loads;       /* in a row that failed and may pass, of one content */
  bool lacks_disk;         /* for the marks of a worker: its commands wait */
  bool is_kept;            /* `current` comes from the state directory, not from its file */
  bool candidate_is_kept;
  bool was_kept_tried;     /* for what was seen last */
  int stands_in_for;       /* 1 + the number of the directory, unreadable since the start, whose
                              file the kept version stands in for; 0: none */
  struct loop_timer *idle;
  struct ticks ticks;
  struct loop_timer *tick;
  struct tick_faults tick_faults;
};

struct grave {
  SLIST_ENTRY(grave) link;
  struct worker *worker;
};

struct handlers {
  const struct workplace *workplace;
  struct handlers_ports ports;
  struct sources *sources;
  json_t *settings, *ceiling, *places;
  int64_t idle_ms;
  const char *const *endpoints;
  size_t endpoint_count;
  TAILQ_HEAD(, handler) all;
  struct handler_scan *scan;
  struct loop_timer *bury;
  struct loop_timer *turn; /* of who waits for an exclusive name */
  struct exclusions exclusions;
  SLIST_HEAD(, grave) graves; /* workers that are over, destroyed when their call has returned */
  char *directory_fault;
  struct last_good *last_good; /* NULL: nothing is kept across restarts */
  bool has_begun_kept;         /* what was kept and has no file was dealt with */
  json_t *forgettable;         /* object: types that were kept and had no file at the start */
  struct loop_timer *forget;   /* then they are forgotten, where they still have none */
  bool started, ready, stopping;
  bool is_starved; /* no process could be started at the last try: it was said */
};

/* The table's part (handlers/handlers.c) */

struct handler *handler_find(const struct handlers *handlers, const char *type);
struct handler *handler_add(struct handlers *handlers, char *type); /* takes `type` */
void handler_remove(struct handler *handler); /* not from within a worker's port */

/* A worker died; three in a row mean quarantine. What ends well breaks the row,
 * unless the last death was in the other kind of work. */
void handler_count_death(struct handler *handler, const char *how);
void handler_count_end(struct handler *handler, bool is_tick, bool is_good);

/* Whether its type is asked for. */
bool handler_is_asked_for(const struct handler *handler);

/* The workers' part (handlers/handler_workers.c) */

/* Puts a version in service, which is kept by reference, with the worker that has loaded it
 * (NULL: none): the workers of the one before are recalled. Ends the quarantine. */
void handler_serve(struct handler *handler, struct version *version, struct worker *worker);

/* Its file is gone: nothing more is begun by the workers that it has. */
void handler_recall(struct handler *handler);

/* Starts a worker for one of the handler's versions; `may_lack_marks` as in struct
 * worker_options. Returns owned, or NULL. */
struct worker *handler_start_worker(struct handler *handler, struct version *version,
                                    bool may_lack_marks, struct error *error);

/* Makes sure that the place, which a command or a tick has taken, has a worker. Returns 0, or
 * a negative code with `error`. */
int handler_need_worker(struct handler *handler, struct crew_place *place, bool for_command,
                        struct error *error);

/* Something is off its place, or did not take it: workers that leave are ended, and where
 * there is no work the exclusive name is free and idle times run. */
void handler_settle(struct handler *handler);

/* The same, and what waits may take the room before the name is free: while its turn lasts a
 * handler goes on. */
void handler_go_on(struct handler *handler);

/* Destroys a worker once the port that it is calling has returned. */
void handler_bury(struct handlers *handlers, struct worker *worker);

/* The callbacks of timers. */
void handler_workers_idle(void *handler);
void handler_workers_bury(void *handlers);

/* The part of the turns under an exclusive name (handlers/handler_turns.c) */

/* Whether it may have more work, or has to wait for its turn. */
bool handler_takes_turn(struct handler *handler);

/* Frees the name where nothing of it runs any more. */
void handler_yield(struct handler *handler);

/* Whether nothing runs any more, or ends still. */
bool handler_is_at_rest(const struct handler *handler);

/* The callback of the timer. */
void handler_turns_call(void *handlers);

/* A worker is about to be started: the witness is for it. Then it was started, or not (NULL);
 * its version's contract is known; it is over, and its process about to be. */
struct remains *handler_watch(struct handler *handler);
struct process_witness *handler_witness(struct remains *remains);
void handler_watch_begins(struct remains *remains, const struct worker *worker);
void handler_know_worker(struct handler *handler, const struct worker *worker);
void handler_watch_end(struct handler *handler, const struct worker *worker);

/* The handler is about to be freed. */
void handler_forget_remains(struct handler *handler);

/* The commands' part (handlers/handler_commands.c) */

/* Tries again to start workers whose marks the disk had no room for. */
void handler_commands_retry(struct handlers *handlers);

/* The ports of every worker: */

void handler_commands_finished(void *handler, struct worker *worker, struct command *command,
                               struct command_result *result, const struct worker_finish *how);
void handler_commands_put_back(void *handler, struct worker *worker, struct command *command);
void handler_commands_left(void *handler, struct worker *worker, struct command *command);
void handler_commands_keep(void *handler, struct worker *worker, struct command *command,
                           const struct worker_keep *keep, struct worker_ticket *ticket);

/* What runs (handlers/handlers_running.c) */

/* The port of every worker. */
void handler_running_progress(void *handler, struct worker *worker, const struct command *command,
                              double percent, const char *text);

/* The ticks' part (handlers/handler_ticks.c) */

/* The current version has changed: its ticks begin, those of the one before end. */
void handler_ticks_start(struct handler *handler);
void handler_ticks_stop(struct handler *handler);

/* Has the next tick called when it is due; after anything that may have kept it
 * waiting. */
void handler_ticks_go_on(struct handler *handler);

/* The timer's callback. */
void handler_ticks_due(void *handler);

/* The port of every worker. */
void handler_ticks_ended(void *handler, struct worker *worker, const char *endpoint, int status,
                         const char *reason, const char *trace);

/* The files' part (handlers/handler_files.c) */

/* The directories were looked at: starts what is new, drops what was removed, tries again
 * what could not be started. */
void handler_files_take(struct handlers *handlers);

/* The worker that loads a file has reported; the port of every worker. */
void handler_files_loaded(void *handler, struct worker *worker, const json_t *report);

/* Whether a first good version may still come soon: the fault of its file may pass. */
bool handler_files_are_awaited(const struct handler *handler);

/* Forgets the file that is being loaded; not from within its worker's port. */
void handler_files_drop_candidate(struct handler *handler);

/* Its file cannot be used: takes `text`. */
void handler_files_set_fault(struct handler *handler, char *text);

/* The part of what is kept across restarts (handlers/handler_kept.c, handlers/last_good.h) */

/* The candidate is in service: keeps it, where it is of its file. */
void handler_kept_taken(struct handler *handler);

/* The file is faulty, and was not before. */
void handler_kept_faulty(struct handler *handler);

/* Nothing serves, the file is faulty: what was kept becomes the candidate, where there is
 * something that was not tried for this content. May_serve tells whether there is. */
void handler_kept_fall_back(struct handler *handler);
bool handler_kept_may_serve(const struct handler *handler);

/* The file is gone for good. */
void handler_kept_removed(struct handler *handler);

/* The directories were looked at, the files not yet taken: the first time what was kept of a
 * directory that cannot be read stands in for its files, and what has no file otherwise is
 * forgotten after a while. */
void handler_kept_scanned(struct handlers *handlers);

/* The callback of the timer for that. */
void handler_kept_forget(void *handlers);

#endif
