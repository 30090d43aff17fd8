/* Functions of Lua's base library that a handler gets in another form. */
#ifndef KAALUA_WORKER_BASE_FUNCTIONS_H
#define KAALUA_WORKER_BASE_FUNCTIONS_H

#include <lua.h>

/* Puts them into the table at the top of the stack: collectgarbage, dofile,
 * getmetatable, load, loadfile, print, setmetatable, warn, xpcall. */
void base_functions_install(lua_State *L);

#endif
