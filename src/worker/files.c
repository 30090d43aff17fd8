#include "worker/files.h"

#include "worker/capability.h"
#include "worker/judged.h"
#include "worker/paths.h"
#include "worker/programs.h"
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEW_FILE_MODE = 0666 }; /* less the umask, as fopen(3) */

static int refuse(lua_State *L, const char *path, const char *why)
{
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path, why);
  lua_pushinteger(L, EACCES);
  return 3;
}

/* The grant is at the top of the stack: true, or a list of directories. */
static bool is_granted(lua_State *L, const char *resolved)
{
  if (!lua_istable(L, -1))
    return true;
  bool granted = false;
  for (lua_Integer i = 1; !granted && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    granted = paths_is_inside(resolved, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  return granted;
}

int files_check(lua_State *L, int index, bool write, const char *what, char resolved[PATH_MAX])
{
  const char *path = luaL_checkstring(L, index);
  if (write)
    capability_demand(L, "write", what);
  if (paths_resolve(path, resolved))
    return luaL_fileresult(L, 0, path);
  if (paths_is_private(&worker_of(L)->version, resolved, write))
    return refuse(L, path, write ? "never written by handlers" : "private to the agent");
  if (write && !is_granted(L, resolved))
    return refuse(L, path, "outside the directories of needs.write");
  if (write && !paths_is_allowed(&worker_of(L)->version, resolved))
    return refuse(L, path, "outside the directories of the configuration's ceiling");
  return 0;
}

/* A granted directory itself stays, also one that is a link or not there yet: in its
 * place could come another link. */
static bool is_granted_directory(lua_State *L, const char *resolved)
{
  struct stat info;
  if (!lua_istable(L, -1) || (!lstat(resolved, &info) && S_ISREG(info.st_mode)))
    return false;
  bool is_same = false;
  for (lua_Integer i = 1; !is_same && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    char real[PATH_MAX], itself[PATH_MAX];
    const char *granted = lua_tostring(L, -1);
    is_same = (!paths_resolve(granted, real) && !strcmp(real, resolved)) ||
              (!paths_resolve_entry(granted, itself) && !strcmp(itself, resolved));
    lua_pop(L, 1);
  }
  return is_same;
}

int files_check_entry(lua_State *L, int index, const char *what, char resolved[PATH_MAX])
{
  const char *path = luaL_checkstring(L, index);
  const struct version *version = &worker_of(L)->version;
  capability_demand(L, "write", what);
  if (paths_resolve_entry(path, resolved))
    return luaL_fileresult(L, 0, path);
  if (paths_is_private(version, resolved, true) || paths_holds_private(version, resolved))
    return refuse(L, path, "never written by handlers");
  if (!is_granted(L, resolved) || is_granted_directory(L, resolved))
    return refuse(L, path, "outside the directories of needs.write");
  if (!paths_is_allowed(version, resolved))
    return refuse(L, path, "outside the directories of the configuration's ceiling");
  return 0;
}

/* The modes of fopen(3); -1 for what is none. */
static int flags_of(const char *mode)
{
  const char *rest = mode + 1;
  bool both = *mode && *rest == '+';
  rest += both;
  if (!*mode || strspn(rest, "b") != strlen(rest))
    return -1;
  switch (*mode) {
  case 'r': return both ? O_RDWR : O_RDONLY;
  case 'w': return (both ? O_RDWR : O_WRONLY) | O_CREAT | O_TRUNC;
  case 'a': return (both ? O_RDWR : O_WRONLY) | O_CREAT | O_APPEND;
  default: return -1;
  }
}

static int close_file(lua_State *L)
{
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  return luaL_fileresult(L, !fclose(stream->f), NULL);
}

/* A disk holds all files, the agent's own, too. */
static bool is_judged(int fd, const char *resolved, struct stat *info)
{
  if (!judged_is(fd, resolved) || fstat(fd, info) || S_ISBLK(info->st_mode)) {
    errno = EACCES;
    return false;
  }
  return true;
}

/* Opens a path that was judged. It is emptied only once it is known to be that file.
 * Returns the descriptor, or -1 with errno. */
static int open_judged(const char *resolved, int flags)
{
  struct stat info;
  int opening = (flags & ~O_TRUNC) | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY;
  int fd = open(resolved, opening, NEW_FILE_MODE);
  if (fd < 0)
    return -1;
  if (is_judged(fd, resolved, &info) &&
      (!(flags & O_TRUNC) || !S_ISREG(info.st_mode) || !ftruncate(fd, 0)))
    return fd;
  int why = errno;
  close(fd);
  errno = why;
  return -1;
}

static int open_resolved(lua_State *L, const char *shown, const char *resolved, const char *mode,
                         int flags)
{
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->closef = NULL; /* closed, until it is open */
  luaL_setmetatable(L, LUA_FILEHANDLE);
  int fd = open_judged(resolved, flags);
  if (fd < 0)
    return luaL_fileresult(L, 0, shown);
  stream->f = fdopen(fd, mode);
  if (!stream->f) {
    close(fd);
    return luaL_fileresult(L, 0, shown);
  }
  stream->closef = close_file;
  return 1;
}

static int io_open(lua_State *L)
{
  const char *path = luaL_checkstring(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  int flags = flags_of(mode);
  luaL_argcheck(L, flags >= 0, 2, "invalid mode");
  char resolved[PATH_MAX];
  const char *what = lua_pushfstring(L, "io.open(…, \"%s\")", mode);
  int refused = files_check(L, 1, flags != O_RDONLY, what, resolved);
  return refused ? refused : open_resolved(L, path, resolved, mode, flags);
}

/* Calls Lua's own function, upvalue 1, with the arguments as they are. */
static int call_own(lua_State *L)
{
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

/* Calls Lua's own, upvalue 1 of io_lines, with the arguments of that behind it and our
 * descriptor on top, by whose name it opens the file once more. */
static int lines_of_descriptor(lua_State *L)
{
  lua_pushfstring(L, "/proc/self/fd/%d", (int)lua_tointeger(L, -1));
  lua_replace(L, 2);
  lua_settop(L, lua_gettop(L) - 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int io_lines(lua_State *L)
{
  char path[PATH_MAX];
  if (lua_isnoneornil(L, 1))
    return call_own(L);
  if (files_check(L, 1, false, "io.lines", path))
    return luaL_error(L, "%s", lua_tostring(L, -2));
  int fd = open_judged(path, O_RDONLY);
  if (fd < 0)
    return luaL_error(L, "%s: %s", lua_tostring(L, 1), strerror(errno));
  lua_pushcfunction(L, lines_of_descriptor);
  lua_insert(L, 1);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 2);
  lua_pushinteger(L, fd);
  int status = lua_pcall(L, lua_gettop(L) - 1, LUA_MULTRET, 0);
  close(fd);
  return status == LUA_OK ? lua_gettop(L) : lua_error(L);
}

/* io.input and io.output: a name is opened here, checked. */
static int set_default(lua_State *L, bool write, const char *what)
{
  if (lua_type(L, 1) == LUA_TSTRING) {
    char resolved[PATH_MAX];
    lua_settop(L, 1);
    if (files_check(L, 1, write, what, resolved))
      return luaL_error(L, "%s", lua_tostring(L, -2));
    int flags = write ? O_WRONLY | O_CREAT | O_TRUNC : O_RDONLY;
    if (open_resolved(L, lua_tostring(L, 1), resolved, write ? "w" : "r", flags) != 1)
      return luaL_error(L, "%s", lua_tostring(L, -2));
    lua_replace(L, 1);
    lua_settop(L, 1);
  }
  return call_own(L);
}

static int io_input(lua_State *L)
{
  return set_default(L, false, "io.input");
}

static int io_output(lua_State *L)
{
  return set_default(L, true, "io.output");
}

static int io_tmpfile(lua_State *L)
{
  char resolved[PATH_MAX];
  lua_settop(L, 0);
  lua_pushliteral(L, P_tmpdir);
  int refused = files_check(L, 1, true, "io.tmpfile", resolved);
  if (refused)
    return refused;
  lua_settop(L, 0);
  return call_own(L);
}

/* The log's streams stay open. */
static int keep_open(lua_State *L)
{
  luaL_Stream *stream = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  stream->closef = keep_open;
  lua_pushnil(L);
  lua_pushliteral(L, "cannot close standard file");
  return 2;
}

/* Makes a stream of the log the field `name` of the table at the top. */
static void put_stream(lua_State *L, struct output_stream *to, const char *name)
{
  luaL_Stream *stream = lua_newuserdatauv(L, sizeof *stream, 0);
  stream->closef = NULL;
  luaL_setmetatable(L, LUA_FILEHANDLE);
  stream->f = output_open(to);
  if (!stream->f)
    luaL_error(L, "%s: %s", name, strerror(errno));
  stream->closef = keep_open;
  lua_setfield(L, -2, name);
}

/* Replaces the output streams of Lua's own `io`, at the top of the stack. */
static void redirect(lua_State *L)
{
  struct worker *worker = worker_of(L);
  put_stream(L, &worker->output.out, "stdout");
  put_stream(L, &worker->output.err, "stderr");
  lua_getfield(L, -1, "output");
  lua_getfield(L, -2, "stdout");
  lua_call(L, 1, 0);
  luaL_getmetatable(L, LUA_FILEHANDLE);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 1);
}

void files_push_library(lua_State *L)
{
  static const char *const kept[] = {"close", "read", "write", "type", "stdin", "stdout", "stderr"};
  static const luaL_Reg wrapped[] = {{"lines", io_lines},
                                     {"input", io_input},
                                     {"output", io_output},
                                     {"tmpfile", io_tmpfile}};
  lua_newtable(L);
  lua_getglobal(L, LUA_IOLIBNAME);
  redirect(L);
  for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
    lua_getfield(L, -1, kept[i]);
    lua_setfield(L, -3, kept[i]);
  }
  for (size_t i = 0; i < sizeof wrapped / sizeof *wrapped; i++) {
    lua_getfield(L, -1, wrapped[i].name);
    lua_pushcclosure(L, wrapped[i].func, 1);
    lua_setfield(L, -3, wrapped[i].name);
  }
  lua_pop(L, 1);
  lua_pushcfunction(L, io_open);
  lua_setfield(L, -2, "open");
  lua_pushcfunction(L, programs_popen);
  lua_setfield(L, -2, "popen");
}
