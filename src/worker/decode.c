#include "worker/decode.h"

#include "base/jsontext.h"
#include "worker/heap.h"
#include "worker/state.h"
#include "worker/worker.h"

#include <lauxlib.h>

static void push_array(lua_State *L, const json_t *array)
{
  size_t size = json_array_size(array);
  lua_createtable(L, (int)size, 0);
  state_push_kept(L, STATE_ARRAY_MARK);
  lua_setmetatable(L, -2);
  for (size_t i = 0; i < size; i++) {
    decode_push(L, json_array_get(array, i));
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static void push_object(lua_State *L, const json_t *object)
{
  lua_createtable(L, 0, (int)json_object_size(object));
  const char *key;
  json_t *member;
  json_object_foreach((json_t *)object, key, member) {
    lua_pushstring(L, key);
    decode_push(L, member);
    lua_rawset(L, -3);
  }
}

void decode_push(lua_State *L, const json_t *value)
{
  luaL_checkstack(L, 4, "JSON");
  switch (json_typeof(value)) {
  case JSON_OBJECT: push_object(L, value); break;
  case JSON_ARRAY: push_array(L, value); break;
  case JSON_STRING: lua_pushlstring(L, json_string_value(value), json_string_length(value)); break;
  case JSON_INTEGER: lua_pushinteger(L, (lua_Integer)json_integer_value(value)); break;
  case JSON_REAL: lua_pushnumber(L, json_real_value(value)); break;
  case JSON_TRUE: lua_pushboolean(L, 1); break;
  case JSON_FALSE: lua_pushboolean(L, 0); break;
  case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
  }
}

static int push_parsed(lua_State *L)
{
  decode_push(L, lua_touserdata(L, 1));
  return 1;
}

/* Parses within the state's memory; garbage may be in the way. Where there is
 * still too little, Lua is asked for more than there is: an ordinary memory error. */
static json_t *parse(lua_State *L, const char *text, size_t size, struct json_fault *fault)
{
  struct heap *heap = &worker_of(L)->heap;
  for (int attempt = 0; attempt < 2; attempt++) {
    json_t *value = jsontext_parse(text, size, fault);
    if (!heap_take_json_refusal(heap))
      return value;
    json_decref(value);
    lua_gc(L, LUA_GCCOLLECT);
  }
  lua_newuserdatauv(L, heap->limit_bytes, 0);
  return NULL;
}

bool decode_json(lua_State *L, const char *text, size_t size)
{
  luaL_checkstack(L, 4, "JSON");
  struct json_fault fault;
  json_t *value = parse(L, text, size, &fault);
  if (!value) {
    lua_pushstring(L, fault.text);
    return false;
  }
  lua_pushcfunction(L, push_parsed);
  lua_pushlightuserdata(L, value);
  int status = lua_pcall(L, 1, 1, 0); /* so that the tree is freed in any case */
  json_decref(value);
  if (status != LUA_OK)
    lua_error(L);
  return true;
}
