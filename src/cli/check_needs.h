/* `kaalua check --needs`: who may do what, within which ceiling, what stands in its way to
 * mean anything (warnings), and what this machine does not enforce. */
#ifndef KAALUA_CLI_CHECK_NEEDS_H
#define KAALUA_CLI_CHECK_NEEDS_H

#include "host/config.h"
#include "supervision/workplace.h"

#include <jansson.h>

struct check_needs;

/* Borrows the configuration and the workplace for its life. Returns owned. */
struct check_needs *check_needs_create(const struct config *config,
                                       const struct workplace *workplace);
void check_needs_destroy(struct check_needs *needs);

/* Notes what a handler file may do; `contract` as WORKER_LOADED has it, NULL where the file has
 * faults and is not served. Copies. */
void check_needs_add(struct check_needs *needs, const char *type, const char *path,
                     const json_t *contract);

/* {"handlers": [{"type", "file", "line"?, "needs"?}], "ceiling"?: {"file", "line", "all"?,
 * "handlers"}, "warnings": [{"file", "line", "message"}], "confinement": {…} (of
 * supervision/confinement.h)}; a handler without "needs" has faults. Call it once all are added. Returns owned. */
json_t *check_needs_document(const struct check_needs *needs);

/* Prints that document for people. */
void check_needs_print(const json_t *document);

#endif
