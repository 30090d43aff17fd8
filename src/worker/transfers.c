#include "worker/transfers.h"

#include "worker/download.h"
#include "worker/files.h"
#include "worker/http_request.h"
#include "worker/reply.h"
#include "worker/worker.h"

#include <errno.h>
#include <lauxlib.h>
#include <string.h>

/* A FETCHED frame; borrowed from the channel. */
struct outcome {
  const char *failure, *place, *phrase;
  size_t failure_bytes, place_bytes, phrase_bytes;
  int64_t status;
  struct frame headers; /* where they begin */
  uint32_t header_count;
  int64_t size_bytes;
  const char *body;
  size_t body_bytes;
};

static void read_outcome(struct frame *frame, struct outcome *outcome)
{
  size_t size;
  outcome->failure = frame_get_bytes(frame, &outcome->failure_bytes);
  outcome->place = frame_get_bytes(frame, &outcome->place_bytes);
  outcome->status = frame_get_u32(frame);
  outcome->phrase = frame_get_bytes(frame, &outcome->phrase_bytes);
  outcome->header_count = frame_get_u32(frame);
  outcome->headers = *frame;
  for (uint32_t i = 0; i < 2 * outcome->header_count && !frame->bad; i++)
    frame_get_bytes(frame, &size);
  outcome->size_bytes = frame_get_i64(frame);
  outcome->body = frame_get_bytes(frame, &outcome->body_bytes);
  if (frame->bad)
    *outcome = (struct outcome){.failure = "the host's answer is broken", .failure_bytes = 27,
                                .place = "kaa.http", .place_bytes = 8};
}

static bool is_success(const struct outcome *outcome)
{
  return !outcome->failure_bytes && outcome->status >= 200 && outcome->status <= 299;
}

static void push_headers(lua_State *L, const struct outcome *outcome)
{
  struct frame frame = outcome->headers;
  lua_createtable(L, 0, (int)outcome->header_count);
  for (uint32_t i = 0; i < outcome->header_count; i++) {
    size_t size;
    const char *name = frame_get_bytes(&frame, &size);
    lua_pushlstring(L, name, size);
    const char *value = frame_get_bytes(&frame, &size);
    lua_pushlstring(L, value, size);
    lua_rawset(L, -3);
  }
}

static void push_response(lua_State *L, const struct outcome *outcome, bool is_in_file)
{
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, outcome->status);
  lua_setfield(L, -2, "status");
  push_headers(L, outcome);
  lua_setfield(L, -2, "headers");
  if (is_in_file) {
    lua_pushinteger(L, outcome->size_bytes);
    lua_setfield(L, -2, "size");
  } else {
    lua_pushlstring(L, outcome->body, outcome->body_bytes);
    lua_setfield(L, -2, "body");
  }
}

static int push_failure(lua_State *L, const struct outcome *outcome)
{
  lua_pushnil(L);
  lua_pushlstring(L, outcome->place, outcome->place_bytes);
  lua_pushliteral(L, ": ");
  lua_pushlstring(L, outcome->failure, outcome->failure_bytes);
  lua_concat(L, 3);
  return 2;
}

/* "GET https://example.org/x answered 404 Not Found" */
static int push_refusal(lua_State *L, const struct outcome *outcome)
{
  lua_pushnil(L);
  lua_pushlstring(L, outcome->place, outcome->place_bytes);
  lua_pushfstring(L, " answered %d%s", (int)outcome->status, outcome->phrase_bytes ? " " : "");
  lua_pushlstring(L, outcome->phrase, outcome->phrase_bytes);
  lua_concat(L, 3);
  push_response(L, outcome, false);
  return 3;
}

static int push_outcome(lua_State *L, const struct outcome *outcome, bool is_in_file)
{
  if (outcome->failure_bytes)
    return push_failure(L, outcome);
  if (!is_success(outcome))
    return push_refusal(L, outcome);
  push_response(L, outcome, is_in_file);
  return 1;
}

static int push_file_fault(lua_State *L, const char *path, int why)
{
  lua_pushnil(L);
  lua_pushfstring(L, "%s: %s", path,
                  why == EINVAL  ? "not a regular file"
                  : why == EBUSY ? "another transfer writes it"
                                 : strerror(why));
  return 2;
}

/* No answer came. */
static int push_end(lua_State *L, enum reply_end end)
{
  if (end == REPLY_OUT_OF_TIME)
    return limit_stop(&worker_of(L)->limit, L);
  lua_pushnil(L);
  lua_pushliteral(L, "cancelled");
  return 2;
}

static int fetch(lua_State *L)
{
  struct frame answer = {0};
  struct outcome outcome;
  enum reply_end end = reply_wait(L, WORKER_FETCHED, &answer);
  if (end != REPLY_ANSWERED)
    return push_end(L, end);
  read_outcome(&answer, &outcome);
  return push_outcome(L, &outcome, false);
}

/* Between the opening of the file and its end nothing raises. */
static int fetch_to(lua_State *L, const char *path, const char *resolved)
{
  struct download download;
  struct frame answer = {0};
  struct outcome outcome;
  if (download_open(&download, resolved) < 0)
    return push_file_fault(L, path, errno);
  if (download_send(&download, worker_of(L)->calls) < 0) {
    int why = errno;
    download_abandon(&download);
    return push_file_fault(L, path, why);
  }
  enum reply_end end = reply_wait(L, WORKER_FETCHED, &answer);
  if (end != REPLY_ANSWERED) {
    download_abandon(&download);
    return push_end(L, end);
  }
  read_outcome(&answer, &outcome);
  if (!is_success(&outcome))
    download_abandon(&download);
  else if (download_commit(&download) < 0)
    return push_file_fault(L, path, errno);
  return push_outcome(L, &outcome, true);
}

int transfers_http(lua_State *L)
{
  char resolved[PATH_MAX];
  if (!http_request_build(L))
    return fetch(L);
  int refused = files_check(L, 2, true, "kaa.http with file", resolved);
  if (refused) {
    lua_pop(L, refused - 2); /* nil, message */
    return 2;
  }
  return fetch_to(L, lua_tostring(L, 2), resolved);
}
