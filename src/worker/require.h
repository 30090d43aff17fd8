/* The handler's require(): the libraries of its version, `kaa`, `cjson`, Lua's
 * own libraries by name, and in run, with the capability "native", what is
 * installed. */
#ifndef KAALUA_WORKER_REQUIRE_H
#define KAALUA_WORKER_REQUIRE_H

#include <lua.h>

/* Puts `require` into the globals below the top of the stack; pops the table
 * `kaa` from the top and registers it. May raise. */
void require_install(lua_State *L);

#endif
