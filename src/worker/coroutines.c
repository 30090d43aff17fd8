#include "worker/coroutines.h"

#include "worker/worker.h"

#include <lauxlib.h>
#include <lualib.h>

/* The functions below follow lcorolib.c of Lua 5.4. lua_resume() and
 * lua_resetthread() catch every error, so the link is always taken out. */

static lua_State *coroutine_at(lua_State *L, int index)
{
  lua_State *thread = lua_tothread(L, index);
  luaL_argexpected(L, thread, index, "coroutine");
  return thread;
}

/* Returns the number of results on L, or -1 with an error object there. */
static int resume(lua_State *L, lua_State *thread, int arguments)
{
  if (!lua_checkstack(thread, arguments)) {
    lua_pushliteral(L, "too many arguments to resume");
    return -1;
  }
  lua_xmove(L, thread, arguments);
  struct limit *limit = &worker_of(L)->limit;
  struct limit_link link;
  int results;
  limit_enter(limit, &link, thread);
  int status = lua_resume(thread, L, arguments, &results);
  limit_leave(limit, &link);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(thread, L, 1);
    return -1;
  }
  if (!lua_checkstack(L, results + 1)) {
    lua_pop(thread, results);
    lua_pushliteral(L, "too many results to resume");
    return -1;
  }
  lua_xmove(thread, L, results);
  return results;
}

static int coroutine_resume(lua_State *L)
{
  lua_State *thread = coroutine_at(L, 1);
  int results = resume(L, thread, lua_gettop(L) - 1);
  lua_pushboolean(L, results >= 0);
  if (results < 0) {
    lua_insert(L, -2);
    return 2;
  }
  lua_insert(L, -(results + 1));
  return results + 1;
}

/* Closes its variables; they may run Lua code. */
static int reset(lua_State *L, lua_State *thread)
{
  struct limit *limit = &worker_of(L)->limit;
  struct limit_link link;
  limit_enter(limit, &link, thread);
  int status = lua_resetthread(thread);
  limit_leave(limit, &link);
  return status;
}

static int call_wrapped(lua_State *L)
{
  lua_State *thread = lua_tothread(L, lua_upvalueindex(1));
  int results = resume(L, thread, lua_gettop(L));
  if (results >= 0)
    return results;
  int status = lua_status(thread);
  if (status != LUA_OK && status != LUA_YIELD) {
    status = reset(L, thread);
    lua_xmove(thread, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int coroutine_wrap(lua_State *L)
{
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *thread = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, thread, 1);
  lua_pushcclosure(L, call_wrapped, 1);
  return 1;
}

/* Only one that is suspended or dead can be closed; a normal one has resumed
 * another and is still on the C stack. */
static const char *busy(lua_State *L, lua_State *thread)
{
  lua_Debug frame;
  if (thread == L)
    return "running";
  if (lua_status(thread) == LUA_OK && lua_getstack(thread, 0, &frame))
    return "normal";
  return NULL;
}

static int coroutine_close(lua_State *L)
{
  lua_State *thread = coroutine_at(L, 1);
  const char *state = busy(L, thread);
  if (state)
    return luaL_error(L, "cannot close a %s coroutine", state);
  if (reset(L, thread) == LUA_OK) {
    lua_pushboolean(L, 1);
    return 1;
  }
  lua_pushboolean(L, 0);
  lua_xmove(thread, L, 1);
  return 2;
}

void coroutines_install(lua_State *L)
{
  static const luaL_Reg functions[] = {{"resume", coroutine_resume},
                                       {"wrap", coroutine_wrap},
                                       {"close", coroutine_close},
                                       {NULL, NULL}};
  lua_getglobal(L, LUA_COLIBNAME);
  luaL_setfuncs(L, functions, 0);
  lua_pop(L, 1);
}
