/* The EXEC frame of one program, built from the arguments of kaa.exec. What is
 * wrong with them raises; the frame grows in the worker's scratch buffer, so
 * nothing is lost then, and nothing half done is sent. */
#ifndef KAALUA_WORKER_EXEC_REQUEST_H
#define KAALUA_WORKER_EXEC_REQUEST_H

#include <lua.h>

/* Of kaa.exec(argv, options), at 1 and 2. Returns the time limit in seconds, 0
 * where there is none. */
double exec_request_build(lua_State *L);

/* Of /bin/sh -c command; `what` names the call in messages. */
void exec_request_build_shell(lua_State *L, const char *command, const char *what);

#endif
