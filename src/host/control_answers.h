/* What the running agent answers on its control socket (io/control.h). A request is one
 * JSON object in a line; the answer is one line, {"answer": …} or {"error": "…", "status":
 * exit status of the one who asks, "candidates": […] where an id was not unique}:
 *
 *   {"ask": "status"}
 *   {"ask": "history", "type", "endpoint", "limit", "before"}   each may be absent
 *   {"ask": "show", "id", "type", "endpoint"}                    the last two may be absent
 *   {"ask": "forget", "id", "type", "endpoint"}
 *   {"ask": "handlers"}
 *   {"ask": "reload", "types": […]}                              absent: all that changed or failed
 *
 * The answer to `handlers` is {"handlers": handlers_list(), "directories": what is wrong with them},
 * that to `reload` likewise, of the types that were asked for, each with its "outcome": "new",
 * "changed", "loaded again", "mended", "unchanged", "faulty" or "removed"; it comes once all is
 * loaded, or after 10 s as an error with the status 75.
 *
 * An endpoint is a token or the beginning of one. Tokens go out shortened, as in the log, and
 * no other secret goes out; times are ISO 8601, UTC. A command that runs has "progress",
 * {"percent", "text"}, where its handler has said it. A command's texts (its element, payload,
 * saved) go out as texts, for the spelling of their numbers to survive.
 *
 *   control_answers_create → … → control_answers_close → journal_close →
 *   control_answers_destroy */
#ifndef KAALUA_HOST_CONTROL_ANSWERS_H
#define KAALUA_HOST_CONTROL_ANSWERS_H

#include "core/core.h"
#include "handlers/handlers.h"
#include "host/config.h"
#include "host/wire.h"
#include "io/loop.h"
#include "journal/journal.h"

/* What is asked about: borrowed, all of it outlives the answers. */
struct control_sources {
  const struct config *config;
  struct core *core;
  struct handlers *handlers;
  struct journal *journal;
  const struct wire *wire;
  const struct workplace *workplace;
  struct journal_start found; /* what the journal was at the start */
};

struct control_answers;

/* Opens the socket that the configuration names; where that fails, it is logged, and
 * nobody can ask. Returns owned. Copies the struct; the agent counts as started here. */
struct control_answers *control_answers_create(const struct control_sources *sources,
                                               struct loop *loop);

/* Nobody is answered any more, nor is the core asked. NULL is fine. */
void control_answers_close(struct control_answers *answers);

/* When the journal is closed. NULL is fine. */
void control_answers_destroy(struct control_answers *answers);

#endif
