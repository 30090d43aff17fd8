/* Telemetry on its way: arrays of samples in the order they came, until the
 * platform has them; where it has never said so of any, until the broker has.
 * Where there is no room the oldest go. Private to src/core. */
#ifndef KAALUA_CORE_OUTBOX_H
#define KAALUA_CORE_OUTBOX_H

#include "core/deadline.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
  OUTBOX_WINDOW = 32,             /* messages under way */
  OUTBOX_MESSAGE_BYTES = 128,     /* counted for each beside its text */
  OUTBOX_UNPUBLISHED_MS = 60 * 1000, /* without the broker's word it is sent again */
  OUTBOX_TRIES = 5, /* that the broker took and the platform did not answer */
};

struct core;
struct endpoint;
struct samples;
TAILQ_HEAD(samples_list, samples);

struct outbox {
  struct samples_list list; /* in the order they came; those under way are among the first */
  size_t count;
  size_t under_way;
  size_t bytes;
  bool is_answered;      /* the platform has confirmed samples by their request id */
  uint32_t taken[OUTBOX_WINDOW]; /* request ids gone at the broker's word, a ring */
  size_t taken_at;
  struct deadline silence; /* the first to be over of those under way */
  uint64_t dropped;      /* since the start */
  uint64_t untold_drops; /* not noted yet */
};

void outbox_init(struct outbox *outbox);
void outbox_clear(struct outbox *outbox);

/* Copies. */
void outbox_add(struct core *core, struct endpoint *endpoint, const char *samples, size_t size);

/* The platform's answer, `status` 0: it has them. */
void outbox_answered(struct core *core, const char *endpoint, uint32_t request_id, int status,
                     const char *reason);

/* The broker has them. */
void outbox_published(struct core *core, uint32_t request_id);

void outbox_disconnected(struct core *core);
void outbox_send(struct core *core);

#endif
