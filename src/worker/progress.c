#include "worker/progress.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "base/worker_frames.h"
#include "worker/capability.h"
#include "worker/worker.h"

#include <lauxlib.h>
#include <math.h>
#include <string.h>

enum { GAP_MS = 100 };

#define RIGHT_CALL "write: kaa.progress(40, \"erasing\")"

static int64_t check_percent(lua_State *L)
{
  if (lua_isnil(L, 1))
    return -1;
  if (lua_type(L, 1) != LUA_TNUMBER)
    luaL_error(L, "kaa.progress takes a percentage, got a %s; " RIGHT_CALL, luaL_typename(L, 1));
  double percent = lua_tonumber(L, 1);
  if (!(percent >= 0 && percent <= 100))
    luaL_error(L, "kaa.progress takes a percentage from 0 to 100, got %f; " RIGHT_CALL, percent);
  return (int64_t)llround(percent * 10);
}

static const char *check_text(lua_State *L)
{
  size_t size;
  if (lua_isnil(L, 2))
    return "";
  if (lua_type(L, 2) != LUA_TSTRING)
    luaL_error(L, "kaa.progress: the text is a %s; " RIGHT_CALL, luaL_typename(L, 2));
  const char *text = lua_tolstring(L, 2, &size);
  if (size > PROGRESS_TEXT_BYTES)
    luaL_error(L, "kaa.progress: a text of %d bytes, limit %d", (int)size, PROGRESS_TEXT_BYTES);
  if (!utf8_is_line(text, size))
    luaL_error(L, "kaa.progress: the text is not one printable line of UTF-8");
  return text;
}

static void send(struct worker *worker, int64_t now_ms)
{
  struct progress *progress = &worker->command.progress;
  struct buffer *out = &worker->channel.out;
  size_t at = frame_begin(out, WORKER_PROGRESS);
  frame_put_i64(out, worker->command.job);
  frame_put_i64(out, progress->tenths);
  frame_put_text(out, progress->text);
  frame_end(out, at);
  channel_flush(&worker->channel);
  progress->is_held = false;
  progress->next_ms = now_ms + GAP_MS;
}

int64_t progress_send_due(struct worker *worker)
{
  const struct progress *progress = &worker->command.progress;
  if (!progress->is_held)
    return -1;
  int64_t now_ms = clock_monotonic_ms();
  if (now_ms < progress->next_ms)
    return progress->next_ms - now_ms;
  send(worker, now_ms);
  return -1;
}

int progress_report(lua_State *L)
{
  capability_require_command(L, "kaa.progress");
  struct worker *worker = worker_of(L);
  struct progress *progress = &worker->command.progress;
  lua_settop(L, 2);
  if (!worker->command.type)
    return luaL_error(L, "kaa.progress is for a command: call it in run or resume, not in tick");
  if (lua_isnil(L, 1) && lua_isnil(L, 2))
    return luaL_error(L, "kaa.progress takes a percentage, a text, or both; " RIGHT_CALL);
  int64_t tenths = check_percent(L);
  const char *text = check_text(L);
  progress->tenths = tenths;
  strcpy(progress->text, text);
  progress->is_held = true;
  progress_send_due(worker);
  return 0;
}
