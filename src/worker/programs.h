/* Programs that a handler runs: kaa.exec, and os.execute and io.popen as the
 * same with /bin/sh -c. The host runs them; the worker asks and waits. */
#ifndef KAALUA_WORKER_PROGRAMS_H
#define KAALUA_WORKER_PROGRAMS_H

#include <lua.h>

/* kaa.exec(argv, options): on exit 0 {code, stdout, stderr}; else nil, message,
 * and where it was started {code | signal, stdout, stderr}. */
int programs_exec(lua_State *L);

/* os.execute(command): as Lua's; what it prints goes to the log. */
int programs_execute(lua_State *L);

/* io.popen(command, "r"): as Lua's, once the command has ended. */
int programs_popen(lua_State *L);

#endif
