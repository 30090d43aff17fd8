/* The document that `kaalua status` shows. */
#ifndef KAALUA_HOST_CONTROL_STATUS_H
#define KAALUA_HOST_CONTROL_STATUS_H

#include "host/control_answers.h"

#include <jansson.h>
#include <stdint.h>

/* Returns owned. `started_ms` is clock_monotonic_ms() at the agent's start. */
json_t *control_status(const struct control_sources *sources, int64_t started_ms);

/* The same in at most `most_bytes` of JSON: of what is faulty or runs so many are left out as is
 * needed, the last first, and counted in "left_out". */
json_t *control_status_bounded(const struct control_sources *sources, int64_t started_ms,
                               size_t most_bytes);

#endif
