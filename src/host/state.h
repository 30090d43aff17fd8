/* The state directory: one agent at a time, with nothing left of the one before, and
 * what lasts from one start to the next. */
#ifndef KAALUA_HOST_STATE_H
#define KAALUA_HOST_STATE_H

#include "base/error.h"

#include <stdbool.h>

struct state {
  char *path;
  int lock_fd;
  int presence_fd;   /* for leaders (host/presence.h); 0: none */
  bool is_read_only; /* the file system is */
  char boot_id[40];  /* of the kernel; "" where it tells none */
  char *client_id; /* of MQTT, made once and kept */
};

/* Makes the directory where it is missing (0700) and locks it; waits up to 2 s
 * for an agent that is just ending, then until no worker of it is left
 * (host/presence.h). Returns 0, or -EBUSY where another agent has it, or another
 * negative errno, with `error`. On a read-only file system it is locked where the file
 * for that is there. */
int state_open(struct state *state, const char *path, struct error *error);
void state_close(struct state *state);

#endif
