/* What service.c and the files of device.h share. */
#ifndef KAA_LOCAL_SERVICE_STATE_H
#define KAA_LOCAL_SERVICE_STATE_H

#include "service.h"

struct service {
  struct service_options options;
  struct registry *registry;
  uint64_t delivered; /* elements, for the switches that count */
  uint64_t confirmed; /* results, likewise */
};

/* Tells a change of a command; of one that is settled the waiting operator too. */
void service_tell_command(struct service *service, const struct stored_command *command);

/* Tells how an endpoint is connected, where that changed since it was last told. */
void service_tell_endpoint(struct service *service, struct endpoint *endpoint);

/* Whether pushes reach the endpoint: by MQTT, and not cut off as idle. */
bool service_can_push(const struct service *service, const struct endpoint *endpoint);

/* Pushes commands of one type: `elements` is what is between the brackets. */
void service_push(struct service *service, const struct endpoint *endpoint, const char *type,
                  const char *elements);

/* Appends a command as an element of a message to the device, re-serialised where it is its
 * turn. Returns whether this delivery is to be made twice. */
bool service_write_element(struct service *service, const struct stored_command *command,
                           struct buffer *out);

enum { SERVICE_LISTED_BYTES = 15 * 1000 * 1000 }; /* the broker takes no message over 16 MiB */

/* Appends the outstanding commands of a type, without brackets, the oldest first: at
 * most SERVICE_LISTED_BYTES of them, but one at least. */
void service_write_outstanding(struct service *service, const struct endpoint *endpoint,
                               const char *type, struct buffer *out);

#endif
