/* Loads one file in a worker and waits for its report: a configuration, or a
 * handler that is checked. For start-up and the command line: it runs the loop
 * until the worker has answered (2 s and a second's grace at most). */
#ifndef KAALUA_HOST_EVALUATE_H
#define KAALUA_HOST_EVALUATE_H

#include "supervision/version.h"
#include "supervision/worker.h"
#include "supervision/workplace.h"

#include <stdbool.h>

/* Returns the report of WORKER_LOADED, owned; where no worker could be started,
 * one with that fault, and "passing" true. */
json_t *evaluate_version(const struct workplace *workplace, struct version *version,
                         const struct worker_options *options);

struct evaluated {
  json_t *value;   /* the checked table; NULL where there are faults */
  json_t *places;  /* with it: struct config's */
  bool is_passing; /* the faults are not the file's: no worker could be started, or it was ended */
};

/* Reads and evaluates a configuration file; what is wrong is added to `faults`. Both parts of
 * the answer are the caller's. */
struct evaluated evaluate_configuration(const struct workplace *workplace, const char *path,
                                        json_t *faults);

#endif
