#include "worker/telemetry.h"

#include "base/jsontext.h"
#include "base/worker_frames.h"
#include "worker/capability.h"
#include "worker/encode.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>

#define RIGHT_CALL "write: kaa.telemetry { temperature = 21.5 }"

static bool is_empty_table(lua_State *L)
{
  lua_pushnil(L);
  if (!lua_next(L, -2))
    return true;
  lua_pop(L, 2);
  return false;
}

/* Each element of the list at index 1 must be an object that is not empty. */
static void check_list(lua_State *L)
{
  for (lua_Integer i = 1; lua_rawgeti(L, 1, i) != LUA_TNIL; i++) {
    const char *kind = lua_istable(L, -1) ? "list" : luaL_typename(L, -1);
    bool is_empty = lua_istable(L, -1) && is_empty_table(L);
    state_push(L, "kaa.values", "is_object");
    lua_insert(L, -2);
    lua_call(L, 1, 1);
    if (!lua_toboolean(L, -1))
      luaL_error(L, "kaa.telemetry: element %I is a %s, not a sample; " RIGHT_CALL, i, kind);
    if (is_empty)
      luaL_error(L, "kaa.telemetry: element %I is empty; " RIGHT_CALL, i);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Of one sample a list is made, one level more. */
static void encode_samples(lua_State *L, struct buffer *text)
{
  struct encode_fault fault;
  buffer_reset(text);
  int rc = encode_json(L, 1, text, "sample", JSONTEXT_MAX_BYTES, &fault);
  if (rc == -EMSGSIZE)
    luaL_error(L, "kaa.telemetry: %I bytes at once, limit %d", (LUAI_UACINT)fault.size_bytes,
               JSONTEXT_MAX_BYTES);
  if (rc)
    luaL_error(L, "kaa.telemetry: %s", fault.text);
  if (*text->data != '[' && fault.depth == JSONTEXT_MAX_DEPTH)
    luaL_error(L, "kaa.telemetry: the sample is nested deeper than %d", JSONTEXT_MAX_DEPTH - 1);
}

int telemetry_send(lua_State *L)
{
  capability_require_endpoint(L, "kaa.telemetry");
  struct worker *worker = worker_of(L);
  struct buffer *text = &worker->scratch;
  if (!lua_istable(L, 1))
    return luaL_error(L, "kaa.telemetry takes a sample, a table of names and values, got a %s; "
                         RIGHT_CALL, luaL_typename(L, 1));
  encode_samples(L, text);
  bool is_list = *text->data == '[';
  if (is_list)
    check_list(L);
  if (text->size_bytes == 2)
    return luaL_error(L, "kaa.telemetry: the sample is empty; " RIGHT_CALL);
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_TELEMETRY);
  frame_put_text(out, worker->command.endpoint);
  frame_put_u32(out, (uint32_t)(text->size_bytes + (is_list ? 0 : 2)));
  buffer_append_text(out, is_list ? "" : "[");
  buffer_append(out, text->data, text->size_bytes);
  buffer_append_text(out, is_list ? "" : "]");
  frame_end(out, at);
  channel_flush(&worker->channel);
  return 0;
}
