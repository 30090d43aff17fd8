#include "worker/require.h"

#include "worker/capability.h"
#include "worker/environment.h"
#include "worker/misuse.h"
#include "worker/state.h"
#include "worker/version.h"
#include "worker/worker.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

static int run_library(lua_State *L)
{
  const struct source_file *library = lua_touserdata(L, 1);
  environment_load(L, library);
  lua_pushstring(L, library->module);
  lua_call(L, 1, 1);
  return 1;
}

/* The table of loaded modules holds false for one that is being loaded. */
static int require_library(lua_State *L, const struct source_file *library)
{
  const char *name = library->module;
  lua_pushboolean(L, 0);
  lua_setfield(L, 2, name);
  lua_pushcfunction(L, run_library);
  lua_pushlightuserdata(L, (void *)library);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    lua_pushnil(L); /* it can be tried again */
    lua_setfield(L, 2, name);
    return lua_error(L);
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, -1);
  lua_setfield(L, 2, name);
  return 1;
}

/* Whether Lua's own require() would find a file; none of it is run. */
static bool is_installed(lua_State *L, const char *name)
{
  static const char *const fields[] = {"path", "cpath"};
  bool found = false;
  lua_getglobal(L, LUA_LOADLIBNAME);
  for (size_t i = 0; !found && i < sizeof fields / sizeof *fields; i++) {
    lua_getfield(L, -1, "searchpath");
    lua_pushstring(L, name);
    lua_getfield(L, -3, fields[i]);
    lua_call(L, 2, 1);
    found = !lua_isnil(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return found;
}

/* While the file loads its needs are unknown, and what is installed is code that
 * nothing holds back. */
static bool is_native_granted(lua_State *L, const char *name)
{
  if (worker_of(L)->is_loading) {
    if (is_installed(L, name))
      luaL_error(L, "require \"%s\": an installed module needs \"native\" and is not for "
                    "loading time; write: return { needs = { \"native\" }, run = "
                    "function(command) local module = require \"%s\" … end }", name, name);
    return false;
  }
  capability_push(L, "native");
  bool granted = capability_lists(L, name);
  lua_pop(L, 1);
  return granted;
}

/* Lua's own require(), with its own globals. Returns whether it found one. */
static bool require_native(lua_State *L, const char *name)
{
  state_push_kept(L, STATE_REQUIRE);
  lua_pushstring(L, name);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK)
    return true;
  const char *message = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "";
  const char *missing = lua_pushfstring(L, "module '%s' not found", name);
  if (strncmp(message, missing, strlen(missing))) {
    lua_pop(L, 1);
    lua_error(L);
  }
  lua_pop(L, 2);
  return false;
}

/* Pushes a list of what require() can be given. */
static int raise_not_found(lua_State *L, const char *name)
{
  const struct version *version = &worker_of(L)->version;
  lua_newtable(L);
  for (size_t i = 1; i < version->file_count; i++) {
    lua_pushstring(L, version->files[i].module);
    lua_rawseti(L, -2, (lua_Integer)i);
  }
  lua_pushliteral(L, "kaa");
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return misuse_unknown_of(L, "no library \"%s\" in lib/; a C module needs \"native\"", name);
}

static int require(lua_State *L)
{
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  state_push_kept(L, STATE_LOADED);
  int type = lua_getfield(L, 2, name);
  if (type != LUA_TNIL && lua_toboolean(L, -1))
    return 1;
  if (type == LUA_TBOOLEAN)
    return luaL_error(L, "library \"%s\" requires itself, by way of others", name);
  lua_pop(L, 1);
  const struct source_file *library = version_library(&worker_of(L)->version, name);
  if (library)
    return require_library(L, library);
  if (!is_native_granted(L, name) || !require_native(L, name))
    return raise_not_found(L, name);
  return 1;
}

/* Only what is installed: nothing of the directory the worker happens to be in. */
static void drop_relative(lua_State *L, const char *field)
{
  lua_getglobal(L, LUA_LOADLIBNAME);
  lua_getfield(L, -1, field);
  luaL_Buffer kept;
  const char *at = luaL_checkstring(L, -1);
  luaL_buffinit(L, &kept);
  while (*at) {
    size_t size = strcspn(at, ";");
    if (*at == '/') {
      luaL_addlstring(&kept, at, size);
      luaL_addchar(&kept, ';');
    }
    at += size + (at[size] == ';');
  }
  luaL_pushresult(&kept);
  lua_setfield(L, -3, field);
  lua_pop(L, 2);
}

void require_install(lua_State *L)
{
  static const char *const known[] = {LUA_STRLIBNAME, LUA_TABLIBNAME, LUA_MATHLIBNAME,
                                      LUA_COLIBNAME,  LUA_UTF8LIBNAME, LUA_IOLIBNAME,
                                      LUA_OSLIBNAME,  LUA_DBLIBNAME};
  static const char *const preloaded[] = {"cjson", "cjson.safe"};
  state_push_kept(L, STATE_LOADED);
  lua_insert(L, -2);
  lua_setfield(L, -2, "kaa");
  for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
    lua_getfield(L, -2, known[i]);
    lua_setfield(L, -2, known[i]);
  }
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (size_t i = 0; i < sizeof preloaded / sizeof *preloaded; i++) {
    lua_getfield(L, -1, preloaded[i]);
    lua_setfield(L, -3, preloaded[i]);
  }
  lua_pop(L, 2);
  drop_relative(L, "path");
  drop_relative(L, "cpath");
  lua_pushcfunction(L, require);
  lua_setfield(L, -2, "require");
}
