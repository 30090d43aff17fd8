#include "worker/binding.h"

#include "base/clock.h"
#include "worker/base_functions.h"
#include "worker/cancel.h"
#include "worker/capability.h"
#include "worker/decode.h"
#include "worker/encode.h"
#include "worker/metadata.h"
#include "worker/misuse.h"
#include "worker/programs.h"
#include "worker/progress.h"
#include "worker/restart.h"
#include "worker/state.h"
#include "worker/store.h"
#include "worker/telemetry.h"
#include "worker/transfers.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

static const double LONGEST_SLEEP_S = 86400.0 * 365;

static int kaa_sleep(lua_State *L)
{
  capability_require_command(L, "kaa.sleep");
  struct worker *worker = worker_of(L);
  struct limit *limit = &worker->limit;
  double seconds = luaL_checknumber(L, 1);
  if (!(seconds >= 0 && seconds <= LONGEST_SLEEP_S))
    return luaL_error(L, "kaa.sleep takes seconds from 0, got %f; write: kaa.sleep(0.5)", seconds);
  int64_t end_ms = clock_monotonic_ms() + (int64_t)(seconds * 1000 + 0.5);
  int rc = 0;
  for (int64_t left_ms; rc >= 0 && (left_ms = end_ms - clock_monotonic_ms()) > 0;) {
    int64_t due_ms = progress_send_due(worker);
    rc = limit_wait_or_cancel(limit, -1, due_ms >= 0 && due_ms < left_ms ? due_ms : left_ms);
  }
  if (rc == -EINTR)
    return limit_stop(limit, L);
  if (cancel_hear(worker))
    return cancel_push(L);
  lua_pushboolean(L, 1);
  return 1;
}

static int kaa_now(lua_State *L)
{
  lua_pushnumber(L, (double)clock_wall_ms() / 1000);
  return 1;
}

static int say(lua_State *L, enum log_level level)
{
  luaL_checkany(L, 1);
  base_functions_print(L, level, " ");
  return 0;
}

static int log_debug_line(lua_State *L)
{
  return say(L, LOG_LEVEL_DEBUG);
}

static int log_info_line(lua_State *L)
{
  return say(L, LOG_LEVEL_INFO);
}

static int log_warn_line(lua_State *L)
{
  return say(L, LOG_LEVEL_WARN);
}

static int log_error_line(lua_State *L)
{
  return say(L, LOG_LEVEL_ERROR);
}

/* The text may be as large as the state itself. */
static int json_encode(lua_State *L)
{
  struct worker *worker = worker_of(L);
  struct buffer *text = &worker->scratch;
  struct encode_fault fault;
  luaL_checkany(L, 1);
  buffer_clear(text);
  int rc = encode_json(L, 1, text, "value", worker->heap.limit_bytes, &fault);
  if (rc == -EMSGSIZE)
    return luaL_error(L, "kaa.json.encode: over %I bytes", (LUAI_UACINT)worker->heap.limit_bytes);
  if (rc)
    return luaL_error(L, "kaa.json.encode: %s", fault.text);
  lua_pushlstring(L, text->data, text->size_bytes);
  buffer_clear(text);
  return 1;
}

static int json_decode(lua_State *L)
{
  size_t size;
  const char *text = luaL_checklstring(L, 1, &size);
  if (decode_json(L, text, size))
    return 1;
  lua_pushnil(L);
  lua_insert(L, -2);
  return 2;
}

/* settings and endpoint change with the worker's life; the rest is in the table. */
static int kaa_index(lua_State *L)
{
  struct worker *worker = worker_of(L);
  const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
  if (!strcmp(key, "endpoint")) {
    const char *endpoint = worker->is_running ? worker->command.endpoint : "";
    lua_pushstring(L, *endpoint ? endpoint : NULL);
    return 1;
  }
  if (!strcmp(key, "settings")) {
    if (worker->is_loading)
      return luaL_error(L, "kaa.settings has its defaults once the file is loaded: read it in run");
    state_push_kept(L, STATE_CONTRACT);
    lua_getfield(L, -1, "settings");
    return 1;
  }
  return misuse_missing_key(L, "kaa");
}

static void put_functions(lua_State *L, const luaL_Reg *functions, const char *name,
                          const char *shown)
{
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  misuse_guard(L, shown);
  lua_setfield(L, -2, name);
}

static void put_lua_function(lua_State *L, const char *module, const char *name)
{
  state_push(L, module, name);
  lua_setfield(L, -2, name);
}

void binding_push(lua_State *L)
{
  static const luaL_Reg functions[] = {{"cancelled", cancel_cancelled},
                                       {"checkpoint", restart_checkpoint},
                                       {"exec", programs_exec},
                                       {"http", transfers_http},
                                       {"metadata", metadata_send},
                                       {"now", kaa_now},
                                       {"progress", progress_report},
                                       {"resume_after", restart_resume_after},
                                       {"sleep", kaa_sleep},
                                       {"telemetry", telemetry_send},
                                       {NULL, NULL}};
  static const luaL_Reg log_functions[] = {{"debug", log_debug_line},
                                           {"error", log_error_line},
                                           {"info", log_info_line},
                                           {"warn", log_warn_line},
                                           {NULL, NULL}};
  static const luaL_Reg json_functions[] = {
      {"decode", json_decode}, {"encode", json_encode}, {NULL, NULL}};
  lua_newtable(L);
  luaL_setfuncs(L, functions, 0);
  put_functions(L, log_functions, "log", "kaa.log");
  put_functions(L, json_functions, "json", "kaa.json");
  store_push(L);
  lua_setfield(L, -2, "store");
  store_push_shared(L);
  lua_setfield(L, -2, "shared");
  put_lua_function(L, "kaa.result", "fail");
  put_lua_function(L, "kaa.values", "null");
  put_lua_function(L, "kaa.values", "array");
  misuse_guard(L, "kaa");
  lua_getmetatable(L, -1);
  lua_pushcfunction(L, kaa_index);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
