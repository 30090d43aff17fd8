/* The commands that the handlers' workers have: cancelled, and told of to people. */
#ifndef KAALUA_HANDLERS_HANDLERS_RUNNING_H
#define KAALUA_HANDLERS_HANDLERS_RUNNING_H

#include "core/command.h"
#include "handlers/handlers.h"

#include <jansson.h>
#include <stddef.h>

/* Cancels a command as worker_cancel() does; the port finished tells its end, also from within.
 * Returns 0 with *begun, whether its handler may have begun it; -ENOENT where no worker has it. */
int handlers_cancel(struct handlers *handlers, const struct command_key *key, bool *begun);

/* How far a command that runs is: {"percent", "text"}, either may be absent. Returns owned; NULL
 * where it does not run, or has said nothing. */
json_t *handlers_progress(const struct handlers *handlers, const struct command_key *key);

/* The commands that run, an array of at most `most` objects {"type", "id", "endpoint" (shortened),
 * "for_s", "progress"?, "cancelled"? (true)}. *more: how many others run. Returns owned. */
json_t *handlers_running(const struct handlers *handlers, size_t most, size_t *more);

#endif
