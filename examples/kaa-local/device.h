/* A device's request to the platform, over either transport (1/KP). */
#ifndef KAA_LOCAL_DEVICE_H
#define KAA_LOCAL_DEVICE_H

#include "service.h"

#include "base/buffer.h"

enum { DEVICE_MAX_BYTES = 1024 * 1024 }; /* of a message; more is answered 413 */

struct device_request {
  const char *path; /* "kp1/…": a topic, or a URL without its first slash */
  const char *body;
  size_t body_bytes;
  uint64_t connection; /* that it came over; 0: over HTTP */
};

struct device_reply {
  int status;          /* 200, or an error's code; 0: there is no answer, as a switch wants it */
  struct buffer body;  /* of a success; empty: of zero length */
  char reason[256];    /* of an error */
  uint32_t request_id; /* 0: the request had none */
};

/* Carries the request out and fills `reply`, to be cleared. */
void device_handle(struct service *service, const struct device_request *request,
                   struct device_reply *reply);

void device_reply_clear(struct device_reply *reply);

/* Appends the 1/KP error object (0001-error-response.schema.json). */
void device_write_error(struct buffer *out, const struct device_reply *reply);

#endif
