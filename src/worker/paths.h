/* Which files a handler may open: all for reading but the private ones, and for
 * writing what its contract grants, never the handlers' own directories. */
#ifndef KAALUA_WORKER_PATHS_H
#define KAALUA_WORKER_PATHS_H

#include <limits.h>
#include <stdbool.h>

struct version;

/* Writes the path with all links followed; of a file that is not there, its
 * directory's with the name behind it. Returns 0, or -1 with errno. */
int paths_resolve(const char *path, char resolved[PATH_MAX]);

/* Whether `resolved` is `directory` (links are followed) or lies beneath it. */
bool paths_is_inside(const char *resolved, const char *directory);

/* Whether no handler may read `resolved`; or, for `write`, write it. */
bool paths_is_private(const struct version *version, const char *resolved, bool write);

#endif
