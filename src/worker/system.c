#include "worker/system.h"

#include "worker/capability.h"
#include "worker/files.h"
#include "worker/judged.h"
#include "worker/programs.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Ends the worker; the host answers "Handler exited with N". */
static int system_exit(lua_State *L)
{
  capability_require_command(L, "os.exit");
  int code = lua_isboolean(L, 1) ? !lua_toboolean(L, 1) : (int)luaL_optinteger(L, 1, 0);
  fflush(NULL);
  output_settle(&worker_of(L)->output);
  _exit(code);
}

static int close_with(int fd, int rc)
{
  int why = errno;
  if (fd >= 0)
    close(fd);
  errno = why;
  return rc;
}

/* As remove(3). */
static int remove_judged(const char *resolved)
{
  const char *name;
  int folder = judged_open_folder(resolved, O_PATH, &name);
  int rc = folder < 0 ? -1 : unlinkat(folder, name, 0);
  if (folder >= 0 && rc < 0 && errno == EISDIR)
    rc = unlinkat(folder, name, AT_REMOVEDIR);
  return close_with(folder, rc);
}

static int rename_judged(const char *from, const char *to)
{
  const char *name, *new_name;
  int folder = judged_open_folder(from, O_PATH, &name);
  if (folder < 0)
    return -1;
  int new_folder = judged_open_folder(to, O_PATH, &new_name);
  int rc = new_folder < 0 ? -1 : renameat(folder, name, new_folder, new_name);
  return close_with(folder, close_with(new_folder, rc));
}

static int system_remove(lua_State *L)
{
  char resolved[PATH_MAX];
  int refused = files_check_entry(L, 1, "os.remove", resolved);
  return refused ? refused : luaL_fileresult(L, !remove_judged(resolved), lua_tostring(L, 1));
}

static int system_rename(lua_State *L)
{
  char from[PATH_MAX], to[PATH_MAX];
  luaL_checkstring(L, 2);
  int refused = files_check_entry(L, 1, "os.rename", from);
  if (!refused)
    refused = files_check_entry(L, 2, "os.rename", to);
  if (refused)
    return refused;
  return luaL_fileresult(L, !rename_judged(from, to), NULL);
}

static int system_tmpname(lua_State *L)
{
  char resolved[PATH_MAX];
  char name[] = P_tmpdir "/lua_XXXXXX";
  lua_settop(L, 0);
  lua_pushstring(L, name);
  if (files_check(L, 1, true, "os.tmpname", resolved))
    return luaL_error(L, "%s", lua_tostring(L, -2));
  int fd = mkstemp(name);
  if (fd < 0)
    return luaL_error(L, "unable to generate a unique filename");
  close(fd);
  lua_pushstring(L, name);
  return 1;
}

static int system_setlocale(lua_State *L)
{
  return luaL_error(L, "os.setlocale is not there: "
                       "it would change how numbers are read and written");
}

void system_push_library(lua_State *L)
{
  static const char *const kept[] = {"time", "date", "clock", "difftime", "getenv"};
  static const luaL_Reg functions[] = {{"exit", system_exit},
                                       {"remove", system_remove},
                                       {"rename", system_rename},
                                       {"tmpname", system_tmpname},
                                       {"execute", programs_execute},
                                       {"setlocale", system_setlocale},
                                       {NULL, NULL}};
  lua_newtable(L);
  lua_getglobal(L, LUA_OSLIBNAME);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  lua_pop(L, 1);
  luaL_setfuncs(L, functions, 0);
}
