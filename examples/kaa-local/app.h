/* kaa-local put together: one thread, one poll loop. */
#ifndef KAA_LOCAL_APP_H
#define KAA_LOCAL_APP_H

#include "options.h"

#include "base/error.h"

/* Starts everything, prints the addresses and "ready" to standard output, and serves until
 * SIGTERM or SIGINT. Returns 0, or a negative code with what went wrong; all is ended. */
int app_run(const struct options *options, struct error *error);

#endif
