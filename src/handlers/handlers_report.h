/* What the table of handlers tells of itself: to people (`kaalua handlers`, `status`), and to
 * the platform. */
#ifndef KAALUA_HANDLERS_HANDLERS_REPORT_H
#define KAALUA_HANDLERS_HANDLERS_REPORT_H

#include "handlers/handlers.h"

#include <jansson.h>

/* {"in_service": N, "faulty": [{"type", "fault", "in_service"}, …], "directories": fault or
 * absent}: a faulty one may be in service with its last good version. Faults are one line.
 * Returns owned. */
json_t *handlers_report(const struct handlers *handlers);

/* Every handler, and every file that is refused as one, sorted by type, as an array of
 *
 *   type       its name, also where that is no command type
 *   state      "in service", "ticks only" (it answers no command), "stale" (its file is faulty,
 *              the last good version serves), "quarantined", "faulty" (503), "refused" (its name
 *              is not served), "loading", "removed" (its last commands still run)
 *   file       path of what serves, else of what does not load
 *   hash       of the version that serves, 12 hexadecimal digits: its file and the libraries
 *              that it was loaded with; equal on all devices. Absent where nothing serves
 *   since      ISO 8601, UTC: when its fault was first seen; absent without one
 *   fault      the first in one line, "park.lua:3: …"; absent without one
 *   faults     all of them, as of host/faults.h; absent where the fault has no list
 *   shadows    array of paths: files of the same name in earlier directories
 *   summary    absent where nothing serves, or it has none
 *   needs      object, as in its contract; absent where nothing serves
 *   every_s    of its tick; absent without one
 *   taken      how many versions were taken into service since the agent started
 *   workers    how many processes it has
 *   running    commands with them
 *
 * Texts are one line each. Returns owned. */
json_t *handlers_list(const struct handlers *handlers);

/* One element of it; returns owned. NULL where there is no such type. */
json_t *handlers_list_one(const struct handlers *handlers, const char *type);

/* What is wrong with the directories and the libraries, an array of lines; returns owned. */
json_t *handlers_directory_faults(const struct handlers *handlers);

#endif
