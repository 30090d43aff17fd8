/* What a handler and its libraries see: one table of globals of their own. It
 * holds the harmless part of Lua, checked `io` and `os`, `kaa` and `require`;
 * what is missing is there as a function that says why. */
#ifndef KAALUA_WORKER_ENVIRONMENT_H
#define KAALUA_WORKER_ENVIRONMENT_H

#include <lua.h>

struct source_file;

/* Builds the table and keeps it (STATE_ENVIRONMENT); may raise. */
void environment_create(lua_State *L);

/* Pushes the file's function with these globals; a syntax error raises. */
void environment_load(lua_State *L, const struct source_file *file);

#endif
