/* Functions of Lua's base library that a handler gets in another form. */
#ifndef KAALUA_WORKER_BASE_FUNCTIONS_H
#define KAALUA_WORKER_BASE_FUNCTIONS_H

#include "base/log.h"

#include <lua.h>

/* Puts them into the table at the top of the stack: collectgarbage, dofile,
 * getmetatable, load, loadfile, print, setmetatable, warn, xpcall. */
void base_functions_install(lua_State *L);

/* Sends all arguments of the calling C function, as tostring() shows them and
 * with `between` between them, as one line of the log. May raise, through
 * __tostring. */
void base_functions_print(lua_State *L, enum log_level level, const char *between);

#endif
