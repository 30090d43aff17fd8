/* What the table of handlers tells of itself to people. */
#ifndef KAALUA_HOST_HANDLERS_REPORT_H
#define KAALUA_HOST_HANDLERS_REPORT_H

#include "host/handlers.h"

#include <jansson.h>

/* {"in_service": N, "faulty": [{"type", "fault", "in_service"}, …], "directories": fault or
 * absent}: a faulty one may be in service with its last good version. Faults are one line.
 * Returns owned. */
json_t *handlers_report(const struct handlers *handlers);

#endif
