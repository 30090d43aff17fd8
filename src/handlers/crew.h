/* The workers of one handler: how many commands they can take, and which of them takes one.
 * Bookkeeping alone: the owner starts the workers, hands them what they are to do and ends
 * them (handlers/handler_workers.c).
 *
 * A place is for one worker. A command first has a place kept for it (crew_keep), when it is
 * handed out, and takes it when it comes to be run (crew_take); a tick takes one at once
 * (crew_take_for_tick). What leaves its place is told by crew_end.
 *
 * There are at most as many places with work as the version in service has workers. With
 * `ordered` a place has commands of one endpoint at a time, and that endpoint's go there for
 * as long as it has any; so a slow endpoint takes one worker, and the others go on. */
#ifndef KAALUA_HANDLERS_CREW_H
#define KAALUA_HANDLERS_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct worker;

struct crew_place {
  TAILQ_ENTRY(crew_place) link;
  struct worker *worker; /* NULL: it is started when the first command comes */
  const char *endpoint;  /* whose commands it has; ordered only; NULL: nobody's */
  size_t kept;           /* for commands that are on their way */
  size_t load;           /* commands and ticks with its worker */
  int64_t idle_since_ms;
  bool is_leaving; /* takes nothing more: its worker is of an earlier version */
};

TAILQ_HEAD(crew_places, crew_place);

/* What the version in service says. */
struct crew_rules {
  size_t workers; /* 1 to VERSION_WORKERS_MAX */
  bool ordered;
};

/* Embedded. */
struct crew {
  struct crew_places places; /* the one that has worked last goes first */
  struct crew_rules rules;
  double run_ms;    /* moving average of its commands */
  bool stands_back; /* the version in service may not run beside those that leave */
};

void crew_init(struct crew *crew);

/* Frees the places; the workers are the owner's. */
void crew_clear(struct crew *crew);

/* Another version is in service: whoever is there leaves; a place that was kept and has no
 * worker is no longer kept. */
void crew_change(struct crew *crew, const struct crew_rules *rules);

/* Nobody who is there takes anything more. */
void crew_dismiss(struct crew *crew);

/* Whether nothing is begun until those who leave are gone: where one version, or the other,
 * promises an order that the two together would not keep. */
bool crew_is_changing(const struct crew *crew);

/* How many more commands a place can have now, or one that would be made. A slow handler
 * has one command with each worker, so that a new version, or a new worker after a limit,
 * finds few that were handed out in vain. */
size_t crew_room(const struct crew *crew);

/* How many of them find a worker that is there, and for which `is_ready` is true. */
size_t crew_room_ready(const struct crew *crew, bool (*is_ready)(const struct worker *worker));

/* Keeps a place for a command of this endpoint (borrowed until it ends). CREW_BUSY: there is
 * none for any; CREW_BEHIND: there is none as long as others of its endpoint have not ended. */
enum crew_answer { CREW_KEPT, CREW_BEHIND, CREW_BUSY };
enum crew_answer crew_keep(struct crew *crew, const char *endpoint);

/* A command for which a place was kept does not come. */
void crew_withdraw(struct crew *crew, const char *endpoint);

/* A command has come: takes the place that was kept, or any. Returns NULL where there is none
 * any more. The owner sees to a worker, or calls crew_end. */
struct crew_place *crew_take(struct crew *crew, const char *endpoint);
struct crew_place *crew_take_for_tick(struct crew *crew);

/* A command or a tick is off its place. */
void crew_end(struct crew *crew, struct crew_place *place, int64_t now_ms);

/* What a command took, for how far ahead they are handed out. */
void crew_note_run(struct crew *crew, int64_t run_ms);

/* A worker without work joins; returns its place. */
struct crew_place *crew_join(struct crew *crew, struct worker *worker, int64_t now_ms);

/* Its worker is gone and has left no work; the place goes, too, unless it is kept and was
 * not about to leave. */
void crew_vacate(struct crew *crew, struct crew_place *place);

/* NULL where it is none of them. */
struct crew_place *crew_find(const struct crew *crew, const struct worker *worker);

/* One without work, or NULL: that leaves; that has had none for longest, with a worker. */
struct crew_place *crew_idle_leaver(const struct crew *crew);
struct crew_place *crew_longest_idle(const struct crew *crew);

/* How many workers there are. */
size_t crew_workers(const struct crew *crew);

/* Whether nobody has anything to do, and no place is kept. */
bool crew_rests(const struct crew *crew);

#endif
