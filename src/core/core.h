/* The life of a command, from the array that delivers it to the confirmation of
 * its result. Pure: it does no I/O and reads no clock; time comes in as an
 * argument (milliseconds, monotonic), decisions go out through the ports.
 *
 * One thread. A usual order of calls:
 *   core_create, core_add_endpoint …, core_restore …, core_set_types
 *   core_connected, then for what arrives: core_commands, core_answered, core_published
 *   for work: port queued → core_hand_out → port run → core_finish | core_put_back
 *   at core_next_deadline(): core_tick, which like the others only gathers
 *   after each turn of the loop, also one with a tick: core_flush; when the storage has it:
 *   core_stored, then core_flush again (with a storage that is done at once: in turn until
 *   nothing is submitted)
 *
 * The storage and the ports are called from core_flush and core_stored only, never
 * from within the other calls; a port may call back into the core (core_flush and
 * core_tick do nothing then, the call that is under way goes on; core_stored and
 * core_destroy may not be called). */
#ifndef KAALUA_CORE_CORE_H
#define KAALUA_CORE_CORE_H

#include "core/command.h"
#include "core/storage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;

enum core_message { CORE_REQUEST, CORE_RESULT, CORE_TELEMETRY, CORE_METADATA };

/* What the core tells of itself through the port note. */
enum core_note {
  CORE_NOTE_MALFORMED,    /* a message that is not one JSON array, an element without a readable id,
                             an endpoint or type that cannot be ours */
  CORE_NOTE_REFUSED_ELEMENT, /* an element answered 400 or 413 */
  CORE_NOTE_REPEAT,       /* answered from what is stored; detail tells its age */
  CORE_NOTE_LEFT,         /* not accepted: the queue is full */
  CORE_NOTE_RESULT_REFUSED, /* the platform refused a result for good */
  CORE_NOTE_RESULT_RETRY, /* a result array was refused or not answered; it is tried again */
  CORE_NOTE_TRUSTED,      /* confirmed at the broker's word: the platform never answers results */
  CORE_NOTE_REQUEST_ERROR, /* a command request was answered with an error; once per change */
  CORE_NOTE_TELEMETRY_DROPPED, /* the outbox was full, or the platform refused samples */
  CORE_NOTE_METADATA_DROPPED, /* likewise */
  CORE_NOTE_RESTORED, /* what became of a command that was alive when the host ended */
  CORE_NOTE_DROPPED,  /* a stale command that the platform lists no more is not run */
  CORE_NOTE_LOST,     /* answered 500: the journal was lost, the outcome is unknown */
};

struct core_ports {
  void *context;
  /* Commands of this type wait; the host calls core_hand_out() when it has room. Also
   * for a type without a handler: what is not handed out is not answered.
   * Called once each time the type's queue grows in a turn. */
  void (*queued)(void *context, const char *type);
  /* The command is durable as running: run it. Borrows it until core_finish or
   * core_put_back. */
  void (*run)(void *context, struct command *command);
  /* One of those that core_hand_out() counted does not come to the port run: an older
   * command, which core_set_order() keeps it behind, was put back meanwhile, and goes first, and
   * it is queued again; or it was cancelled. May be NULL. */
  void (*withdrawn)(void *context, const char *type, const char *endpoint);
  /* The end of a command that was given to the port run is durable: DONE after
   * core_finish(), WAITING after core_wait(), QUEUED after core_put_back(). Clears
   * command->owner after the call. May be NULL. */
  void (*ended)(void *context, struct command *command);
  /* What core_save() was given is durable. May be NULL. */
  void (*saved)(void *context, struct command *command);
  /* Sends a message over the transport (command request, result array, samples,
   * metadata). `type` is NULL for telemetry and metadata. Returns 0, or -EAGAIN where the
   * transport has no room: the core tries again at core_writable() or the next tick. */
  int (*send)(void *context, enum core_message kind, const char *endpoint, const char *type,
              uint32_t request_id, const char *body, size_t body_bytes);
  /* Something worth a line in the log or a counter; `detail` is one line. */
  void (*note)(void *context, enum core_note note, const char *endpoint, const char *type,
               int64_t id, const char *detail);
};

enum { CORE_FRESH_MS = 60 * 1000 };

struct core_options {
  uint64_t seed;          /* of jitter and of the first request id */
  size_t max_queued;      /* 0: 1,000 commands received or queued. Beyond it only those of a type
                             are accepted that has less than a 32nd of it waiting, so that a slow
                             type does not keep the others out; with twice as many, or with 16 MB
                             of elements or of unconfirmed results (the memory around each
                             counted), all are left */
  int64_t ask_interval_ms; /* 0: 300,000; how often all outstanding commands are asked for */
  int64_t silence_ms;     /* 0: 10,000; a result array without an answer is tried again */
  bool polls;             /* the transport cannot push: command requests are polls, each at
                             its pace, with at most six under way; the transport answers every one
                             or disconnects */
  int64_t poll_interval_ms; /* 0: 10,000; of idle pairs, ± 20 % */
  int64_t last_sequence;  /* of commands in the life of the storage */
  int64_t last_message;   /* of messages */
  bool was_answered;      /* CHANGE_ANSWERED was stored */
  bool is_lost;           /* the journal was lost: what the first reply of each endpoint and type
                             lists, and what is pushed before it, is not run but answered 500
                             "Journal lost: the outcome is unknown", unless the storage knows it */
  bool id_reuse_never;    /* a finished id with another payload is a repeat, too */
  size_t max_telemetry_bytes; /* 0: 16 MB of telemetry and metadata not confirmed yet, 128 bytes
                             counted for each message; for want of room the oldest telemetry goes,
                             metadata where there is none left */
  int64_t wall_ms;        /* milliseconds since 1970 UTC as the core is created; 0: not known until
                             a call tells it. For the age of what is restored */
};

/* Returns owned, core_destroy() it. Copies ports, storage and options. */
struct core *core_create(const struct core_ports *ports, const struct storage *storage,
                         const struct core_options *options);
void core_destroy(struct core *core);

/* Before anything of this endpoint arrives; one that is added on a connection is
 * asked for from the next round on. Copies the token. */
void core_add_endpoint(struct core *core, const char *token);

/* The types that have a handler file, sorted; they are asked for. A type that is
 * new here is asked for at once on a connection. Copies the names. */
void core_set_types(struct core *core, const char *const *types, size_t count);

/* Where core_options.polls: how often an idle pair of this type is polled; 0: as
 * the options say. Of a type that was never named it is ignored. */
void core_set_poll_interval(struct core *core, const char *type, int64_t interval_ms);

/* Where core_options.polls: a type that keeps its interval whatever comes for it. */
void core_set_poll_steady(struct core *core, const char *type);

/* The on_interrupt of the type's handler: goes with each of its commands that is
 * handed out from now on. REPORT until it is called. */
void core_set_policy(struct core *core, const char *type, enum command_policy policy);

/* Behind which older ones a command of the type waits, also where those were put back: all of
 * the type (until it is called), those of its endpoint, or none. */
enum core_order { CORE_ORDER_TYPE, CORE_ORDER_ENDPOINT, CORE_ORDER_NONE };
void core_set_order(struct core *core, const char *type, enum core_order order);

/* What is known of a command that was running when the host ended. */
enum core_evidence {
  CORE_BEGUN,     /* it had begun, or may have: no marks, or another boot */
  CORE_NOT_BEGUN, /* it had not */
  CORE_FINISHED,  /* it had ended, with this result */
};

/* A command that was alive when the host ended, before the first core_flush(), in
 * the order of sequences (`now_boot_ms` is clock_boot_ms()). QUEUED and less than
 * CORE_FRESH_MS of running time old, or handed out before: it is queued. QUEUED and
 * older, or of an earlier boot: it is held until the platform delivers it again; where
 * the first reply to a command request does not list it, it is dropped. RUNNING: by
 * `evidence` and its policy. WAITING: `resume` runs if the restart is proven
 * (`is_new_boot` tells of a reboot), else it waits on; with evidence FINISHED the marks
 * say that it waits, and the storage has it as running. DONE: its
 * result is reported. Copies the row; takes what `result` owns (may be NULL but for
 * RUNNING and FINISHED). One that is alive already is -EEXIST. An endpoint that was not
 * added is -ENOENT: nothing is done but that `result` is cleared, the storage keeps it. */
int core_restore(struct core *core, const struct storage_row *row, enum core_evidence evidence,
                 struct command_result *result, bool is_new_boot, int64_t now_boot_ms,
                 int64_t now_ms);

/* Likewise a message of the outbox, in the order of numbers; it is sent before what comes
 * later. Copies. */
int core_restore_message(struct core *core, const struct storage_message *message);

/* After a loss (core_options.is_lost): the first reply for this pair was dealt with. */
void core_restore_listed(struct core *core, const char *endpoint, const char *type);

/* The connection stands and is subscribed. The first time all types of all
 * endpoints are asked for at once, later spread over 10 s. Retries begin anew. */
void core_connected(struct core *core, int64_t now_ms);
void core_disconnected(struct core *core, int64_t now_ms);

/* The transport took messages again after a -EAGAIN. */
void core_writable(struct core *core);

/* A message with commands: a push, or the reply to a command request (then
 * `request_id` is not 0). Borrows the text. An endpoint that was not added, or a
 * type that is no type, is counted as malformed. */
void core_commands(struct core *core, const char *endpoint, const char *type, uint32_t request_id,
                   const char *text, size_t size, int64_t received_wall_ms,
                   int64_t received_boot_ms, int64_t now_ms);

/* The platform's answer to a message of ours: `status` 0 for …/status (success),
 * else the error object's code (0 readable code → pass 500) with its reason.
 * `request_id` may be 0 for an error (1/KP: an error may come without). */
void core_answered(struct core *core, enum core_message kind, const char *endpoint,
                   const char *type, uint32_t request_id, int status, const char *reason,
                   int64_t now_ms);

/* Right before core_answered() with an error: the platform asks to wait. What the
 * message with this id was for, a pair of endpoint and type whose command request
 * is a poll, or the results of this array, backs off for `wait_ms` at least, on
 * this connection. Of any other message it is ignored. */
void core_hold(struct core *core, enum core_message kind, uint32_t request_id, int64_t wait_ms);

/* The transport's peer has the message with this id (MQTT: PUBACK). Enough for
 * metadata, and for samples, unless the platform answers those by their request id. */
void core_published(struct core *core, uint32_t request_id, int64_t now_ms);

/* Moves up to `max` queued commands of a type, oldest first, to running; each
 * goes to the port run once that is durable. Returns how many: none while 16 MB of
 * results are not confirmed; the port queued is called again once half of them are. */
size_t core_hand_out(struct core *core, const char *type, size_t max);

/* The same with a say in which: `offer` is asked for each command, oldest first. One whose
 * endpoint is passed over keeps back all of that endpoint, and where the type has one order for
 * all endpoints whatever is younger. At most the whole queue is gone through. */
enum core_answer { CORE_TAKE, CORE_PASS, CORE_STOP };
typedef enum core_answer core_offer(void *context, const char *endpoint);
size_t core_hand_out_to(struct core *core, const char *type, size_t max, core_offer *offer,
                        void *context);

/* Announces room for commands of a type that have not come yet: up to `max` of
 * them go to the port run without core_hand_out(), durable as running in the
 * same batch that accepts them, as long as none of the type waits. Each that
 * runs uses up one; a new call sets the number anew, 0 withdraws it (one that is
 * with the storage already still runs), core_put_back() of the type withdraws
 * it, too. What is on its way under it counts against the `max` of
 * core_hand_out(), so that both may be given the room that is free now. */
void core_hand_out_ahead(struct core *core, const char *type, size_t max);

/* A running command ended. Takes what `result` owns and empties it. A command
 * that is not running (any more) is left alone. */
void core_finish(struct core *core, struct command *command, struct command_result *result);

/* Keeps what a running command needs to be resumed (kaa.checkpoint, kaa.resume_after);
 * the port saved says when it is durable. Takes what `saved` owns and empties it. A
 * command that is not running (any more) is left alone; the port is not called. */
void core_save(struct core *core, struct command *command, struct command_saved *saved);

/* A running command, for which a restart was kept, has ended without a result: it
 * waits for the restart. Its time counts from when the restart was kept; once that
 * is over it is answered 504. */
void core_wait(struct core *core, struct command *command);

/* A running command had not begun (its worker died, or the host stops): queued
 * again, in its old place. */
void core_put_back(struct core *core, struct command *command);

/* By hand: gives up a command that is alive, whatever it waits for: a queued one is not
 * run, the result of one that is done is not sent any more; both are DROPPED. Returns 0,
 * -ENOENT where none is alive (then its next delivery is looked for in the storage, however
 * soon it comes behind a repeat), -EBUSY where it is running (or with the storage). One that has
 * run, and has no result, gets one that says so: it does not run when it is delivered again. */
int core_forget(struct core *core, const char *endpoint, const char *type, int64_t id);

enum { CORE_CANCELLED = 499 };
#define CORE_CANCELLED_REASON "Cancelled"

struct core_cancelling {
  enum command_state state; /* as it was found */
  int status;               /* of -EALREADY; */
  const char *reason;       /* borrowed until the next call */
};

/* A command that has not begun, or waits for a restart, is answered 499 "Cancelled": at once,
 * or when the storage is done with what it is being told of it. Until then the same call
 * returns 0 again. -EBUSY: it is with its runner (port run), which is to end it; -EALREADY: it
 * has a result; -ENOENT: it is not alive, or over. */
int core_cancel(struct core *core, const char *endpoint, const char *type, int64_t id,
                struct core_cancelling *found);

/* Samples for the platform: a JSON array. What is not confirmed within a second is kept in
 * the storage, at most one writing a second; after a crash it may be sent twice. After
 * 7 days it is dropped. Copies. */
void core_telemetry(struct core *core, const char *endpoint, const char *samples, size_t size,
                    int64_t wall_ms, int64_t now_ms);

/* Metadata keys to merge into the endpoint's (10/EPMP): a JSON object with at
 * least one key. What waits for the same endpoint goes as one. Kept as telemetry; where
 * an earlier one of the endpoint is in the storage, it is sent once that knows of it, so that
 * no old value is sent after a newer one, whenever the host ends. Copies. */
void core_metadata(struct core *core, const char *endpoint, const char *keys, size_t size,
                   int64_t wall_ms, int64_t now_ms);

/* Before the end: what waits, or was confirmed, and the storage does not know goes to it
 * with the next core_flush() (where a writing is with it: after that). */
void core_keep_messages(struct core *core);

/* Submits what has gathered and sends what is due. After each turn of the loop. */
void core_flush(struct core *core, int64_t now_ms);

/* The storage has carried out the batch that was submitted last. */
void core_stored(struct core *core, int64_t now_ms);

/* The time of the next core_tick(), INT64_MAX where nothing is due. Holds until the
 * next other call. */
int64_t core_next_deadline(const struct core *core);

/* Takes what is due; the core_flush() that follows sends and submits it. */
void core_tick(struct core *core, int64_t now_ms);

struct core_counts {
  size_t received, queued, running, waiting, done; /* now; done: not confirmed yet */
  size_t held; /* of the queued: stale, until the platform delivers them again */
  uint64_t dropped; /* since the start */
  uint64_t accepted, answered, repeats, left, malformed, refused, confirmed; /* since the start;
                             refused: results that the platform refused for good */
  size_t telemetry_waiting, metadata_waiting; /* messages */
  uint64_t telemetry_dropped, metadata_dropped;
};

void core_get_counts(const struct core *core, struct core_counts *counts);

/* Whether everything that was done is confirmed and no telemetry or metadata waits. */
bool core_is_settled(const struct core *core);

#endif
