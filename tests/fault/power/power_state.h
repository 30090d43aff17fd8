/* What a journal is to hold, as one plain value: two journals hold the same where their
 * states are equal. Texts are held by size and hash; what a journal does not tell of a
 * command (power_state_hide) is zero. */
#ifndef KAALUA_TESTS_POWER_STATE_H
#define KAALUA_TESTS_POWER_STATE_H

#include "core/storage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  POWER_IDS = 20, /* from 1 on, of each endpoint and type */
  POWER_PAIRS = 4,
  POWER_COMMANDS = POWER_IDS * POWER_PAIRS,
  POWER_MESSAGES = 24,
  POWER_KEYS = 12, /* of each of three owners */
  POWER_STORED = POWER_KEYS * 3,
  POWER_HISTORY = 12, /* struct journal_options: max_history, max_ids */
  POWER_PAST = 20,
  POWER_TWICE = -1, /* a sequence: the command is there more than once */
};

struct power_text {
  uint64_t hash; /* 0: there is none */
  uint64_t size;
};

struct power_command {
  int64_t sequence; /* 0: it is not known */
  int64_t state;    /* enum command_state */
  int64_t is_past;  /* only the id, status and reason are left */
  int64_t received, policy, attempts, resumes, digest;
  int64_t has_saved, restart, within, saved_at;
  int64_t status;
  struct power_text element, saved, reason, payload;
};

struct power_message {
  int64_t number; /* 0: there is none */
  int64_t is_metadata, endpoint, received;
  struct power_text body;
};

struct power_state {
  struct power_command commands[POWER_COMMANDS];
  struct power_message messages[POWER_MESSAGES]; /* at number % POWER_MESSAGES */
  struct power_text stored[POWER_STORED];
  int64_t is_listed[POWER_PAIRS];
  int64_t was_answered;
  int64_t sequence, message; /* the greatest */
};

/* Names of the places above; -1 where it is none of them. */
extern const char *const POWER_ENDPOINTS[2];
extern const char *const POWER_TYPES[2];
const char *power_endpoint(int pair);
const char *power_type(int pair);
int power_pair(const char *endpoint, const char *type);
int power_place(const struct command_key *key);
const char *power_owner(int place); /* NULL: the device */

struct power_text power_text_of(const char *text, size_t size); /* NULL: none */

/* Carries a change out, with the RUN or DONE behind an ACCEPT where `next` is one that
 * belongs to it. Whether the journal is to find something. */
bool power_state_apply(struct power_state *state, const struct change *change);

/* What the end of a transaction prunes. */
void power_state_prune(struct power_state *state);

/* Sets what a journal does not tell in this state to zero. */
void power_state_hide(struct power_command *command);

/* Where they differ first, in `text`; false: they are equal. */
bool power_state_differs(const struct power_state *a, const struct power_state *b, char text[300]);

#endif
