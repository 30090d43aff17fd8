/* A core with a platform, a worker and a storage that do what a test tells
 * them; time is virtual. */
#ifndef KAALUA_TESTS_CORE_FIXTURE_H
#define KAALUA_TESTS_CORE_FIXTURE_H

#include "core/core.h"
#include "core/memory_storage.h"

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
  struct memory_storage *memory;
  int64_t now_ms;
  int64_t wall_ms;

  struct sent *sent;
  size_t sent_count;
  int send_rc;       /* what the port send returns */
  size_t room;       /* messages it takes before it says -EAGAIN */
  bool answers;      /* the platform confirms results from within the port */

  struct command **running; /* handed to the port run, not ended */
  size_t running_count;
  size_t runs;         /* since the start */
  size_t queued_calls;
  bool greedy;         /* the port queued hands out everything */

  void (*ran)(void *user, struct command *command); /* or NULL: called for each run */
  void *user;

  struct told *told;
  size_t told_count;

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
