/* Results on their way to the platform: arrays by endpoint and type, at most
 * eight of a pair under way, over a transport that polls one. What the platform says to them is in verdict.h.
 * Private to src/core. */
#ifndef KAALUA_CORE_REPORT_H
#define KAALUA_CORE_REPORT_H

#include "core/core.h"
#include "core/deadline.h"
#include "core/life.h"

#include <sys/queue.h>

enum {
  REPORT_MAX_OUTSTANDING = 8, /* arrays of an endpoint and type */
  REPORT_MAX_BYTES = 256 * 1024,
  REPORT_MAX_SILENT = 4096,   /* results in arrays that were given up and may still be answered */
  REPORT_SUSPECT_AT = 3,      /* disconnections while it was outstanding */
  REPORT_SUSPECT_WAIT_MS = 60 * 1000, /* of connection before it goes; doubles each time it
                                         precedes another disconnection */
  REPORT_SUSPECT_MAX_WAIT_MS = 3600 * 1000,
  REPORT_SUSPECT_MOST = 9, /* disconnections that are counted: the longest wait is reached */
  REPORT_ACQUIT_MS = 10 * 1000, /* of connection after its silence: something else cuts it */
  REPORT_RETRY_MS = 5000,
};

struct report_member {
  int64_t id;
  int64_t sequence; /* of the life that was sent: an id may be used again */
};

/* One array that was sent. */
struct report {
  uint32_t request_id; /* first: the tree compares through it */
  struct endpoint *endpoint;
  struct type *type;
  struct lane *lane; /* NULL once it was given up */
  bool is_published; /* the broker has it */
  int64_t wait_ms;   /* the platform asks for it; 0: it does not */
  struct deadline silence;
  TAILQ_ENTRY(report) place; /* in outstanding or silent */
  size_t count;
  struct report_member members[];
};

TAILQ_HEAD(report_list, report);
TAILQ_HEAD(lane_list, lane);

struct reports {
  void *tree; /* of struct report, by request id */
  struct report_list outstanding;
  struct report_list silent; /* the oldest first */
  size_t silent_results;
  struct lane_list sending; /* lanes with something to send and room for an array */
  struct life_list unconfirmed; /* done, in that order */
  struct life_list answers;     /* stored answers that are not sent and answered yet */
  struct life_list suspects;    /* those with fewer disconnections first */
  struct report *suspect;       /* the suspect that is outstanding */
  struct deadline suspect_wait; /* armed while the first one waits */
  bool was_answered; /* the platform has confirmed a result by its request id */
  struct buffer scratch;
};

void report_init(struct reports *reports);
void report_clear(struct core *core);

/* DONE is durable: the result may be sent. */
void report_done(struct core *core, struct command_life *life);

/* The same of one that was done when the host ended. */
void report_restored(struct core *core, struct command_life *life);

/* It is not to be sent any more; the storage is told by the caller. */
void report_give_up(struct core *core, struct command_life *life);

/* A stored answer, to be sent once. */
void report_answer(struct core *core, struct command_life *life);

/* The result is to be sent with the next array, before or behind what waits. */
void report_ready(struct core *core, struct command_life *life, bool goes_first);

/* Takes it off the way, wherever it is. */
void report_leave(struct core *core, struct command_life *life);

/* A repeat of a command whose result is not confirmed brings the next resend
 * forward, within a limit. */
void report_hasten(struct core *core, struct command_life *life);

/* Sends what is ready, but for suspects. */
void report_send(struct core *core);

/* Sends a suspect, where its time has come and all else was sent. */
void report_send_suspect(struct core *core);

/* Gives it up as an array under way; it stays known as a silent one. */
void report_silence(struct core *core, struct report *report);

/* Every result is settled: no late answer is of use. */
void report_forget_silent(struct core *core);

void report_destroy(struct core *core, struct report *report);

/* The life that was sent as a member; NULL where its life is over. */
struct command_life *report_member_life(struct core *core, const struct report *report, size_t i);

struct report *report_find(const struct core *core, uint32_t request_id);
bool report_is_known(const struct core *core, uint32_t request_id);

void report_connected(struct core *core);
void report_disconnected(struct core *core);

#endif
