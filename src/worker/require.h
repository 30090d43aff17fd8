/* The handler's require(): the libraries of its version, `kaa`, `cjson`, Lua's
 * own libraries by name, and with the capability "native" what is installed. */
#ifndef KAALUA_WORKER_REQUIRE_H
#define KAALUA_WORKER_REQUIRE_H

#include <lua.h>

/* Puts `require` into the globals below the top of the stack; pops the table
 * `kaa` from the top and registers it. May raise. */
void require_install(lua_State *L);

/* Pushes the message for a C module that was required while the file loaded and
 * that its contract does not grant, or nil. May raise. */
void require_push_ungranted(lua_State *L);

#endif
