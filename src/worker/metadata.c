#include "worker/metadata.h"

#include "base/jsontext.h"
#include "base/worker_frames.h"
#include "worker/capability.h"
#include "worker/encode.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

#define RIGHT_CALL "write: kaa.metadata { light = \"on\" }"

static const char KEY_CHARACTERS[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

/* All keys of the table at index 1 are texts: it was written as an object. */
static void check_keys(lua_State *L)
{
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    size_t size;
    const char *key = lua_tolstring(L, -2, &size);
    if (!size || strspn(key, KEY_CHARACTERS) != size)
      luaL_error(L, "kaa.metadata: \"%s\" is no key: letters, digits and _ only; " RIGHT_CALL, key);
  }
}

static void encode_keys(lua_State *L, struct buffer *text)
{
  struct encode_fault fault;
  buffer_reset(text);
  int rc = encode_json(L, 1, text, "metadata", JSONTEXT_MAX_BYTES, &fault);
  if (rc == -EMSGSIZE)
    luaL_error(L, "kaa.metadata: %I bytes at once, limit %d", (LUAI_UACINT)fault.size_bytes,
               JSONTEXT_MAX_BYTES);
  if (rc)
    luaL_error(L, "kaa.metadata: %s", fault.text);
  if (*text->data == '[')
    luaL_error(L, "kaa.metadata takes a table of names and values, got a list; " RIGHT_CALL);
  if (text->size_bytes == 2)
    luaL_error(L, "kaa.metadata: the table is empty; " RIGHT_CALL);
}

int metadata_send(lua_State *L)
{
  capability_require_endpoint(L, "kaa.metadata");
  struct worker *worker = worker_of(L);
  if (!lua_istable(L, 1))
    return luaL_error(L, "kaa.metadata takes a table of names and values, got a %s; " RIGHT_CALL,
                      luaL_typename(L, 1));
  encode_keys(L, &worker->scratch);
  check_keys(L);
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_METADATA);
  frame_put_text(out, worker->command.endpoint);
  frame_put_bytes(out, worker->scratch.data, worker->scratch.size_bytes);
  frame_end(out, at);
  channel_flush(&worker->channel);
  return 0;
}
