/* One message of an outbox. `outbox.c` owns what is said of its sending,
 * `outbox_keep.c` what is said of the disk. Private to the outbox. */
#ifndef KAALUA_CORE_OUTBOX_MESSAGE_H
#define KAALUA_CORE_OUTBOX_MESSAGE_H

#include "core/outbox.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

/* What the storage has of its present body. */
enum message_keeping {
  MESSAGE_APART,   /* in no list of outbox_keep: new */
  MESSAGE_UNKEPT,  /* in outbox_keep.unkept */
  MESSAGE_WRITING, /* in outbox_keep.writing */
  MESSAGE_STORED,  /* durable, in no list */
};

struct message {
  TAILQ_ENTRY(message) place;
  TAILQ_ENTRY(message) keeping_place;
  struct endpoint *endpoint;
  char *body;
  int64_t number;   /* in the order of arrival, of both outboxes */
  int64_t wall_ms;  /* when its body came */
  int64_t since_ms; /* the same by core.now_ms; without meaning where is_restored */
  int64_t until_ms; /* under way: when it will have been silent for too long; else: not sent
                       before */
  uint32_t size_bytes;
  uint32_t request_id;   /* 0: never sent; stays, so that a late answer is understood */
  uint32_t taken_before; /* outbox.taken_count at the last failure */
  uint8_t tries;         /* that the broker took */
  uint8_t strikes;       /* over a transport that polls: failures while others were taken */
  bool is_under_way : 1;
  bool is_metadata : 1;
  bool is_restored : 1; /* with this body, from an earlier process */
  bool is_on_disk : 1;  /* some body of it is, or may be */
  unsigned keeping : 2; /* enum message_keeping */
};

/* Each has two allocations. */
_Static_assert(sizeof(struct message) + 32 <= OUTBOX_MESSAGE_BYTES, "with the allocator's part");

#endif
