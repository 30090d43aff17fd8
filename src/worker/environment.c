#include "worker/environment.h"

#include "worker/base_functions.h"
#include "worker/binding.h"
#include "worker/files.h"
#include "worker/misuse.h"
#include "worker/require.h"
#include "worker/state.h"
#include "worker/system.h"
#include "worker/version.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

static void copy_globals(lua_State *L)
{
  static const char *const names[] = {
      "_VERSION", "assert",       "error",       "ipairs",       "next",          "pairs",
      "pcall",    "rawequal",     "rawget",      "rawlen",       "rawset",        "select",
      "tonumber", "tostring",     "type",        LUA_STRLIBNAME, LUA_TABLIBNAME,  LUA_MATHLIBNAME,
      LUA_COLIBNAME, LUA_UTF8LIBNAME};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    lua_getglobal(L, names[i]);
    lua_setfield(L, -2, names[i]);
  }
}

static int no_dump(lua_State *L)
{
  return luaL_error(L, "string.dump is not there: load takes text only");
}

/* In place: methods reach the table `string` whatever the globals say. */
static void protect_strings(lua_State *L)
{
  lua_getglobal(L, LUA_STRLIBNAME);
  lua_pushcfunction(L, no_dump);
  lua_setfield(L, -2, "dump");
  lua_pop(L, 1);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}

static void put_debug(lua_State *L)
{
  lua_newtable(L);
  lua_getglobal(L, LUA_DBLIBNAME);
  lua_getfield(L, -1, "traceback");
  lua_setfield(L, -3, "traceback");
  lua_pop(L, 1);
  misuse_guard(L, "debug, for a handler,");
  lua_setfield(L, -2, LUA_DBLIBNAME);
}

static int no_package(lua_State *L)
{
  return luaL_error(L, "package is not there: require finds what lies in lib/");
}

static void put_package(lua_State *L)
{
  lua_newtable(L);
  lua_newtable(L);
  lua_pushcfunction(L, no_package);
  lua_setfield(L, -2, "__index");
  lua_pushcfunction(L, no_package);
  lua_setfield(L, -2, "__newindex");
  lua_setmetatable(L, -2);
  lua_setfield(L, -2, LUA_LOADLIBNAME);
}

static int on_new_global(lua_State *L)
{
  luaL_checkany(L, 3);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "?";
  const char *local = lua_isfunction(L, 3) ? "local function" : "local";
  return luaL_error(L, "assignment to the global '%s': write %s %s", name, local, name);
}

static void guard_globals(lua_State *L)
{
  lua_createtable(L, 0, 2);
  lua_pushcfunction(L, on_new_global);
  lua_setfield(L, -2, "__newindex");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_setmetatable(L, -2);
}

void environment_create(lua_State *L)
{
  protect_strings(L);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  state_keep(L, STATE_ENVIRONMENT);
  copy_globals(L);
  base_functions_install(L);
  put_debug(L);
  put_package(L);
  files_push_library(L);
  lua_setfield(L, -2, LUA_IOLIBNAME);
  system_push_library(L);
  lua_setfield(L, -2, LUA_OSLIBNAME);
  binding_push(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "kaa");
  require_install(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, LUA_GNAME);
  guard_globals(L);
  lua_pop(L, 1);
}

/* A byte order mark, and a first line that begins with #, are not Lua. */
static const char *skip_comment(const struct source_file *file, size_t *size)
{
  static const char mark[] = "\xef\xbb\xbf";
  const char *text = file->text;
  const char *end = text + file->size_bytes;
  if (file->size_bytes >= 3 && !memcmp(text, mark, 3))
    text += 3;
  if (text < end && *text == '#') {
    const char *newline = memchr(text, '\n', (size_t)(end - text));
    text = newline ? newline : end; /* kept: lines count from it */
  }
  *size = (size_t)(end - text);
  return text;
}

void environment_load(lua_State *L, const struct source_file *file)
{
  size_t size;
  const char *text = skip_comment(file, &size);
  const char *chunk = lua_pushfstring(L, "@%s", file->chunk);
  if (luaL_loadbufferx(L, text, size, chunk, "t"))
    lua_error(L);
  lua_remove(L, -2);
  state_push_kept(L, STATE_ENVIRONMENT);
  lua_setupvalue(L, -2, 1);
}
