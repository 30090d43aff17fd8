/* Commands that are alive, and the lanes they go through: one for each pair of
 * endpoint and type that has any. Private to src/core. */
#ifndef KAALUA_CORE_LIFE_H
#define KAALUA_CORE_LIFE_H

#include "core/command.h"
#include "core/deadline.h"

#include <sys/queue.h>

struct core;
struct endpoint;
struct type;
struct report;
struct command_life;

TAILQ_HEAD(life_list, command_life);

/* Where a result is on its way to the platform. */
enum life_place {
  LIFE_NOWHERE,     /* not done, or a result without a connection */
  LIFE_READY,       /* in its lane's list: goes with the next array */
  LIFE_SUSPECT,     /* in reports.suspects: goes alone, when all others are through */
  LIFE_OUTSTANDING, /* sent in `report`, not answered yet */
  LIFE_BACKING_OFF, /* `retry` is armed */
  LIFE_SETTLING,    /* confirmed, refused or dropped; the storage is being told */
};

struct command_life {
  struct command command; /* first: the tree compares through its key */
  struct lane *lane;
  TAILQ_ENTRY(command_life) place; /* in its type's queue, or with the held ones of its pair; then
                                      with those handed out; then in a list of results */
  TAILQ_ENTRY(command_life) all;   /* in reports.unconfirmed or reports.answers */
  struct deadline retry; /* of its result; before: the restart that it waits for comes in time */
  struct report *report;
  int64_t first_sent_ms;
  int64_t sent_ms;
  int64_t gap_ms; /* a repeat may bring the next resend forward after this */
  int64_t held_until_ms; /* the platform asked for it; while backing off */
  uint32_t tries; /* since it was done */
  uint8_t failures; /* on this connection */
  uint8_t disconnections; /* while it was outstanding */
  uint8_t where; /* enum life_place */
  char *again; /* SETTLING: the element of a delivery that came meanwhile; owned, or NULL */
  size_t again_bytes;
  int64_t again_wall_ms;
  int64_t again_boot_ms;
  int64_t until_ms;  /* the restart that was kept is to have come by then, */
  int64_t within_ms; /* in this time from when it was kept */
  uint32_t changes;  /* that name it, gathered or with the storage */
  uint8_t restart;   /* enum command_restart: as it was kept last, durable or not */
  bool is_refusal : 1; /* accepted and answered in one: never handed out */
  bool is_lost : 1; /* a refusal, because the journal was lost */
  bool is_held : 1; /* queued, but stale: in stale_pair.held */
  bool is_ending : 1; /* the port ended is to be called once that is durable */
  bool takes_back : 1; /* the attempt that is requeued is none */
  bool is_coming : 1; /* runs as soon as it is durable, within type.ahead */
  bool has_begun : 1; /* the port run was called */
  bool is_answer : 1; /* of the storage, to a repeat */
  bool goes_alone : 1; /* an array with it was refused */
  bool has_result : 1;
  bool is_published : 1; /* the broker has it, as it was sent last */
  bool is_cancelled : 1; /* answered as soon as no change names it, and not begun */
};

struct lane {
  struct endpoint *endpoint;
  struct type *type;
  size_t lives;
  struct life_list ready;
  unsigned outstanding; /* arrays */
  bool is_sending;      /* in reports.sending */
  uint64_t passed_in;   /* core.hand_outs of the last one that passed it over */
  TAILQ_ENTRY(lane) sending;
};

/* What a life takes beside element and result, its lane and two nodes of trees
 * among it; the allocator adds to each of some eight blocks. */
enum { LIFE_BYTES = sizeof(struct command_life) + sizeof(struct lane) + 2 * 32 + 8 * 16 };

struct lives {
  void *tree;  /* of struct command_life, by key */
  void *lanes; /* of struct lane, by endpoint and type */
  int64_t last_sequence;
  size_t counts[COMMAND_STATES]; /* by state; received and queued also in type.backlog */
  size_t element_bytes; /* of those without a result: elements, and LIFE_BYTES for each */
  size_t result_bytes;  /* the same of those with one */
};

/* A received command without element and result, counted and findable. Sequences tell
 * the order of arrival, and one life of a key from the next. */
struct command_life *life_create(struct core *core, struct endpoint *endpoint, struct type *type,
                                 int64_t id, int64_t sequence);

int64_t life_next_sequence(struct core *core);

/* NULL where no such command is alive. */
struct command_life *life_find(struct core *core, const struct command_key *key);

void life_set_state(struct core *core, struct command_life *life, enum command_state state);
void life_set_element(struct core *core, struct command_life *life, const char *text, size_t size);

/* Keeps the element of a delivery for when the life is settled. */
void life_set_again(struct core *core, struct command_life *life, const char *text, size_t size);

/* Takes what `result` owns. The element is not needed from then on. */
void life_set_result(struct core *core, struct command_life *life, struct command_result *result);

/* Takes it out of all lists and frees it. */
void life_destroy(struct core *core, struct command_life *life);

/* Frees the lane where nothing goes through it. */
void life_release_lane(struct core *core, struct lane *lane);

void life_clear(struct lives *lives);

#endif
