#include "worker/encode.h"

#include "base/jsontext.h"
#include "base/utf8.h"
#include "worker/state.h"

#include <ctype.h>
#include <errno.h>
#include <lauxlib.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 200 };

struct encoder {
  lua_State *L;
  struct buffer *out;
  size_t start_bytes; /* of the text in `out` */
  size_t limit_bytes;
  size_t dropped_bytes; /* over the limit: counted, not kept */
  int depth;
  int deepest;
  char what[120];        /* the fault */
  char path[PATH_BYTES]; /* to it; written from its end on the way back */
};

static int encode_value(struct encoder *encoder, int index);

static int refuse(struct encoder *encoder, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static int refuse(struct encoder *encoder, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(encoder->what, sizeof encoder->what, format, arguments);
  va_end(arguments);
  return -EINVAL;
}

/* Puts a step in front of the path to the fault. What is too long loses its end. */
static void prepend(struct encoder *encoder, const char *step)
{
  char whole[2 * PATH_BYTES];
  snprintf(whole, sizeof whole, "%.*s%s", PATH_BYTES - 1, step, encoder->path);
  size_t size = utf8_cut(whole, strlen(whole), PATH_BYTES - 1);
  memcpy(encoder->path, whole, size);
  encoder->path[size] = '\0';
}

static void prepend_index(struct encoder *encoder, lua_Integer index)
{
  char step[32];
  snprintf(step, sizeof step, "[%lld]", (long long)index);
  prepend(encoder, step);
}

static bool is_plain_name(const char *key, size_t size)
{
  if (!size || size > 60 || isdigit((unsigned char)*key))
    return false;
  for (size_t i = 0; i < size; i++)
    if (!isalnum((unsigned char)key[i]) && key[i] != '_')
      return false;
  return true;
}

static void prepend_key(struct encoder *encoder, const char *key, size_t size)
{
  char step[80];
  if (is_plain_name(key, size))
    snprintf(step, sizeof step, ".%s", key);
  else
    snprintf(step, sizeof step, "[\"%.*s\"]", (int)utf8_cut(key, size, 60), key);
  prepend(encoder, step);
}

/* Keeps the text within its limit: what is over is counted only, up to a point. */
static int check_size(struct encoder *encoder)
{
  size_t size = encoder->out->size_bytes - encoder->start_bytes;
  if (encoder->dropped_bytes + size <= encoder->limit_bytes)
    return 0;
  encoder->dropped_bytes += size;
  encoder->out->size_bytes = encoder->start_bytes;
  return encoder->dropped_bytes > ENCODE_COUNTED_BYTES ? -EMSGSIZE : 0;
}

static int encode_text(struct encoder *encoder, const char *text, size_t size)
{
  size_t position;
  if (!utf8_is_valid(text, size, &position))
    return refuse(encoder, "not valid UTF-8 at byte %zu", position + 1);
  if (size > encoder->limit_bytes)
    encoder->dropped_bytes += size + 2;
  else
    jsontext_write_string(encoder->out, text, size);
  return check_size(encoder);
}

static int encode_string(struct encoder *encoder, int index)
{
  size_t size;
  const char *text = lua_tolstring(encoder->L, index, &size);
  return encode_text(encoder, text, size);
}

static int encode_number(struct encoder *encoder, int index)
{
  if (lua_isinteger(encoder->L, index)) {
    jsontext_write_integer(encoder->out, lua_tointeger(encoder->L, index));
    return 0;
  }
  double number = lua_tonumber(encoder->L, index);
  if (isnan(number))
    return refuse(encoder, "NaN has no JSON form");
  if (isinf(number))
    return refuse(encoder, "an infinite number has no JSON form");
  jsontext_write_real(encoder->out, number);
  return 0;
}

/* What the keys of a table are. */
struct keys {
  lua_Integer count; /* of keys that are integers from 1 */
  lua_Integer largest;
  bool has_names;
};

static int look_at_keys(struct encoder *encoder, int table, struct keys *keys)
{
  lua_State *L = encoder->L;
  *keys = (struct keys){0};
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    if (lua_type(L, -2) == LUA_TSTRING) {
      keys->has_names = true;
    } else if (lua_isinteger(L, -2) && lua_tointeger(L, -2) > 0) {
      keys->count++;
      if (lua_tointeger(L, -2) > keys->largest)
        keys->largest = lua_tointeger(L, -2);
    } else {
      const char *kind = lua_isinteger(L, -2) ? "an index below 1" : luaL_typename(L, -2);
      return refuse(encoder, "a key is %s%s: JSON has names, or a list from 1",
                    lua_isinteger(L, -2) ? "" : "a ", kind);
    }
  }
  return 0;
}

static bool is_marked(struct encoder *encoder, int table)
{
  if (!lua_getmetatable(encoder->L, table))
    return false;
  state_push_kept(encoder->L, STATE_ARRAY_MARK);
  bool marked = lua_rawequal(encoder->L, -1, -2);
  lua_pop(encoder->L, 2);
  return marked;
}

static int encode_array(struct encoder *encoder, int table, lua_Integer size)
{
  buffer_append_char(encoder->out, '[');
  for (lua_Integer i = 1; i <= size; i++) {
    if (i > 1)
      buffer_append_char(encoder->out, ',');
    lua_rawgeti(encoder->L, table, i);
    int rc = encode_value(encoder, lua_gettop(encoder->L));
    if (rc) {
      prepend_index(encoder, i);
      return rc;
    }
    lua_pop(encoder->L, 1);
  }
  buffer_append_char(encoder->out, ']');
  return 0;
}

static int encode_member(struct encoder *encoder, bool is_first)
{
  lua_State *L = encoder->L;
  size_t size;
  const char *key = lua_tolstring(L, -2, &size);
  if (memchr(key, '\0', size))
    return refuse(encoder, "a name holds a NUL byte");
  if (!is_first)
    buffer_append_char(encoder->out, ',');
  int rc = encode_text(encoder, key, size);
  if (rc)
    return rc == -EINVAL ? refuse(encoder, "a name is not valid UTF-8") : rc;
  buffer_append_char(encoder->out, ':');
  rc = encode_value(encoder, lua_gettop(L));
  if (rc)
    prepend_key(encoder, key, size);
  return rc;
}

static int encode_object(struct encoder *encoder, int table)
{
  lua_State *L = encoder->L;
  bool is_first = true;
  buffer_append_char(encoder->out, '{');
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1)) {
    int rc = encode_member(encoder, is_first);
    if (rc)
      return rc;
    is_first = false;
  }
  buffer_append_char(encoder->out, '}');
  return 0;
}

/* The first of the indices 1 to the largest that has no value. */
static lua_Integer missing_index(lua_State *L, int table)
{
  lua_Integer i = 0;
  int type;
  do {
    type = lua_rawgeti(L, table, ++i);
    lua_pop(L, 1);
  } while (type != LUA_TNIL);
  return i;
}

static int encode_table(struct encoder *encoder, int table)
{
  struct keys keys;
  int rc = look_at_keys(encoder, table, &keys);
  if (rc)
    return rc;
  bool marked = is_marked(encoder, table);
  if (keys.has_names && (keys.count || marked))
    return refuse(encoder, "has names and list elements: JSON has either");
  if (keys.count != keys.largest)
    return refuse(encoder, "a list without element %lld (kaa.null keeps its place)",
                  (long long)missing_index(encoder->L, table));
  if (keys.count || marked)
    return encode_array(encoder, table, keys.count);
  return encode_object(encoder, table);
}

static int encode_nested(struct encoder *encoder, int table)
{
  if (++encoder->depth > JSONTEXT_MAX_DEPTH || !lua_checkstack(encoder->L, 6))
    return refuse(encoder, "nested deeper than %d (is it inside itself?)", JSONTEXT_MAX_DEPTH);
  if (encoder->depth > encoder->deepest)
    encoder->deepest = encoder->depth;
  int rc = encode_table(encoder, table);
  encoder->depth--;
  return rc ? rc : check_size(encoder);
}

static int encode_value(struct encoder *encoder, int index)
{
  lua_State *L = encoder->L;
  switch (lua_type(L, index)) {
  case LUA_TTABLE: return encode_nested(encoder, index);
  case LUA_TSTRING: return encode_string(encoder, index);
  case LUA_TNUMBER: return encode_number(encoder, index);
  case LUA_TBOOLEAN:
    buffer_append_text(encoder->out, lua_toboolean(L, index) ? "true" : "false");
    return 0;
  case LUA_TLIGHTUSERDATA:
    if (!lua_touserdata(L, index)) {
      buffer_append_text(encoder->out, "null");
      return 0;
    }
    break;
  case LUA_TNIL: return refuse(encoder, "nil has no JSON form; null is kaa.null");
  default: break;
  }
  return refuse(encoder, "a %s has no JSON form", luaL_typename(L, index));
}

int encode_json(lua_State *L, int index, struct buffer *out, const char *root,
                    size_t limit_bytes, struct encode_fault *fault)
{
  struct encoder encoder = {
      .L = L, .out = out, .start_bytes = out->size_bytes, .limit_bytes = limit_bytes};
  int top = lua_gettop(L);
  int rc = lua_checkstack(L, 6) ? encode_value(&encoder, lua_absindex(L, index))
                                : refuse(&encoder, "Lua's stack is full");
  lua_settop(L, top);
  if (!rc && encoder.dropped_bytes)
    rc = -EMSGSIZE;
  fault->size_bytes = encoder.dropped_bytes + out->size_bytes - encoder.start_bytes;
  fault->depth = encoder.deepest;
  *fault->text = '\0';
  if (rc)
    out->size_bytes = encoder.start_bytes;
  if (rc == -EINVAL)
    snprintf(fault->text, sizeof fault->text, "%s%s: %s", root, encoder.path, encoder.what);
  return rc;
}
