/* A device's 1/KP path, as a topic or behind the slash of a URL:
 *
 *   kp1/<app version>/<extension instance>/<token>/<resource…>[/<request id>]
 *
 * Pure. */
#ifndef KAA_LOCAL_DEVICE_PATH_H
#define KAA_LOCAL_DEVICE_PATH_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

struct device_path {
  char *app_version, *extension, *token; /* the path's */
  char *resource;      /* "command/reboot", "update/keys"; the path's */
  uint32_t request_id; /* 0: none */
  bool is_response;    /* it ends in status or error: nothing that a device asks */
  char *memory;
};

/* Copies and cuts. Returns 0, or -EINVAL; `path` is to be cleared in both cases. */
int device_path_read(struct device_path *path, const char *text, struct error *error);
void device_path_clear(struct device_path *path);

#endif
