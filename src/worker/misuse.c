#include "worker/misuse.h"

#include "worker/state.h"

#include <lauxlib.h>

/* Pushes suggest.nearest(name, the list at the top), in place of the list. */
static const char *nearest(lua_State *L, const char *name)
{
  state_push(L, "kaa.suggest", "nearest");
  lua_insert(L, -2);
  lua_pushstring(L, name);
  lua_insert(L, -2);
  lua_call(L, 2, 1);
  return lua_tostring(L, -1);
}

int misuse_unknown_of(lua_State *L, const char *format, const char *name)
{
  const char *known = nearest(L, name);
  const char *said = lua_pushfstring(L, format, name);
  if (known)
    return luaL_error(L, "%s, did you mean \"%s\"?", said, known);
  return luaL_error(L, "%s", said);
}

int misuse_unknown(lua_State *L, const char *format, const char *name, const char *const *names)
{
  lua_newtable(L);
  for (int i = 0; names[i]; i++) {
    lua_pushstring(L, names[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return misuse_unknown_of(L, format, name);
}

int misuse_missing_key(lua_State *L, const char *name)
{
  if (lua_type(L, 2) != LUA_TSTRING)
    return luaL_error(L, "%s is indexed by a name, got a %s", name, luaL_typename(L, 2));
  lua_newtable(L);
  int list = lua_gettop(L);
  lua_Integer count = 0;
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    lua_pushvalue(L, -2);
    lua_rawseti(L, list, ++count);
  }
  const char *format = lua_pushfstring(L, "%s has no \"%%s\"", name);
  lua_pushvalue(L, list);
  return misuse_unknown_of(L, format, lua_tostring(L, 2));
}

static int on_missing(lua_State *L)
{
  return misuse_missing_key(L, lua_tostring(L, lua_upvalueindex(1)));
}

static int on_assignment(lua_State *L)
{
  return luaL_error(L, "%s is not to be changed", lua_tostring(L, lua_upvalueindex(1)));
}

void misuse_guard(lua_State *L, const char *name)
{
  lua_createtable(L, 0, 3);
  lua_pushstring(L, name);
  lua_pushcclosure(L, on_missing, 1);
  lua_setfield(L, -2, "__index");
  lua_pushstring(L, name);
  lua_pushcclosure(L, on_assignment, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}
