/* kaa.store and kaa.shared: values that outlive the worker, the agent and the device's
 * power. The host keeps them; they are durable when set() and delete() return true. */
#ifndef KAALUA_WORKER_STORE_H
#define KAALUA_WORKER_STORE_H

#include <lua.h>

/* Pushes the table `kaa.store`, whose values only this command type has, or `kaa.shared`,
 * whose values all handlers of the device have. Each has
 *
 *   get(key)          the value; nil: none; nil, message: it cannot be read
 *   set(key, value)   true, or nil, message: any value of JSON, at most 64 kB of it
 *   delete(key)       true, or nil, message; also where there is none
 *
 * A key is a text of 1 to 256 bytes of UTF-8 without NUL. */
void store_push(lua_State *L);
void store_push_shared(lua_State *L);

#endif
