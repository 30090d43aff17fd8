/* The HTTP frame of one transfer, built from the argument of kaa.http, the table at index 1.
 * What is wrong with it raises; the frame grows in the worker's scratch buffer, so nothing is
 * lost then, and nothing half done is sent. */
#ifndef KAALUA_WORKER_HTTP_REQUEST_H
#define KAALUA_WORKER_HTTP_REQUEST_H

#include <lua.h>
#include <stdbool.h>

/* Pushes the option `file`, a text or nil. Returns whether there is one. */
bool http_request_build(lua_State *L);

#endif
