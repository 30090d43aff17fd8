/* What the parts of the core share: endpoints, types and the core itself.
 * Private to src/core. Each part owns the fields that stand under its name and
 * alone changes them. */
#ifndef KAALUA_CORE_STATE_H
#define KAALUA_CORE_STATE_H

#include "base/buffer.h"
#include "core/ask.h"
#include "core/batch.h"
#include "core/core.h"
#include "core/deadline.h"
#include "core/life.h"
#include "core/notes.h"
#include "core/outbox.h"
#include "core/outbox_keep.h"
#include "core/repeat.h"
#include "core/report.h"
#include "core/stale.h"

#include <sys/queue.h>

enum {
  STATE_MAX_TYPES = 1000, /* names without a handler file that are remembered */
  STATE_SEND_AGAIN_MS = 1000,
};

/* An endpoint. Lives as long as the core, so that its token can be borrowed.
 * There may be 10,000 of them. */
struct endpoint {
  struct ask_endpoint ask;
  struct message *metadata; /* of core.metadata: waits to be sent; or NULL */
  uint32_t kept_metadata;   /* of outbox_keep: messages that are, or may be, on the disk */
  struct outbox_endpoint outboxes[2]; /* of telemetry, of metadata */
  char token[];
};

/* A command type, with a handler file or not. Lives as long as the core. */
struct type {
  struct ask_type ask;
  struct pace_type pace;
  struct life_list queue;  /* queued, by sequence: in the order of arrival */
  struct life_list handed; /* handed out, not yet durable as running, by sequence */
  size_t backlog;         /* received or queued */
  size_t waiting;         /* received, and not on its way to a worker */
  size_t ahead;           /* room that was announced for what has not come yet */
  size_t coming;          /* received, to run as soon as it is durable, within `ahead` */
  enum command_policy policy;
  enum core_order order;
  bool has_handler;
  bool has_grown;         /* in core.grown: its queue grew since the port queued was called */
  TAILQ_ENTRY(type) grown;
  char name[];
};

TAILQ_HEAD(type_list, type);

struct core {
  struct core_ports ports;
  struct storage storage;
  struct core_options options;

  int64_t now_ms; /* as the last call told */
  int64_t wall_ms;    /* likewise, 0: unknown */
  int64_t wall_at_ms; /* now_ms at that time, INT64_MIN: at the first flush */
  uint64_t random;
  uint32_t next_request_id;
  bool is_connected;
  uint32_t connection; /* counts connections */
  int64_t connected_ms;
  bool is_calling; /* a port is being called: flushing waits */
  bool is_blocked; /* the transport had no room */
  struct deadline send_again;

  void *endpoint_names; /* trees of struct endpoint.token, struct type.name */
  void *type_names;
  size_t nameless_types; /* types without a handler file since they were first seen */

  struct deadlines deadlines;
  struct notes notes;
  struct batches batches;
  struct lives lives;
  struct type_list grown;
  uint64_t hand_outs; /* calls of core_hand_out_to() */
  bool holds_work; /* results in memory have no room: nothing is handed out until half is free */
  struct repeats repeats;
  struct stales stales;
  struct reports reports;
  struct asks asks;
  struct outbox telemetry;
  struct outbox metadata;
  struct outbox_keep keep; /* of both */
  struct core_counts counts; /* the part since the start; the rest is filled on demand */
};

/* Returns NULL where the token was not added. */
struct endpoint *state_find_endpoint(const struct core *core, const char *token);
struct endpoint *state_add_endpoint(struct core *core, const char *token);

/* Returns NULL where the name was never seen. */
struct type *state_find_type(const struct core *core, const char *name);

/* Returns the type, made where needed; NULL where too many names without a
 * handler file were seen. */
struct type *state_intern_type(struct core *core, const char *name, bool has_handler);

void state_clear(struct core *core);

/* Tells the core the wall clock, with core.now_ms. */
void state_set_wall(struct core *core, int64_t wall_ms);

/* The wall clock now; 0: unknown. */
int64_t state_wall_ms(struct core *core);

/* A number from 0 up to, not including, 1. */
double state_random(struct core *core);

/* `ms` ± 20 %. */
int64_t state_jitter(struct core *core, int64_t ms);

/* 1 … 2147483647, none that a result array still goes by. */
uint32_t state_next_request_id(struct core *core);

/* `first_ms` doubled `times` times, at most 300 s. */
int64_t state_back_off_ms(int64_t first_ms, unsigned times);

/* Calls the port send, unless the transport had no room. Returns 0 or -EAGAIN. */
int state_send(struct core *core, enum core_message kind, const struct endpoint *endpoint,
               const struct type *type, uint32_t request_id, const char *body, size_t body_bytes);

/* The transport may have room again. */
void state_unblock(struct core *core);

#endif
