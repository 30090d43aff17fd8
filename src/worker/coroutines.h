/* The coroutine library, with every running coroutine known to the time limit:
 * coroutine.resume, wrap and close replace Lua's own and do the same. */
#ifndef KAALUA_WORKER_COROUTINES_H
#define KAALUA_WORKER_COROUTINES_H

#include <lua.h>

/* Replaces the three functions in the global table `coroutine`. */
void coroutines_install(lua_State *L);

#endif
