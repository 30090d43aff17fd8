/* Telemetry on its way: arrays of samples in the order they came, until the
 * broker or the platform has them. Where there is no room the oldest go.
 * Private to src/core. */
#ifndef KAALUA_CORE_OUTBOX_H
#define KAALUA_CORE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

enum { OUTBOX_WINDOW = 32 /* messages under way */ };

struct core;
struct endpoint;
struct samples;
TAILQ_HEAD(samples_list, samples);

struct outbox {
  struct samples_list list; /* those that are sent stand first */
  size_t count;
  size_t under_way;
  size_t bytes;
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
void outbox_published(struct core *core, uint32_t request_id);

void outbox_disconnected(struct core *core);
void outbox_send(struct core *core);

#endif
