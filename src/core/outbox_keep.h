/* The outbox on the disk. A message that is not confirmed within OUTBOX_KEEP_MS
 * of its coming, or of its change, is kept; with it go all others that wait, so that
 * there is at most one writing in that time, and none while all are confirmed sooner.
 * One that was kept and is gone is released with the next writing. After a crash
 * samples may go out twice.
 *
 * Metadata must not come back from the disk behind a newer value that was
 * confirmed: where the disk has, or may have, something of an endpoint, its metadata
 * is sent only once it is durable itself, or once all that is released.
 *
 * At most one writing is with the storage, or waits for its turn there: a slow disk
 * gathers nothing in memory. Private to src/core. */
#ifndef KAALUA_CORE_OUTBOX_KEEP_H
#define KAALUA_CORE_OUTBOX_KEEP_H

#include "core/core.h"
#include "core/deadline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { OUTBOX_KEEP_MS = 1000 };

struct endpoint;
struct message;
struct release;
TAILQ_HEAD(keep_list, message);

struct outbox_keep {
  int64_t last_number;      /* of both outboxes, in the life of the storage */
  struct keep_list unkept;  /* not stored with their present body; the first since longest */
  struct keep_list writing; /* named by the writing that is on its way */
  struct release *releases; /* to be released with the next writing */
  size_t release_count;
  size_t release_capacity;
  int64_t released_ms; /* when the first of them was gone */
  bool is_writing;     /* a writing was gathered and is not durable */
  bool is_hurried;     /* the next one does not wait for its time */
  struct deadline due;
  int64_t next_age_ms; /* outbox_room: when ages are looked at */
};

void outbox_keep_init(struct core *core);
void outbox_keep_clear(struct core *core);

/* It is new, or its body is. */
void outbox_keep_changed(struct core *core, struct message *message);

/* It came from the storage. */
void outbox_keep_restored(struct core *core, struct message *message);

/* It is about to be destroyed. */
void outbox_keep_gone(struct core *core, struct message *message);

/* Whether it may be sent. */
bool outbox_keep_allows(const struct message *message);

/* Adds what is due to the batch that gathers; after what is sent, before it is submitted. */
void outbox_keep_write(struct core *core);

/* A KEEP or RELEASE is durable, or the KEEP had no room: then it is tried again with the
 * next writing. Frees its body. */
void outbox_keep_stored(struct core *core, struct change *change);

#endif
