#include "worker/load.h"

#include "base/worker_frames.h"
#include "worker/decode.h"
#include "worker/encode.h"
#include "worker/environment.h"
#include "worker/fault.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

enum { LOADING_S = 2, LOADED_MAX_BYTES = 1024 * 1024, FAULTS_MAX = 100 };

struct load {
  struct worker *worker;
  bool is_faulty;
};

/* ---- inside the protected call; worker->answer grows to LOADED's JSON ---- */

static void add_fault(struct load *load, const struct fault *fault)
{
  struct worker *worker = load->worker;
  if (load->is_faulty)
    buffer_append_char(&worker->answer, ',');
  load->is_faulty = true;
  fault_write(&worker->answer, &worker->version.files[0], fault);
}

static void set_option(lua_State *L, const struct version *version, const char *name)
{
  const json_t *value = json_object_get(version->options, name);
  if (value) {
    decode_push(L, value);
    lua_setfield(L, -2, name);
  }
}

static void push_context(lua_State *L, const struct version *version)
{
  const struct source_file *file = &version->files[0];
  lua_newtable(L);
  lua_pushstring(L, file->chunk);
  lua_setfield(L, -2, "chunk");
  lua_pushlstring(L, file->text, file->size_bytes);
  lua_setfield(L, -2, "source");
  lua_pushstring(L, version->name);
  lua_setfield(L, -2, "type");
  set_option(L, version, "settings");
  set_option(L, version, "ceiling");
  set_option(L, version, "is_placed");
}

/* The list of {line, column, message, setting, secret} at the top of the stack. */
static void write_faults(lua_State *L, struct load *load)
{
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  for (lua_Integer i = 1; i <= FAULTS_MAX && lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
    lua_getfield(L, -1, "line");
    lua_getfield(L, -2, "column");
    lua_getfield(L, -3, "message");
    lua_getfield(L, -4, "setting");
    lua_getfield(L, -5, "secret");
    add_fault(load, &(struct fault){
        .line = (int)lua_tointeger(L, -5),
        .column = (int)lua_tointeger(L, -4),
        .message = luaL_checkstring(L, -3),
        .setting = lua_tostring(L, -2),
        .is_secret = lua_toboolean(L, -1),
    });
    lua_pop(L, 6);
  }
  if (count > FAULTS_MAX)
    add_fault(load, &(struct fault){.message = lua_pushfstring(
                        L, "%I more faults", (LUAI_UACINT)(count - FAULTS_MAX))});
}

/* Appends "name":value, the value at the top of the stack. */
static void write_value(lua_State *L, struct worker *worker, const char *name)
{
  struct encode_fault fault;
  buffer_format(&worker->answer, "\"%s\":", name);
  if (encode_json(L, -1, &worker->answer, name, LOADED_MAX_BYTES, &fault))
    luaL_error(L, "%s", *fault.text ? fault.text : "too large");
}

static lua_Number number_field(lua_State *L, const char *name)
{
  lua_getfield(L, -1, name);
  lua_Number number = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return number;
}

/* The contract is at the top of the stack. */
static void accept(lua_State *L, struct load *load)
{
  struct worker *worker = load->worker;
  worker->timeout_s = number_field(L, "timeout_s");
  worker->memory_mib = (int64_t)number_field(L, "memory_mib");
  worker->max_age_s = number_field(L, "max_age_s");
  confine_read_contract(L, &worker->write_grant);
  lua_pushvalue(L, -1);
  state_keep(L, STATE_CONTRACT);
  state_push(L, "kaa.contract", "describe");
  lua_insert(L, -2);
  lua_call(L, 1, 1);
  buffer_append_text(&worker->answer, "],");
  write_value(L, worker, "contract");
}

static int load_handler(lua_State *L)
{
  struct load *load = lua_touserdata(L, 1);
  struct worker *worker = load->worker;
  state_open_libraries(L);
  environment_create(L);
  state_push(L, "kaa.contract", "check");
  environment_load(L, &worker->version.files[0]);
  lua_pushstring(L, worker->version.name);
  lua_call(L, 1, 1);
  push_context(L, &worker->version);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) {
    write_faults(L, load);
    return 0;
  }
  lua_pop(L, 1);
  accept(L, load);
  return 0;
}

/* A configuration is run in an empty environment and sees nothing. */
static int load_config(lua_State *L)
{
  struct load *load = lua_touserdata(L, 1);
  const struct source_file *file = &load->worker->version.files[0];
  state_open_libraries(L);
  environment_create(L);
  state_push(L, "kaa.config", "check");
  environment_load(L, file);
  lua_newtable(L);
  lua_setupvalue(L, -2, 1);
  lua_call(L, 0, 1);
  lua_pushlstring(L, file->text, file->size_bytes);
  lua_call(L, 2, 3);
  if (lua_isnil(L, -3)) {
    lua_pop(L, 1);
    write_faults(L, load);
    return 0;
  }
  buffer_append_text(&load->worker->answer, "],");
  write_value(L, load->worker, "places");
  lua_pop(L, 2);
  buffer_append_char(&load->worker->answer, ',');
  write_value(L, load->worker, "value");
  return 0;
}

/* ---- outside ---- */

static void write_fault(struct worker *worker, const char *message)
{
  buffer_append_text(&worker->answer, "{\"faults\":[");
  fault_write_error(&worker->answer, &worker->version, message);
}

static void write_stopped(struct worker *worker, const char *place, const char *what)
{
  struct buffer message = {0};
  buffer_format(&message, "%s%s%s", place, *place ? ": " : "", what);
  write_fault(worker, buffer_text(&message));
  buffer_clear(&message);
}

/* What the protected call ended with becomes the only fault. */
static void write_ending(struct worker *worker, int status, bool was_stopped)
{
  lua_State *L = worker->lua;
  buffer_reset(&worker->answer);
  if (was_stopped)
    write_stopped(worker, worker->limit.place, "loading took longer than 2 s");
  else if (heap_is_exhausted(&worker->heap) && status == LUA_ERRMEM)
    write_stopped(worker, worker->heap.place, "out of memory while loading (limit 32 MiB)");
  else if (lua_type(L, -1) == LUA_TSTRING)
    write_fault(worker, lua_tostring(L, -1));
  else
    write_stopped(worker, "", "raised an error object that is no text");
}

static void finish_frame(struct worker *worker, bool faulty)
{
  struct buffer *out = &worker->channel.out;
  buffer_append_text(&worker->answer, faulty ? "]}" : "}");
  size_t at = frame_begin(out, WORKER_LOADED);
  frame_put_bytes(out, worker->answer.data, worker->answer.size_bytes);
  frame_end(out, at);
  buffer_clear(&worker->answer);
}

int load_version(struct worker *worker)
{
  struct load load = {.worker = worker};
  int status = LUA_ERRMEM;
  bool was_stopped = false;
  worker->is_loading = true;
  buffer_append_text(&worker->answer, "{\"faults\":[");
  if (!state_create(worker)) {
    limit_begin(&worker->limit, LOADING_S);
    status = state_call(worker, worker->version.is_config ? load_config : load_handler, &load);
    was_stopped = limit_end(&worker->limit);
  }
  worker->is_loading = false;
  output_settle(&worker->output);
  if (status != LUA_OK || was_stopped) {
    load.is_faulty = true;
    write_ending(worker, status, was_stopped);
  }
  finish_frame(worker, load.is_faulty);
  return load.is_faulty || worker->version.is_config ? -EINVAL : 0;
}
