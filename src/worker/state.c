#include "worker/state.h"

#include "base/utf8.h"
#include "worker/coroutines.h"
#include "worker/embedded.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <lua-cjson.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>

enum { DEFAULT_MEMORY_MIB = 32, TRACE_BYTES = 16 * 1024 };

int luaopen_cjson_safe(lua_State *L); /* the package's header lacks it */

/* Only reached by a mistake of ours: all that raises runs in a protected call. */
static int on_panic(lua_State *L)
{
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "no message";
  fprintf(stderr, "kaalua-worker: error outside a protected call: %s\n", text);
  abort();
}

int state_create(struct worker *worker)
{
  heap_init(&worker->heap, worker, DEFAULT_MEMORY_MIB);
  heap_charge_json(&worker->heap);
  worker->lua = lua_newstate(heap_allocate, &worker->heap);
  if (!worker->lua)
    return -ENOMEM;
  *(struct worker **)lua_getextraspace(worker->lua) = worker;
  lua_atpanic(worker->lua, on_panic);
  return 0;
}

/* Keeps the traceback while the stack is still there; leaves the error object. */
static int keep_trace(lua_State *L)
{
  struct worker *worker = worker_of(L);
  luaL_traceback(L, L, NULL, 1);
  size_t size;
  const char *text = lua_tolstring(L, -1, &size);
  buffer_reset(&worker->trace);
  buffer_append(&worker->trace, text, utf8_cut(text, size, TRACE_BYTES));
  lua_pop(L, 1);
  return 1;
}

int state_call(struct worker *worker, lua_CFunction function, void *argument)
{
  lua_State *L = worker->lua;
  buffer_reset(&worker->trace);
  lua_settop(L, 0);
  lua_pushcfunction(L, keep_trace);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  return lua_pcall(L, 1, 0, 1);
}

int state_call_with_error(struct worker *worker, lua_CFunction function, void *argument)
{
  lua_State *L = worker->lua;
  lua_replace(L, 1);
  lua_settop(L, 1);
  lua_pushcfunction(L, function);
  lua_pushlightuserdata(L, argument);
  lua_pushvalue(L, 1);
  return lua_pcall(L, 2, 0, 0);
}

static int load_embedded(lua_State *L)
{
  const struct embedded_module *module = lua_touserdata(L, lua_upvalueindex(1));
  if (luaL_loadbufferx(L, module->source, module->size_bytes, module->chunk, "t"))
    return lua_error(L);
  lua_pushstring(L, module->name);
  lua_call(L, 1, 1);
  return 1;
}

static void prepare_modules(lua_State *L)
{
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  for (size_t i = 0; i < embedded_module_count; i++) {
    lua_pushlightuserdata(L, (void *)&embedded_modules[i]);
    lua_pushcclosure(L, load_embedded, 1);
    lua_setfield(L, -2, embedded_modules[i].name);
  }
  lua_pop(L, 1);
}

static void call_setting(lua_State *L, const char *name, int arguments)
{
  lua_getfield(L, -1 - arguments, name);
  lua_insert(L, -1 - arguments);
  lua_call(L, arguments, 0);
}

/* The safest that this cjson has: no NaN, no sparse arrays, no kept buffer. */
static void make_safe(lua_State *L)
{
  static const char *const flags[] = {"encode_keep_buffer", "decode_invalid_numbers",
                                      "encode_invalid_numbers"};
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
    lua_pushboolean(L, 0);
    call_setting(L, flags[i], 1);
  }
  lua_pushboolean(L, 0);
  call_setting(L, "encode_sparse_array", 1);
  static const char *const depths[] = {"encode_max_depth", "decode_max_depth"};
  for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
    lua_pushinteger(L, 64);
    call_setting(L, depths[i], 1);
  }
  lua_pushinteger(L, 14);
  call_setting(L, "encode_number_precision", 1);
}

static void open_cjson(lua_State *L)
{
  luaL_requiref(L, "cjson", luaopen_cjson, 0);
  make_safe(L);
  luaL_requiref(L, "cjson.safe", luaopen_cjson_safe, 0);
  make_safe(L);
  lua_pop(L, 2);
}

void state_open_libraries(lua_State *L)
{
  luaL_openlibs(L);
  coroutines_install(L);
  open_cjson(L);
  prepare_modules(L);
  for (int i = 0; i < STATE_VALUES; i++) { /* the slots exist: keeping allocates nothing */
    lua_pushboolean(L, 0);
    state_keep(L, (enum state_value)i);
  }
  lua_getglobal(L, "require");
  state_keep(L, STATE_REQUIRE);
  lua_newtable(L);
  state_keep(L, STATE_LOADED);
  state_push(L, "kaa.values", "array_metatable");
  state_keep(L, STATE_ARRAY_MARK);
  state_push(L, "kaa.contract", "params_of");
  state_keep(L, STATE_PARAMS_OF);
  state_push(L, "kaa.result", "normalise");
  state_keep(L, STATE_NORMALISE);
  state_push(L, "kaa.result", "reason");
  state_keep(L, STATE_REASON);
}

void state_push(lua_State *L, const char *module, const char *field)
{
  state_push_kept(L, STATE_REQUIRE);
  lua_pushstring(L, module);
  lua_call(L, 1, 1);
  lua_getfield(L, -1, field);
  lua_remove(L, -2);
}

/* Addresses as keys: no name that Lua code could use. */
static const char *key_of(enum state_value which)
{
  static const char keys[STATE_VALUES] = {0};
  return &keys[which];
}

void state_keep(lua_State *L, enum state_value which)
{
  lua_rawsetp(L, LUA_REGISTRYINDEX, key_of(which));
}

void state_push_kept(lua_State *L, enum state_value which)
{
  lua_rawgetp(L, LUA_REGISTRYINDEX, key_of(which));
}
