/* The handler's `os`: the harmless part of Lua's own; what writes or runs asks
 * for its capability. */
#ifndef KAALUA_WORKER_SYSTEM_H
#define KAALUA_WORKER_SYSTEM_H

#include <lua.h>

/* Pushes the table `os`; may raise. */
void system_push_library(lua_State *L);

#endif
