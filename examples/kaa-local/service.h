/* The platform's command service: endpoints, commands and what becomes of them.
 * It neither reads nor writes a socket: devices come in through device.h, operators
 * through the functions here, and what it has to say goes out through `outputs`. */
#ifndef KAA_LOCAL_SERVICE_H
#define KAA_LOCAL_SERVICE_H

#include "command_store.h"
#include "registry.h"
#include "switches.h"

#include "base/buffer.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct service;

struct service_outputs {
  void *context;
  /* A message to the device behind a connection; all borrowed. */
  void (*push)(void *context, uint64_t connection, const char *topic, const char *body,
               size_t size);
  /* Something that a watching operator is to see: a name and a JSON object. */
  void (*event)(void *context, const char *endpoint_id, const char *name, const char *json);
  /* A command is no longer pending, or (`is_deleted`) no longer there. */
  void (*settled)(void *context, const struct stored_command *command, bool is_deleted);
};

struct service_options {
  struct database *database; /* borrowed, as is what follows */
  const struct switches *switches;
  const char *app_version;
  bool is_open; /* unknown tokens are taken in */
  struct service_outputs outputs;
};

/* Knows the endpoints of the database; returns owned. */
struct service *service_create(const struct service_options *options);
void service_destroy(struct service *service); /* NULL: nothing */

/* Adds an endpoint, or finds the one that is there. `id` NULL: one made from the token, the
 * same each time. Returns NULL where the texts cannot be used or stand for another. */
struct endpoint *service_add_endpoint(struct service *service, const char *token, const char *id,
                                      struct error *error);

const struct registry *service_endpoints(const struct service *service);
struct database *service_database(const struct service *service);

/* Appends the endpoint as /api/endpoints shows it. */
void service_write_endpoint(const struct service *service, const struct endpoint *endpoint,
                            struct buffer *out);

enum { SERVICE_MAX_WAIT_S = 60 };
#define SERVICE_MAX_TTL_MS INT64_C(3153600000000) /* 100 years */

/* A new command: stored, told, and pushed where the endpoint can be reached. `payload` is
 * JSON, or NULL for none. Returns owned. */
struct stored_command *service_invoke(struct service *service, struct endpoint *endpoint,
                                      const char *type, const char *payload, int64_t ttl_ms);

/* Removes a command; returns whether there was one. */
bool service_remove(struct service *service, const char *endpoint_id, const char *type,
                    int64_t id);

/* The connection has ended. */
void service_connection_ended(struct service *service, uint64_t connection);

/* Lets the commands expire whose time is over; also to be called before an answer that
 * shows states. */
void service_expire(struct service *service);

/* Tells what changed of endpoints; to be called each second. */
void service_tick(struct service *service);

#endif
