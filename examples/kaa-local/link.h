/* kaa-local's own connection to its broker, driven by the program's poll loop. */
#ifndef KAA_LOCAL_LINK_H
#define KAA_LOCAL_LINK_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct link;

struct link_handlers {
  void *context;
  /* A device has published; all borrowed. */
  void (*message)(void *context, uint64_t connection, int qos, const char *topic,
                  const char *payload, size_t size);
  void (*gone)(void *context, uint64_t connection);
};

struct link *link_create(const char *client_id, const char *password,
                         const struct link_handlers *handlers);
void link_destroy(struct link *link); /* NULL: nothing */

/* Tries once to connect and to hear from the plugin; waits at most a second for each. Returns
 * 0, or -EAGAIN. To be followed by link_settings(). */
int link_connect(struct link *link, int port);

int link_fd(const struct link *link);
bool link_wants_write(const struct link *link);

/* Reads, writes and keeps alive. Returns 0, or -EIO where the connection has ended. */
int link_turn(struct link *link, bool can_read);

/* `connection` 0: to whoever has subscribed. */
void link_push(struct link *link, uint64_t connection, int qos, const char *topic,
               const char *payload, size_t size);

/* "user:password" for devices, or "". */
void link_settings(struct link *link, bool is_plain, const char *credentials);

/* Cuts the connections of all devices. */
void link_cut(struct link *link);

#endif
