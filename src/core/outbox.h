/* Telemetry, or metadata, on its way: messages in the order they came, until the
 * platform has them; where it has never said so of any, until the broker has. Of
 * metadata the broker's word is always enough: sent again, an old value would
 * overtake a newer one. There is one outbox for each; outbox_room.h tells what goes where
 * there is no room, outbox_keep.h what is on the disk. Private to src/core. */
#ifndef KAALUA_CORE_OUTBOX_H
#define KAALUA_CORE_OUTBOX_H

#include "core/core.h"
#include "core/deadline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
  OUTBOX_WINDOW = 32,             /* messages under way */
  OUTBOX_RETRY_MS = 5000,         /* after a failure that may pass, doubling */
  OUTBOX_MESSAGE_BYTES = 128,     /* counted for each beside its text */
  OUTBOX_UNPUBLISHED_MS = 60 * 1000, /* without the broker's word it is sent again */
  OUTBOX_TRIES = 5, /* that the broker took and the platform did not answer; of one that
                     * failed, over HTTP, while the platform took others */
  OUTBOX_OUTAGE = 3, /* endpoints that begin to fail, over HTTP, without a success: all pause */
  OUTBOX_PAUSE_MS = 1000,         /* after each further one */
  OUTBOX_RELEASE_MS = 60 * 1000,  /* after an outage all have been tried again */
  OUTBOX_FAILURES_MOST = 127,
  OUTBOX_TELL_MS = 60 * 1000, /* between notes on those that went for want of room */
  OUTBOX_MAX_AGE_MS = 7 * 24 * 3600 * 1000, /* then a message is dropped */
  OUTBOX_AGE_EVERY_MS = 3600 * 1000,        /* between looks at the ages */
};

struct endpoint;
struct message;
TAILQ_HEAD(message_list, message);

/* What an outbox knows of an endpoint, over a transport that polls; outbox_hold owns it. */
struct outbox_endpoint {
  uint32_t until_s : 24; /* nothing of it is sent before; of the clock's seconds the low bits */
  uint32_t failures : 7; /* that may pass, since the last success */
  uint32_t has_sent : 1; /* one of its messages was sent and is in the list */
};

struct outbox {
  enum core_message kind;
  struct message_list list; /* those that were sent stand first, those under way among them */
  size_t count;
  size_t under_way;
  struct deadline retry; /* armed: nothing is sent until then */
  uint8_t failures;      /* since the last success; where the transport polls: endpoints that
                          * began to fail, at most OUTBOX_OUTAGE */
  size_t bytes;
  bool is_answered;      /* the platform has confirmed messages by their request id */
  uint32_t taken[OUTBOX_WINDOW]; /* request ids gone at the broker's word, a ring */
  size_t taken_at;
  uint32_t taken_count; /* successes that the platform told */
  struct deadline silence; /* the first to be over of those under way */
  uint64_t dropped;      /* since the start */
  uint64_t untold_drops; /* not noted yet */
  int64_t told_ms;       /* when the last were */
};

void outbox_init(struct outbox *outbox, enum core_message kind);
void outbox_clear(struct core *core, struct outbox *outbox);

/* Copies. `wall_ms`: when it came. */
void outbox_add(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                const char *body, size_t size, int64_t wall_ms);

/* The same for a JSON object of which a later one overrules the keys of an
 * earlier one: goes into the message of this endpoint that is not under way. Copies. */
void outbox_merge(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                  const char *object, size_t size, int64_t wall_ms);

/* A message that the storage has. Before anything is sent. Copies. */
void outbox_restore(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                    const struct storage_message *stored);

/* The platform's answer, `status` 0: it has the message. A refusal for good
 * drops it, another failure has it sent again later; over a transport that polls
 * only its own endpoint waits, and where others are taken it is dropped in the end, unless the
 * status says nothing of the message (401, 407, 408, 429). */
void outbox_answered(struct core *core, struct outbox *outbox, struct endpoint *endpoint,
                     uint32_t request_id, int status, const char *reason);

/* The broker has it. Returns whether a message of this outbox goes by this id. */
bool outbox_published(struct core *core, struct outbox *outbox, uint32_t request_id);

void outbox_disconnected(struct core *core, struct outbox *outbox);
void outbox_send(struct core *core, struct outbox *outbox);

#endif
