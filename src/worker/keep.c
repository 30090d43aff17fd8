#include "worker/keep.h"

#include "base/utf8.h"
#include "worker/decode.h"
#include "worker/encode.h"
#include "worker/reply.h"

#include <errno.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

enum { VALUE_BYTES = 64 * 1024 };

/* Encodes in place: the field's length is put in front once it is known. */
static void put_value(lua_State *L, struct buffer *out, const struct keep *keep)
{
  struct encode_fault fault;
  frame_put_u8(out, keep->value != 0);
  size_t place = out->size_bytes;
  frame_put_u32(out, 0);
  if (!keep->value)
    return;
  int rc = encode_json(L, keep->value, out, "value", VALUE_BYTES, &fault);
  if (rc == -EMSGSIZE)
    luaL_error(L, "%s: %I bytes, limit %d", keep->call, (LUAI_UACINT)fault.size_bytes,
               VALUE_BYTES);
  if (rc)
    luaL_error(L, "%s: %s", keep->call, fault.text);
  size_t end = out->size_bytes;
  out->size_bytes = place;
  frame_put_u32(out, (uint32_t)(end - place - sizeof(uint32_t)));
  out->size_bytes = end;
}

static void put_request(lua_State *L, const struct keep *keep)
{
  size_t size = 0;
  struct buffer *out = reply_begin(L, WORKER_KEEP);
  frame_put_text(out, keep->what);
  frame_put_text(out, keep->scope);
  const char *key = keep->key ? lua_tolstring(L, keep->key, &size) : "";
  frame_put_bytes(out, key, size);
  put_value(L, out, keep);
  frame_put_i64(out, keep->within_ms);
  frame_end(out, 0);
}

static int push_failure(lua_State *L, const char *text, size_t size)
{
  lua_pushnil(L);
  lua_pushlstring(L, text, size);
  return 2;
}

int keep_call(lua_State *L, const struct keep *keep)
{
  static const char broken[] = "the host's answer is broken";
  put_request(L, keep);
  struct frame answer = reply_await(L, WORKER_KEPT);
  size_t failure_bytes, value_bytes;
  const char *failure = frame_get_bytes(&answer, &failure_bytes);
  bool has_value = frame_get_u8(&answer);
  const char *value = frame_get_bytes(&answer, &value_bytes);
  if (answer.bad)
    return push_failure(L, broken, strlen(broken));
  if (failure_bytes)
    return push_failure(L, failure, failure_bytes);
  if (!strcmp(keep->what, "get")) {
    if (!has_value)
      lua_pushnil(L);
    else if (!decode_json(L, value, value_bytes))
      return push_failure(L, broken, strlen(broken));
  } else {
    lua_pushboolean(L, 1);
  }
  return 1;
}
