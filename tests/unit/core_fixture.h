/* A core with a platform, a worker and a storage that do what a test tells
 * them; time is virtual. */
#ifndef KAALUA_TESTS_CORE_FIXTURE_H
#define KAALUA_TESTS_CORE_FIXTURE_H

#include "core/core.h"
#include "core_rows.h"
#include "memory_storage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FIXTURE_MAX = 20000 };

struct sent {
  enum core_message kind;
  char endpoint[32];
  char type[72];
  uint32_t request_id;
  char *body;
  size_t body_bytes;
  int64_t at_ms;
};

struct told {
  enum core_note note;
  char type[72];
  int64_t id;
  char detail[400];
};

struct fixture {
  struct core *core;
  struct memory_storage *memory; /* of what is over */
  struct core_rows *rows;        /* of what is alive */
  int64_t now_ms;
  int64_t wall_ms;
  int64_t booted_ms; /* on the clock of now_ms */

  struct sent *sent;
  size_t sent_count;
  int send_rc;       /* what the port send returns */
  size_t room;       /* messages it takes before it says -EAGAIN */
  bool answers;      /* the platform confirms results from within the port */

  struct command **running; /* handed to the port run, not ended */
  size_t running_count;
  size_t runs;         /* since the start */
  size_t queued_calls;
  size_t withdrawn;
  bool greedy;         /* the port queued hands out everything */

  void (*ran)(void *user, struct command *command); /* or NULL: called for each run */
  void *user;

  struct told *told;
  size_t told_count;

  char events[4000]; /* what the ports run, ended and saved were called for: "run 7 ended 7" */
  bool leaves;              /* the storage has no room for what is new */
  /* or NULL: called for each batch as it becomes durable */
  void (*stores)(void *user, const struct change *changes, size_t count);

  bool slow;                /* the storage waits for fixture_store() */
  struct change *submitted; /* and holds this */
  size_t submitted_count;
  size_t batches;
};

/* A connected core with endpoints E1, E2 and types "a", "b". */
void fixture_open(struct fixture *f, const struct core_options *options);

/* The same with no endpoint, no type and no connection. */
void fixture_open_bare(struct fixture *f, const struct core_options *options);
void fixture_close(struct fixture *f);

/* The host is killed: what the storage does not have is gone. Of a batch that a slow storage
 * holds, `is_stored` says which it was. */
void fixture_kill(struct fixture *f, bool is_stored);

/* Between the two: what the storage had is lost. */
void fixture_lose(struct fixture *f);

/* It is started again, perhaps with the machine: a core with endpoints E1, E2 and types "a",
 * "b", restored from the storage and not connected. `evidence` may be NULL: all had begun;
 * else it returns what the marks say, and fills the result that they hold. */
typedef enum core_evidence fixture_marks(void *user, const struct storage_row *row,
                                         struct command_result *result);
void fixture_restart(struct fixture *f, const struct core_options *options, bool is_reboot,
                     fixture_marks *marks, void *user);

/* The row of the command with this id; NULL where none is alive in the storage. */
const struct storage_row *fixture_row(const struct fixture *f, int64_t id);

/* The reply to the last command request for this pair. */
void fixture_reply(struct fixture *f, const char *endpoint, const char *type, const char *text);

/* Flushes until nothing is left to do now. */
void fixture_turn(struct fixture *f);

/* The slow storage carries out what it holds; then as fixture_turn(). */
void fixture_store(struct fixture *f);

/* Lets time pass, with every deadline on the way. */
void fixture_pass(struct fixture *f, int64_t ms);

/* Delivers a message and takes a turn. */
void fixture_push(struct fixture *f, const char *endpoint, const char *type, const char *text);

/* The worker ends the first running command: 200 "OK". */
void fixture_finish(struct fixture *f);
void fixture_finish_with(struct fixture *f, size_t n, int status, const char *payload);

void fixture_connect(struct fixture *f);
void fixture_disconnect(struct fixture *f);

/* The n-th message of a kind since the last fixture_forget(); NULL past the last. */
const struct sent *fixture_sent(const struct fixture *f, enum core_message kind, size_t n);
size_t fixture_count(const struct fixture *f, enum core_message kind);
const struct sent *fixture_last(const struct fixture *f, enum core_message kind);

/* The platform answers this message. */
void fixture_answer(struct fixture *f, const struct sent *sent, int status);

size_t fixture_notes(const struct fixture *f, enum core_note note);
void fixture_forget(struct fixture *f);

struct core_counts fixture_counts(const struct fixture *f);

#endif
