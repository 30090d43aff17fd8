#include "worker/exec_request.h"

#include "base/code_variable.h"
#include "worker/capability.h"
#include "worker/misuse.h"
#include "worker/reply.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum {
  DEFAULT_MAX_OUTPUT = 256 * 1024, /* bytes of each stream */
  LARGEST_MAX_OUTPUT = 16 * 1024 * 1024,
  LARGEST_LIST = 4096, /* arguments, or variables: what the host takes */
};

static const double LONGEST_TIMEOUT_S = 86400;

#define RIGHT_CALL "kaa.exec { \"/usr/bin/systemctl\", \"reboot\" }"

/* A string argument of the program; the kernel's end at a NUL. */
static void put_text(lua_State *L, struct buffer *out, int index, const char *name)
{
  size_t size;
  const char *text = lua_tolstring(L, index, &size);
  if (memchr(text, '\0', size))
    luaL_error(L, "kaa.exec: %s: a text with a NUL byte", name);
  frame_put_bytes(out, text, size);
}

static void demand_program(lua_State *L, const char *program, const char *what)
{
  capability_demand(L, "exec", what);
  if (!capability_lists(L, program))
    luaL_error(L, "%s: \"%s\" is not in needs.exec; add it: needs = { exec = { \"%s\" } }", what,
               program, program);
}

static void put_argv(lua_State *L, struct buffer *out)
{
  if (lua_type(L, 1) == LUA_TSTRING)
    luaL_error(L, "kaa.exec takes a list, no shell command; write: kaa.exec { \"/bin/sh\", "
                  "\"-c\", command }");
  if (!lua_istable(L, 1) || lua_rawlen(L, 1) == 0)
    luaL_error(L, "kaa.exec takes a list of texts; write: " RIGHT_CALL);
  lua_Integer count = (lua_Integer)lua_rawlen(L, 1);
  if (count > LARGEST_LIST)
    luaL_error(L, "kaa.exec: %I arguments, limit %d", count, LARGEST_LIST);
  frame_put_u32(out, (uint32_t)count);
  for (lua_Integer i = 1; i <= count; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TSTRING)
      luaL_error(L, "kaa.exec: argument %I is a %s; all are texts: tostring(…)", i,
                 luaL_typename(L, -1));
    put_text(L, out, -1, "an argument");
    lua_pop(L, 1);
  }
  lua_rawgeti(L, 1, 1);
  if (*lua_tostring(L, -1) != '/')
    luaL_error(L, "kaa.exec: \"%s\" is no absolute path; write: " RIGHT_CALL, lua_tostring(L, -1));
  demand_program(L, lua_tostring(L, -1), "kaa.exec");
}

static void check_keys(lua_State *L)
{
  static const char *const names[] = {"stdin", "timeout_s",  "cwd",    "env",
                                      "max_output", "detach", NULL};
  if (lua_isnoneornil(L, 2)) {
    lua_settop(L, 1);
    lua_newtable(L);
  }
  if (!lua_istable(L, 2))
    luaL_error(L, "kaa.exec: the options are a table, got a %s; write: "
                  "kaa.exec({ … }, { timeout_s = 5 })", luaL_typename(L, 2));
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    bool known = false;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    for (int i = 0; names[i]; i++)
      known = known || !strcmp(names[i], key);
    if (!known)
      misuse_unknown(L, "kaa.exec has no option \"%s\"", key, names);
  }
}

/* Pushes an option; returns false where it is absent. */
static bool option(lua_State *L, const char *name, int type)
{
  lua_pushstring(L, name);
  lua_rawget(L, 2);
  if (lua_isnil(L, -1))
    return false;
  if (lua_type(L, -1) != type)
    luaL_error(L, "kaa.exec: %s: expected a %s, got a %s", name, lua_typename(L, type),
               luaL_typename(L, -1));
  return true;
}

static double timeout_option(lua_State *L)
{
  if (!option(L, "timeout_s", LUA_TNUMBER))
    return 0;
  double seconds = lua_tonumber(L, -1);
  if (!(seconds > 0 && seconds <= LONGEST_TIMEOUT_S))
    luaL_error(L, "kaa.exec: timeout_s: expected more than 0 and up to 86400");
  return seconds;
}

static int64_t max_output_option(lua_State *L)
{
  if (!option(L, "max_output", LUA_TNUMBER))
    return DEFAULT_MAX_OUTPUT;
  int is_integer;
  lua_Integer bytes = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || bytes < 0 || bytes > LARGEST_MAX_OUTPUT)
    luaL_error(L, "kaa.exec: max_output: expected bytes from 0 to %d", LARGEST_MAX_OUTPUT);
  return bytes;
}

static void put_cwd(lua_State *L, struct buffer *out)
{
  if (!option(L, "cwd", LUA_TSTRING)) {
    frame_put_text(out, "");
    return;
  }
  if (*lua_tostring(L, -1) != '/')
    luaL_error(L, "kaa.exec: cwd: expected an absolute path");
  put_text(L, out, -1, "cwd");
}

/* A narrowed grant is for the programs as they are. */
static void put_variable(lua_State *L, struct buffer *out, bool is_narrowed)
{
  if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "kaa.exec: env: expected names and texts; write: env = { LANG = \"C\" }");
  const char *name = lua_tostring(L, -2);
  if (!*name || strchr(name, '='))
    luaL_error(L, "kaa.exec: env: \"%s\" is no name of a variable", name);
  if (is_narrowed && code_variable_is(name))
    luaL_error(L, "kaa.exec: env: %s has a program run other code than its own: "
                  "not with a list in needs.exec", name);
  lua_pushvalue(L, -2);
  lua_pushliteral(L, "=");
  lua_pushvalue(L, -3);
  lua_concat(L, 3);
  put_text(L, out, -1, "env");
  lua_pop(L, 1);
}

static void put_env(lua_State *L, struct buffer *out)
{
  uint32_t count = 0;
  if (!option(L, "env", LUA_TTABLE)) {
    frame_put_u32(out, count);
    return;
  }
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    count++;
  if (count > LARGEST_LIST)
    luaL_error(L, "kaa.exec: env: %d variables, limit %d", (int)count, LARGEST_LIST);
  capability_push(L, "exec");
  bool is_narrowed = lua_istable(L, -1);
  lua_pop(L, 1);
  frame_put_u32(out, count);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    put_variable(L, out, is_narrowed);
}

static void put_stdin(lua_State *L, struct buffer *out)
{
  size_t size = 0;
  bool given = option(L, "stdin", LUA_TSTRING);
  const char *text = given ? lua_tolstring(L, -1, &size) : "";
  frame_put_u8(out, given);
  frame_put_bytes(out, text, size);
}

/* Nobody waits for a program that is left to itself, and nobody feeds it. */
static bool detach_option(lua_State *L)
{
  if (!option(L, "detach", LUA_TBOOLEAN) || !lua_toboolean(L, -1))
    return false;
  static const char *const others[] = {"stdin", "timeout_s"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
    lua_pushstring(L, others[i]);
    if (lua_rawget(L, 2) != LUA_TNIL)
      luaL_error(L, "kaa.exec: %s does not go together with detach", others[i]);
    lua_pop(L, 1);
  }
  return true;
}

/* The frame is at the start of `out`. */
static void finish(lua_State *L, struct buffer *out, const char *what)
{
  size_t size = out->size_bytes;
  if (size > FRAME_MAX_BYTES) {
    buffer_clear(out);
    luaL_error(L, "%s: %I bytes of arguments, stdin and env, limit %d", what, (LUAI_UACINT)size,
               FRAME_MAX_BYTES);
  }
  frame_end(out, 0);
}

double exec_request_build(lua_State *L)
{
  capability_demand(L, "exec", "kaa.exec");
  lua_pop(L, 1);
  check_keys(L);
  struct buffer *out = reply_begin(L, WORKER_EXEC);
  put_argv(L, out);
  put_stdin(L, out);
  double seconds = timeout_option(L);
  frame_put_i64(out, seconds > 0 && seconds < 0.001 ? 1 : (int64_t)(seconds * 1000));
  put_cwd(L, out);
  put_env(L, out);
  frame_put_i64(out, max_output_option(L));
  frame_put_u8(out, detach_option(L));
  finish(L, out, "kaa.exec");
  return seconds;
}

void exec_request_build_shell(lua_State *L, const char *command, const char *what)
{
  demand_program(L, "/bin/sh", what);
  struct buffer *out = reply_begin(L, WORKER_EXEC);
  frame_put_u32(out, 3);
  frame_put_text(out, "/bin/sh");
  frame_put_text(out, "-c");
  frame_put_text(out, command);
  frame_put_u8(out, 0);
  frame_put_text(out, "");
  frame_put_i64(out, 0);
  frame_put_text(out, "");
  frame_put_u32(out, 0);
  frame_put_i64(out, DEFAULT_MAX_OUTPUT);
  frame_put_u8(out, 0);
  finish(L, out, what);
}
