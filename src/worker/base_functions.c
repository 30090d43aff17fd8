#include "worker/base_functions.h"

#include "worker/state.h"
#include "worker/worker.h"

#include <lauxlib.h>
#include <string.h>

/* Those that go on to Lua's own function have it as upvalue 1. */
static int call_own(lua_State *L)
{
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* "count" and "collect": the rest would stop or starve the collector. */
static int base_collectgarbage(lua_State *L)
{
  const char *option = luaL_optstring(L, 1, "collect");
  if (strcmp(option, "count") && strcmp(option, "collect"))
    return luaL_error(L, "collectgarbage(\"%s\") is not there, only \"count\" and \"collect\"",
                      option);
  lua_settop(L, 0);
  lua_pushstring(L, option);
  return call_own(L);
}

/* A finalizer runs where no time limit reaches it. */
static int base_setmetatable(lua_State *L)
{
  if (lua_istable(L, 2)) {
    lua_pushliteral(L, "__gc");
    if (lua_rawget(L, 2) != LUA_TNIL)
      return luaL_error(L, "setmetatable: no __gc here; close things with local x <close>");
    lua_pop(L, 1);
  }
  return call_own(L);
}

/* The mark of JSON arrays is one for all: it is not handed out. */
static int base_getmetatable(lua_State *L)
{
  luaL_checkany(L, 1);
  if (lua_getmetatable(L, 1)) {
    state_push_kept(L, STATE_ARRAY_MARK);
    if (lua_rawequal(L, -1, -2)) {
      lua_pushliteral(L, "kaa.array");
      return 1;
    }
    lua_pop(L, 2);
  }
  return call_own(L);
}

/* Text only, with the handler's globals: bytecode can break the interpreter. */
static int base_load(lua_State *L)
{
  bool has_environment = !lua_isnone(L, 4);
  const char *mode = luaL_optstring(L, 3, "t");
  if (!strchr(mode, 't'))
    return luaL_error(L, "load takes text only, not bytecode");
  lua_settop(L, 4);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  if (!has_environment) {
    state_push_kept(L, STATE_ENVIRONMENT);
    lua_replace(L, 4);
  }
  return call_own(L);
}

void base_functions_print(lua_State *L, enum log_level level, const char *between)
{
  struct output_line line;
  line.kept_bytes = 0;
  line.total_bytes = 0;
  int count = lua_gettop(L);
  for (int i = 1; i <= count; i++) {
    size_t size;
    const char *text = luaL_tolstring(L, i, &size);
    if (i > 1)
      output_add(&line, between, strlen(between));
    output_add(&line, text, size);
    lua_pop(L, 1);
  }
  output_send(&worker_of(L)->output, level, &line);
}

static int base_print(lua_State *L)
{
  base_functions_print(L, LOG_LEVEL_INFO, " ");
  return 0;
}

static int base_warn(lua_State *L)
{
  luaL_checkstring(L, 1);
  base_functions_print(L, LOG_LEVEL_WARN, "");
  return 0;
}

static int base_dofile(lua_State *L)
{
  return luaL_error(L, "dofile is not there: put the file into lib/ and require it");
}

static int base_loadfile(lua_State *L)
{
  return luaL_error(L, "loadfile is not there: put the file into lib/ and require it");
}

/* The message handler of xpcall: upvalue 1 is the caller's. Once the time limit
 * has come it is left alone: it may loop, where no hook reaches it. */
static int handle_message(lua_State *L)
{
  if (worker_of(L)->limit.is_asked)
    return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int finish_xpcall(lua_State *L, int status, lua_KContext extra)
{
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
  }
  return lua_gettop(L) - (int)extra;
}

static int base_xpcall(lua_State *L)
{
  int arguments = lua_gettop(L) - 2;
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle_message, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  int status = lua_pcallk(L, arguments, LUA_MULTRET, 2, 2, finish_xpcall);
  return finish_xpcall(L, status, 2);
}

void base_functions_install(lua_State *L)
{
  static const luaL_Reg wrapped[] = {{"collectgarbage", base_collectgarbage},
                                     {"getmetatable", base_getmetatable},
                                     {"load", base_load},
                                     {"setmetatable", base_setmetatable}};
  static const luaL_Reg own[] = {{"dofile", base_dofile}, {"loadfile", base_loadfile},
                                 {"print", base_print},   {"warn", base_warn},
                                 {"xpcall", base_xpcall}, {NULL, NULL}};
  for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++) {
    lua_getglobal(L, wrapped[i].name);
    lua_pushcclosure(L, wrapped[i].func, 1);
    lua_setfield(L, -2, wrapped[i].name);
  }
  luaL_setfuncs(L, own, 0);
}
