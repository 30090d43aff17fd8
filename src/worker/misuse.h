/* Messages for what is misspelt or misplaced: they name the right one. */
#ifndef KAALUA_WORKER_MISUSE_H
#define KAALUA_WORKER_MISUSE_H

#include <lua.h>

/* Raises `kaa has no "telemetri", did you mean "telemetry"?`: `format` has one %s for
 * the name; the nearest of `names` (ends with NULL) is added where there is one. */
int misuse_unknown(lua_State *L, const char *format, const char *name, const char *const *names);

/* The same with the list of names at the top of the stack. */
int misuse_unknown_of(lua_State *L, const char *format, const char *name);

/* Protects the table at the top of the stack, called `name` in messages: a key
 * that is not there, and an assignment, raise. */
void misuse_guard(lua_State *L, const char *name);

/* For an __index of one's own: raises for the key at index 2 of the table at
 * index 1, called `name`. */
int misuse_missing_key(lua_State *L, const char *name);

#endif
