/* Which user handlers run as: the one of `handler_user` in the configuration, else
 * kaalua-handler where that exists and this process may switch to it, else its own.
 * Names are looked up in /etc/passwd and /etc/group themselves: what is asked of name
 * services stays in the memory of the agent. */
#ifndef KAALUA_SUPERVISION_HANDLER_USER_H
#define KAALUA_SUPERVISION_HANDLER_USER_H

#include "base/error.h"

#include <stdbool.h>

struct handler_user {
  char *name; /* for people; of the own user its name, too */
  char *ids;  /* for kaalua-worker (base/worker_frames.h): "998:998,20"; NULL: no switch */
};

/* Chooses by the configuration's `wanted`, NULL for the default, in place of what was
 * chosen before. Returns 0, -ENOENT where the wanted user does not exist, or -EPERM where
 * this process may not switch to it, with `error`; then the default is chosen. */
int handler_user_choose(struct handler_user *user, const char *wanted, struct error *error);

/* Whether it is the user that this process runs as. */
bool handler_user_is_own(const struct handler_user *user);

void handler_user_clear(struct handler_user *user);

#endif
