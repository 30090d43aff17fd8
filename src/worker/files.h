/* The handler's `io`: Lua's own behind checks of what is opened
 * (worker/paths.h). io.stdout and io.stderr go to the log. */
#ifndef KAALUA_WORKER_FILES_H
#define KAALUA_WORKER_FILES_H

#include <limits.h>
#include <lua.h>
#include <stdbool.h>

/* Pushes the table `io`; the global one keeps its functions and loses its output
 * streams to the log. May raise. */
void files_push_library(lua_State *L);

/* Checks the path at argument `index` for reading or writing and resolves it.
 * Returns 0, or pushes nil, message, errno and returns their number. Raises where
 * writing is not granted at all; `what` names the call. */
int files_check(lua_State *L, int index, bool write, const char *what, char resolved[PATH_MAX]);

/* The same for removing or renaming the name itself: where it is a link, that is
 * not followed, and what holds a protected path is refused, too. */
int files_check_entry(lua_State *L, int index, const char *what, char resolved[PATH_MAX]);

#endif
