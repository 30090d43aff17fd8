/* The file state/alive. Each leader (worker/leader.h) but that of a detached program
 * holds a read lock on it for its life, so that a starting agent can tell whether
 * workers of the one before are still at work, and their marks not final.
 *
 * The locks are POSIX locks: they name their holder. This process never holds one
 * itself, and has the file open once only: closing any descriptor of it would drop them. */
#ifndef KAALUA_HOST_PRESENCE_H
#define KAALUA_HOST_PRESENCE_H

#include "base/error.h"

#include <stdbool.h>

/* Opens the file in a state directory, and makes it where it is missing. Returns the
 * descriptor for the leaders, to be closed by the caller; 0 where the file system is
 * read-only and has none: then nobody can hold it; or a negative errno. */
int presence_open(const char *directory);

/* Waits until no leader is there: up to 5 s for them to go by themselves, as they do
 * when their host is gone, then ends those that are left and waits up to 5 s more.
 * Returns 0, or -EBUSY where one is left still. */
int presence_wait_alone(int fd, struct error *error);

#endif
