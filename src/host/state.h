/* The state directory: one agent at a time, and what lasts from one start to
 * the next. */
#ifndef KAALUA_HOST_STATE_H
#define KAALUA_HOST_STATE_H

#include "base/error.h"

struct state {
  char *path;
  int lock_fd;
  char *client_id; /* of MQTT, made once and kept */
};

/* Makes the directory where it is missing (0700) and locks it; waits up to 2 s
 * for an agent that is just ending. Returns 0, or -EBUSY where another agent
 * has it, or another negative errno, with `error`. */
int state_open(struct state *state, const char *path, struct error *error);
void state_close(struct state *state);

#endif
