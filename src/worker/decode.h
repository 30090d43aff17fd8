/* JSON to Lua, exact: integers become integers, 3.0 a float, null kaa.null, and
 * arrays carry the mark of kaa.values, so that [] does not turn into {}. */
#ifndef KAALUA_WORKER_DECODE_H
#define KAALUA_WORKER_DECODE_H

#include <jansson.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Pushes the value of a JSON text, or a message "position 17: …" and returns
 * false. Raises memory errors only. */
bool decode_json(lua_State *L, const char *text, size_t size);

/* Pushes the value of a parsed JSON text, borrowed: the caller sees to it that
 * it is freed although this may raise a memory error. */
void decode_push(lua_State *L, const json_t *value);

#endif
