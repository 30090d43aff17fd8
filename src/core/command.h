/* A command: (endpoint token, type, id), its life and its result. The core owns
 * every struct command; others borrow it between the call that hands it out and
 * the one that gives it back. */
#ifndef KAALUA_CORE_COMMAND_H
#define KAALUA_CORE_COMMAND_H

#include "base/jsontext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum command_state {
  COMMAND_RECEIVED,  /* not durable: leaves when the storage has it, or it is a repeat */
  COMMAND_QUEUED,    /* durable: leaves when it is handed to a worker */
  COMMAND_RUNNING,   /* durable before it is handed out */
  COMMAND_WAITING,   /* durable: for the restart that it has asked for */
  COMMAND_DONE,      /* durable with its result before the result is sent */
  COMMAND_CONFIRMED, /* the platform has the result */
  COMMAND_REFUSED,   /* the platform refused the result for good */
  COMMAND_DROPPED,   /* never run: it was stale after a restart, and the platform lists it no more;
                        or its result was given up by hand */
};

enum { COMMAND_STATES = COMMAND_DROPPED + 1 };

/* What becomes of a command that had begun when the host died: its handler's
 * on_interrupt, kept with the command from the moment it is handed out. */
enum command_policy {
  COMMAND_REPORT, /* 500 "Interrupted: the outcome is unknown", also where `resume` had begun */
  COMMAND_RETRY,  /* run again, at most COMMAND_MAX_ATTEMPTS times in all */
  COMMAND_RESUME, /* its handler's resume, where it left a checkpoint; else as REPORT */
};

enum { COMMAND_MAX_ATTEMPTS = 3 };

/* The restart that a handler waits for (kaa.resume_after). */
enum command_restart {
  COMMAND_NO_RESTART,
  COMMAND_REBOOT,        /* of the machine: proven by another boot id */
  COMMAND_AGENT_RESTART, /* of the agent: proven by another process of it */
};

/* Kept by kaa.checkpoint (`restart` is NO_RESTART) and kaa.resume_after, for
 * `resume`. Later ones replace it. */
struct command_saved {
  enum command_restart restart;
  int64_t within_ms; /* the restart comes in this time, or the command is answered 504 */
  int64_t wall_ms;   /* when it was kept: for resume's `away` */
  int64_t boot_ms;   /* clock_boot_ms() then; -1: before the machine was started */
  char *text;        /* JSON; owned; NULL: none (then away and restart still count) */
  size_t text_bytes;
};

void command_saved_clear(struct command_saved *saved);

/* "received", "queued", … */
const char *command_state_name(enum command_state state);

/* What identifies a command. Texts are interned by the core and outlive it all. */
struct command_key {
  const char *endpoint; /* token */
  const char *type;
  int64_t id;
};

/* Orders keys; 0 for the same command. Types and tokens are compared as text. */
int command_key_compare(const struct command_key *a, const struct command_key *b);

struct command_result {
  int status;
  char *reason;  /* one line, at most 256 bytes; owned */
  char *payload; /* JSON text, owned; NULL: none */
  size_t payload_bytes;
};

void command_result_clear(struct command_result *result);

struct command {
  struct command_key key; /* first: the core's tree compares through it */
  enum command_state state;
  uint8_t digest[JSONTEXT_DIGEST_BYTES]; /* of the payload */
  char *element; /* as delivered, owned; NULL once done */
  size_t element_bytes;
  int64_t received_wall_ms; /* of the first receipt */
  int64_t received_boot_ms; /* clock_boot_ms() then; -1: before the machine was started */
  int64_t sequence; /* its number in the storage, ascending over the life of a journal, never used
                       again: what marks name (base/marks.h); set by the core before ACCEPT */
  enum command_policy policy; /* from RUN on */
  int attempts;               /* how often it was handed out to be run, from RUN on */
  bool resumes;               /* it is `resume` that runs, not `run` */
  bool has_saved;
  struct command_saved saved; /* as far as it is durable */
  struct command_result result; /* from DONE on */
  struct command_life *life;    /* the core's own */
  void *owner; /* its runner's own, from the port run until the port ended or put_back */
};

/* Of one that is handed out: it has begun once, or may have, in another process of the host. */
bool command_has_begun_before(const struct command *command);

#endif
