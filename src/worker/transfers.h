/* Servers that a handler asks: kaa.http. The host has it done by kaalua-http; the worker asks
 * and waits, and opens the file that a body goes to, with its own rights. */
#ifndef KAALUA_WORKER_TRANSFERS_H
#define KAALUA_WORKER_TRANSFERS_H

#include <lua.h>

/* kaa.http { url = …, … }: on a status of 2xx {status, headers, body | size}; else nil, message,
 * and where a server answered {status, headers, body}. */
int transfers_http(lua_State *L);

#endif
