/* Which files a handler may open: all for reading but the private ones, and for
 * writing what its contract grants, never the handlers' own directories. Both
 * are among the version's options: as they are named, and where that led at the start. */
#ifndef KAALUA_WORKER_PATHS_H
#define KAALUA_WORKER_PATHS_H

#include <limits.h>
#include <stdbool.h>

struct version;

/* Writes the path with all links followed; of a file that is not there, its
 * directory's with the name behind it. Returns 0, or -1 with errno. */
int paths_resolve(const char *path, char resolved[PATH_MAX]);

/* The same for the name itself: where it is a link, that is not followed. */
int paths_resolve_entry(const char *path, char resolved[PATH_MAX]);

/* Whether `resolved` is `directory` (links are followed) or lies beneath it. */
bool paths_is_inside(const char *resolved, const char *directory);

/* Whether no handler may read `resolved`; or, for `write`, write it. Besides the
 * version's own paths these are what /proc tells of other processes: the
 * environment, memory and descriptors of the host hold its secrets; and for `write`
 * what a link in the handlers directories leads to. */
bool paths_is_private(const struct version *version, const char *resolved, bool write);

/* Whether the configuration's ceiling allows `resolved` for writing: a link that the contract's
 * check does not see may lead out of it. */
bool paths_is_allowed(const struct version *version, const char *resolved);

/* Whether something that no handler may write is `resolved` or lies beneath it:
 * it would move or go along with it. */
bool paths_holds_private(const struct version *version, const char *resolved);

#endif
