/* Where commands are durable. The core gathers what happened in one turn of the
 * loop into one batch, submits it, and goes on when core_stored() says that all
 * of it is durable. Step by step: at most one batch is with the storage; what
 * happens meanwhile goes into the next.
 *
 * A storage touches only what is written here: the key, digest, element, stamps,
 * sequence, policy, attempts, resumes and result of a command do not change while a change that
 * names it is submitted, so a storage may read them from a thread of its own. (But for a
 * SAVE: the command may end meanwhile; of it only key and sequence are to be read.)
 *
 * A batch is all or nothing, but for what did not fit (`is_left`). A storage that
 * cannot make it durable for now (its disk is full) keeps it until it can; one that
 * can never (a write failed) does not answer, and the agent ends. */
#ifndef KAALUA_CORE_STORAGE_H
#define KAALUA_CORE_STORAGE_H

#include "core/command.h"

#include <stddef.h>

enum change_kind {
  CHANGE_ACCEPT,  /* received → queued, unless the storage knows the key: then `found` */
  CHANGE_REPLACE, /* the same, forgetting what the storage knows under that key */
  CHANGE_RUN,     /* queued → running, with policy, attempts and whether it resumes */
  CHANGE_REQUEUE, /* running → queued, with attempts and whether it resumes: it was handed out and
                     had not begun, or is to run again after a restart */
  CHANGE_SAVE,    /* running: `saved` is kept for resume */
  CHANGE_WAIT,    /* running → waiting, for the restart that was kept last */
  CHANGE_WAKE,    /* waiting → queued, resumes: the restart is proven, `resume` is to run */
  CHANGE_DONE,    /* running, queued or waiting → done, with its result; what was saved goes */
  CHANGE_CONFIRM, /* done → confirmed */
  CHANGE_REFUSE,  /* done → refused */
  CHANGE_DROP,    /* queued or done → dropped; a result that it has is remembered */
  CHANGE_LISTED,  /* after a loss: the first reply for this endpoint and type was dealt with */
  CHANGE_ANSWERED, /* the platform has confirmed a result by its request id, for the first time
                      in the life of this journal */
  CHANGE_KEEP,    /* a message of the outbox: new, or with another body under its number */
  CHANGE_RELEASE, /* it is gone: was confirmed or dropped; a KEEP of it may have been left */
};

/* A batch is carried out in its order. RUN or DONE directly behind an ACCEPT of
 * the same command belong to it: where the ACCEPT found something, or was left, they
 * are void. A RUN may follow a REQUEUE or WAKE of the same command, a WAKE a WAIT, a SAVE a
 * RUN, a DROP a DONE, and a REQUEUE a RUN that an earlier batch made durable. DONE behind
 * ACCEPT: an element that was refused, or a command after a loss, which is answered without
 * ever being run (it has no element text). */

/* What a storage remembers of a command whose life is over. */
struct storage_record {
  enum command_state state; /* CONFIRMED, REFUSED or DROPPED */
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  int64_t done_wall_ms; /* milliseconds since 1970 UTC; a storage that keeps only what is over
                           puts the time of confirmation or refusal here */
  struct command_result result; /* payload NULL where it was pruned or there was none; of one
                                   that was DROPPED and never done status 0 */
};

/* Telemetry or metadata on its way. */
struct storage_message {
  int64_t number; /* ascending over the life of a journal: the order; given by the core */
  bool is_metadata;
  const char *endpoint; /* interned by the core, or the storage's own while it is restored */
  int64_t wall_ms;      /* when it came */
  char *body;           /* JSON; owned by the change; NULL in a RELEASE */
  size_t body_bytes;
};

struct change {
  enum change_kind kind;
  struct command *command; /* NULL from LISTED on */
  struct storage_record *found; /* ACCEPT: set by the storage, owned by the core from then on;
                                   NULL: it was accepted */
  bool is_left; /* Set by the storage: there is no room. ACCEPT, REPLACE: it was not accepted.
                   KEEP: it was not kept, and nothing is under its number any more */
  struct command_saved saved; /* SAVE; owned by the change */
  struct command_key pair;    /* LISTED: endpoint and type */
  struct storage_message message; /* KEEP, RELEASE */
};

struct storage {
  void *context;
  /* Takes a batch, never empty; the array stays the core's and is left alone until
   * core_stored(), which must not be called from within. The storage must be idle
   * before core_destroy(): a batch, and the commands it names, go with the core. */
  void (*submit)(void *context, struct change *changes, size_t count);
};

/* A command that was alive when the host ended, as the storage found it at the
 * start; see core_restore(). Texts are borrowed for the call. */
struct storage_row {
  const char *endpoint;
  const char *type;
  int64_t id;
  int64_t sequence;
  enum command_state state; /* QUEUED, RUNNING, WAITING or DONE */
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  const char *element; /* NULL from DONE on */
  size_t element_bytes;
  int64_t received_wall_ms;
  int64_t received_boot_ms; /* -1: before the machine was started */
  enum command_policy policy;
  int attempts;
  bool resumes;
  bool has_saved;
  struct command_saved saved;   /* text borrowed */
  struct command_result result; /* DONE: borrowed */
};

void storage_record_destroy(struct storage_record *record);

#endif
