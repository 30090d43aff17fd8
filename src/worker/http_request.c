#include "worker/http_request.h"

#include "base/http_text.h"
#include "base/http_url.h"
#include "worker/capability.h"
#include "worker/misuse.h"
#include "worker/reply.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdint.h>
#include <string.h>

enum {
  DEFAULT_MAX_BYTES = 1024 * 1024,
  LARGEST_BODY = 4 * 1024 * 1024, /* in memory, either way */
  DEFAULT_FILE_BYTES = 256 * 1024 * 1024,
  LARGEST_CA = 1024 * 1024,
  LARGEST_LIST = 100,
  LARGEST_HEADERS = 64 * 1024,
  SHA256_DIGITS = 64,
};

static const int64_t LARGEST_FILE = INT64_C(1) << 40;
static const double LONGEST_TIMEOUT_S = 86400;

#define RIGHT_CALL "kaa.http { url = \"https://example.org/file\" }"

static void check_keys(lua_State *L)
{
  static const char *const names[] = {"method", "url",       "headers",   "body", "file",
                                      "sha256", "timeout_s", "max_bytes", "ca",   NULL};
  if (!lua_istable(L, 1))
    luaL_error(L, "kaa.http takes a table, got a %s; write: " RIGHT_CALL, luaL_typename(L, 1));
  for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1)) {
    bool known = false;
    const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : luaL_typename(L, -2);
    for (int i = 0; names[i]; i++)
      known = known || !strcmp(names[i], key);
    if (!known)
      misuse_unknown(L, "kaa.http has no option \"%s\"", key, names);
  }
}

/* Pushes an option; returns false where it is absent. */
static bool option(lua_State *L, const char *name, int type)
{
  lua_pushstring(L, name);
  lua_rawget(L, 1);
  if (lua_isnil(L, -1))
    return false;
  if (lua_type(L, -1) != type)
    luaL_error(L, "kaa.http: %s: expected a %s, got a %s", name, lua_typename(L, type),
               luaL_typename(L, -1));
  return true;
}

/* Pushes an option that is a text without NUL; NULL where it is absent. */
static const char *text_option(lua_State *L, const char *name)
{
  size_t size;
  if (!option(L, name, LUA_TSTRING))
    return NULL;
  const char *text = lua_tolstring(L, -1, &size);
  if (strlen(text) != size)
    luaL_error(L, "kaa.http: %s: a text with a NUL byte", name);
  return text;
}

/* The grant is at the top of the stack: true, or a list. */
static void check_grant(lua_State *L, const struct http_url *url)
{
  bool granted = !lua_istable(L, -1);
  for (lua_Integer i = 1; !granted && lua_rawgeti(L, -1, i) == LUA_TSTRING; i++) {
    granted = http_url_is_named(url, lua_tostring(L, -1));
    lua_pop(L, 1);
  }
  if (granted)
    return;
  char entry[HTTP_URL_ENTRY_BYTES];
  http_url_write_entry(url, entry);
  luaL_error(L, "kaa.http: \"%s\" is not in needs.net; add it: needs = { net = { \"%s\" } }", entry,
             entry);
}

static void put_url(lua_State *L, struct buffer *out)
{
  struct http_url url;
  const char *text = text_option(L, "url");
  const char *fault = text ? http_url_read(text, &url) : "there is none; write: " RIGHT_CALL;
  if (fault)
    luaL_error(L, "kaa.http: url: %s", fault);
  capability_demand(L, "net", "kaa.http");
  check_grant(L, &url);
  frame_put_text(out, text);
}

static void put_method(lua_State *L, struct buffer *out)
{
  bool has_body = option(L, "body", LUA_TSTRING);
  const char *method = text_option(L, "method");
  if (!method)
    method = has_body ? "POST" : "GET";
  if (!http_text_is_method(method))
    luaL_error(L, "kaa.http: method: expected a method in capital letters, as in \"POST\", got "
                  "\"%s\"", method);
  if (has_body && (!strcmp(method, "GET") || !strcmp(method, "HEAD")))
    luaL_error(L, "kaa.http: a %s has no body; write: method = \"POST\"", method);
  bool is_head = !strcmp(method, "HEAD");
  frame_put_text(out, method);
  if (is_head && option(L, "file", LUA_TSTRING))
    luaL_error(L, "kaa.http: a HEAD gets no body for a file");
}

/* Name and value are at the top of the stack; both stay. */
static void put_header(lua_State *L, struct buffer *out)
{
  if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
    luaL_error(L, "kaa.http: headers: expected names and texts; write: "
                  "headers = { Accept = \"text/plain\" }");
  size_t name_bytes, value_bytes;
  const char *name = lua_tolstring(L, -2, &name_bytes);
  const char *value = lua_tolstring(L, -1, &value_bytes);
  const char *fault = http_text_header_fault(name, name_bytes, value, value_bytes);
  if (fault)
    luaL_error(L, "kaa.http: headers: \"%s\": %s", name, fault);
  lua_pushfstring(L, "%s: %s", name, value);
  frame_put_text(out, lua_tostring(L, -1));
  lua_pop(L, 1);
}

static void put_headers(lua_State *L, struct buffer *out)
{
  uint32_t count = 0;
  if (!option(L, "headers", LUA_TTABLE)) {
    frame_put_u32(out, 0);
    return;
  }
  int table = lua_gettop(L);
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    count++;
  if (count > LARGEST_LIST)
    luaL_error(L, "kaa.http: headers: %d of them, limit %d", (int)count, LARGEST_LIST);
  frame_put_u32(out, count);
  size_t before = out->size_bytes;
  for (lua_pushnil(L); lua_next(L, table); lua_pop(L, 1))
    put_header(L, out);
  if (out->size_bytes - before > LARGEST_HEADERS)
    luaL_error(L, "kaa.http: headers: %I bytes, limit %d",
               (LUAI_UACINT)(out->size_bytes - before), LARGEST_HEADERS);
}

static void put_body(lua_State *L, struct buffer *out)
{
  size_t size = 0;
  bool given = option(L, "body", LUA_TSTRING);
  const char *text = given ? lua_tolstring(L, -1, &size) : "";
  if (size > LARGEST_BODY)
    luaL_error(L, "kaa.http: body: %I bytes, limit %d", (LUAI_UACINT)size, LARGEST_BODY);
  frame_put_u8(out, given);
  frame_put_bytes(out, text, size);
}

static void put_sha256(lua_State *L, struct buffer *out)
{
  const char *text = text_option(L, "sha256");
  char digits[SHA256_DIGITS + 1] = "";
  size_t size = text ? strspn(text, "0123456789abcdefABCDEF") : 0;
  if (text && (size != SHA256_DIGITS || text[size]))
    luaL_error(L, "kaa.http: sha256: expected 64 hexadecimal digits");
  for (size_t i = 0; i < size; i++)
    digits[i] = (char)tolower((unsigned char)text[i]);
  frame_put_text(out, digits);
}

static void put_ca(lua_State *L, struct buffer *out)
{
  const char *text = text_option(L, "ca");
  if (text && (!strstr(text, "-----BEGIN CERTIFICATE-----") || strlen(text) > LARGEST_CA))
    luaL_error(L, "kaa.http: ca: expected certificates in PEM, the text itself; write: "
                  "ca = io.open(\"/etc/my-ca.pem\"):read \"a\"");
  frame_put_text(out, text);
}

static void put_max_bytes(lua_State *L, struct buffer *out, bool has_file)
{
  int64_t largest = has_file ? LARGEST_FILE : LARGEST_BODY;
  int64_t bytes = has_file ? DEFAULT_FILE_BYTES : DEFAULT_MAX_BYTES;
  int is_integer = 1;
  if (option(L, "max_bytes", LUA_TNUMBER))
    bytes = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer || bytes < 0 || bytes > largest)
    luaL_error(L, "kaa.http: max_bytes: expected bytes from 0 to %I%s", (LUAI_UACINT)largest,
               has_file ? "" : "; for more, write: file = \"/var/tmp/…\"");
  frame_put_i64(out, bytes);
}

static void put_timeout(lua_State *L, struct buffer *out)
{
  double seconds = 0;
  if (option(L, "timeout_s", LUA_TNUMBER)) {
    seconds = lua_tonumber(L, -1);
    if (!(seconds > 0 && seconds <= LONGEST_TIMEOUT_S))
      luaL_error(L, "kaa.http: timeout_s: expected more than 0 and up to 86400");
  }
  frame_put_i64(out, seconds > 0 && seconds < 0.001 ? 1 : (int64_t)(seconds * 1000));
}

bool http_request_build(lua_State *L)
{
  capability_demand(L, "net", "kaa.http");
  lua_settop(L, 1);
  check_keys(L);
  struct buffer *out = reply_begin(L, WORKER_HTTP);
  put_method(L, out);
  put_url(L, out);
  put_headers(L, out);
  put_body(L, out);
  put_sha256(L, out);
  put_ca(L, out);
  lua_settop(L, 1);
  bool has_file = text_option(L, "file");
  put_max_bytes(L, out, has_file);
  put_timeout(L, out);
  frame_put_u8(out, has_file);
  frame_end(out, 0);
  lua_settop(L, 2);
  return has_file;
}
