/* What the agent tells the platform of itself, as metadata of each endpoint:
 *
 *   kaalua_version
 *   kaalua_handlers  object: type → hash of the version that serves it
 *   kaalua_faults    object: type → "file:line: message"; what is wrong with the directories under
 *                    "handlers/", which is no type; empty where nothing is wrong
 *   boot_id          of the kernel; absent where it tells none
 *
 * Sent once connected, and a second after something changed, at most each 10 s, and only where
 * it is another than what the endpoint was sent last by this process. With many endpoints it is
 * spread: so many at a time as the platform takes. Each object has at most 8 kB; what has no room
 * is counted under "…". On the loop's thread.
 *
 *   agent_metadata_create → … agent_metadata_changed …, agent_metadata_set_connected → destroy */
#ifndef KAALUA_HOST_AGENT_METADATA_H
#define KAALUA_HOST_AGENT_METADATA_H

#include "core/core.h"
#include "handlers/handlers.h"
#include "host/config.h"
#include "io/loop.h"

#include <stdbool.h>

struct agent_metadata;

struct agent_metadata_options {
  const struct config *config; /* the endpoints; all are borrowed, and outlive it */
  struct core *core;
  const struct handlers *handlers;
  const char *boot_id;
};

/* Returns owned. */
struct agent_metadata *agent_metadata_create(const struct agent_metadata_options *options,
                                             struct loop *loop);

/* What is told may have changed. NULL is fine, as below. */
void agent_metadata_changed(struct agent_metadata *metadata);

/* In each turn: whether the platform is there. */
void agent_metadata_set_connected(struct agent_metadata *metadata, bool is_connected);

void agent_metadata_destroy(struct agent_metadata *metadata);

#endif
