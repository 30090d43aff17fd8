/* Where commands are durable. The core gathers what happened in one turn of the
 * loop into one batch, submits it, and goes on when core_stored() says that all
 * of it is durable. Step by step: at most one batch is with the storage; what
 * happens meanwhile goes into the next.
 *
 * A storage touches only what is written here: the key, digest, element, stamps
 * and result of a command do not change while a change that names it is
 * submitted, so a storage may read them from a thread of its own. */
#ifndef KAALUA_CORE_STORAGE_H
#define KAALUA_CORE_STORAGE_H

#include "core/command.h"

#include <stddef.h>

enum change_kind {
  CHANGE_ACCEPT,  /* received → queued, unless the storage knows the key: then `found` */
  CHANGE_REPLACE, /* the same, forgetting what the storage knows under that key */
  CHANGE_RUN,     /* queued → running */
  CHANGE_REQUEUE, /* running → queued: it was handed out and had not begun */
  CHANGE_DONE,    /* running, or queued, → done, with its result */
  CHANGE_CONFIRM, /* done → confirmed */
  CHANGE_REFUSE,  /* done → refused */
};

/* A batch is carried out in its order. RUN or DONE directly behind an ACCEPT of
 * the same command belong to it: where the ACCEPT found something they are void.
 * A RUN may follow a REQUEUE of the same command, and a REQUEUE a RUN that an
 * earlier batch made durable. DONE behind ACCEPT: an element that was refused
 * and is answered without ever being run. */

/* What a storage remembers of a command whose life is over. */
struct storage_record {
  enum command_state state; /* CONFIRMED or REFUSED */
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  int64_t done_wall_ms; /* milliseconds since 1970 UTC; a storage that keeps only what is over
                           puts the time of confirmation or refusal here */
  struct command_result result; /* payload NULL where it was pruned or there was none */
};

struct change {
  enum change_kind kind;
  struct command *command;
  struct storage_record *found; /* ACCEPT: set by the storage, owned by the core from then on;
                                   NULL: it was accepted */
};

struct storage {
  void *context;
  /* Takes a batch, never empty; the array stays the core's and is left alone until
   * core_stored(), which must not be called from within. The storage must be idle
   * before core_destroy(): a batch, and the commands it names, go with the core. */
  void (*submit)(void *context, struct change *changes, size_t count);
};

void storage_record_destroy(struct storage_record *record);

#endif
