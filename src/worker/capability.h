/* What a handler may do beyond the harmless: its contract's `needs`, asked at
 * each call. A refusal raises, with the line to write. */
#ifndef KAALUA_WORKER_CAPABILITY_H
#define KAALUA_WORKER_CAPABILITY_H

#include <lua.h>
#include <stdbool.h>

/* Raises where the file's top level is still running: `what` ("kaa.exec") acts. */
void capability_require_command(lua_State *L, const char *what);

/* The same, and raises in a tick of the agent as a whole. */
void capability_require_endpoint(lua_State *L, const char *what);

/* Raises where the contract does not grant `name` ("exec", "write", "native"),
 * or the file is still loading. Pushes what is granted: true, or a list. */
void capability_demand(lua_State *L, const char *name, const char *what);

/* Whether the grant at the top of the stack holds `text` as it is written. */
bool capability_lists(lua_State *L, const char *text);

/* Pushes what the contract grants, or nil; before it is known, nil. */
void capability_push(lua_State *L, const char *name);

#endif
