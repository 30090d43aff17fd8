#include "worker/store.h"

#include "base/utf8.h"
#include "worker/capability.h"
#include "worker/keep.h"
#include "worker/misuse.h"

#include <lauxlib.h>
#include <string.h>

enum { KEY_BYTES = 256 };

/* What one function does: `what` and how it is written. The first upvalue is "store" or
 * "shared". */
static const char *call_name(lua_State *L, const char *what)
{
  return lua_pushfstring(L, "kaa.%s.%s", lua_tostring(L, lua_upvalueindex(1)), what);
}

static const char *scope_of(lua_State *L)
{
  return strcmp(lua_tostring(L, lua_upvalueindex(1)), "store") ? "device" : "handler";
}

static void check_key(lua_State *L, const char *call, const char *written)
{
  if (lua_type(L, 1) != LUA_TSTRING)
    luaL_error(L, "%s takes a key, a text, got a %s; write: %s(\"count\"%s)", call,
               lua_istable(L, 1) ? "table" : luaL_typename(L, 1), call, written);
  size_t size;
  const char *key = lua_tolstring(L, 1, &size);
  if (!size || size > KEY_BYTES)
    luaL_error(L, "%s: a key of %d bytes; write a text of 1 to %d", call, (int)size, KEY_BYTES);
  if (!utf8_is_valid(key, size, NULL) || memchr(key, '\0', size))
    luaL_error(L, "%s: the key is no text of UTF-8", call);
}

/* The name of the call is left at the bottom of what is pushed: it is borrowed. */
static int keep(lua_State *L, const char *what, const char *written, int value)
{
  const char *call = call_name(L, what);
  capability_require_command(L, call);
  check_key(L, call, written);
  struct keep request = {
      .call = call, .what = what, .scope = scope_of(L), .key = 1, .value = value};
  return keep_call(L, &request);
}

static int get(lua_State *L)
{
  lua_settop(L, 1);
  return keep(L, "get", "", 0);
}

static int set(lua_State *L)
{
  lua_settop(L, 2);
  if (lua_isnil(L, 2) && lua_type(L, 1) == LUA_TSTRING) {
    const char *store = lua_tostring(L, lua_upvalueindex(1));
    capability_require_command(L, call_name(L, "set"));
    return luaL_error(L, "kaa.%s.set: no value; write: kaa.%s.delete(\"%s\"), or kaa.null as the "
                         "value", store, store, lua_tostring(L, 1));
  }
  return keep(L, "set", ", 1", 2);
}

static int delete(lua_State *L)
{
  lua_settop(L, 1);
  return keep(L, "delete", "", 0);
}

static void push_table(lua_State *L, const char *name)
{
  static const luaL_Reg functions[] = {
      {"delete", delete}, {"get", get}, {"set", set}, {NULL, NULL}};
  lua_newtable(L);
  lua_pushstring(L, name);
  luaL_setfuncs(L, functions, 1);
  const char *shown = lua_pushfstring(L, "kaa.%s", name);
  lua_insert(L, -2);
  misuse_guard(L, shown);
  lua_remove(L, -2);
}

void store_push(lua_State *L)
{
  push_table(L, "store");
}

void store_push_shared(lua_State *L)
{
  push_table(L, "shared");
}
