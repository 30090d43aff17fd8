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
  COMMAND_DONE,      /* durable with its result before the result is sent */
  COMMAND_CONFIRMED, /* the platform has the result */
  COMMAND_REFUSED,   /* the platform refused the result for good */
};

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
  int64_t received_wall_ms;
  struct command_result result; /* from DONE on */
  struct command_life *life;    /* the core's own */
};

#endif
