#include "worker/programs.h"

#include "base/utf8.h"
#include "worker/capability.h"
#include "worker/exec_request.h"
#include "worker/reply.h"
#include "worker/worker.h"

#include <lauxlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SHOWN_BYTES = 200 }; /* of a program's complaint */

/* An EXECUTED frame; texts are borrowed from the channel. */
struct outcome {
  const char *failure;
  size_t failure_bytes;
  int64_t code;
  int64_t signal;
  bool is_timed_out;
  int64_t cut[2]; /* bytes left out of stdout, stderr */
  const char *text[2];
  size_t size_bytes[2];
};

static void read_outcome(struct frame *frame, struct outcome *outcome)
{
  outcome->failure = frame_get_bytes(frame, &outcome->failure_bytes);
  outcome->code = frame_get_i64(frame);
  outcome->signal = frame_get_i64(frame);
  outcome->is_timed_out = frame_get_u8(frame);
  for (int i = 0; i < 2; i++)
    outcome->cut[i] = frame_get_i64(frame);
  for (int i = 0; i < 2; i++)
    outcome->text[i] = frame_get_bytes(frame, &outcome->size_bytes[i]);
  if (frame->bad)
    *outcome = (struct outcome){.failure = "the host's answer is broken", .failure_bytes = 27};
}

static void run(lua_State *L, struct outcome *outcome)
{
  static const char cancelled[] = "cancelled";
  struct frame answer;
  if (reply_await_or_cancel(L, WORKER_EXECUTED, &answer))
    read_outcome(&answer, outcome);
  else
    *outcome = (struct outcome){.failure = cancelled, .failure_bytes = strlen(cancelled)};
}

/* The length without a character that the cut has split. */
static size_t whole_characters(const char *text, size_t size)
{
  for (size_t back = 1; back <= 3 && back <= size; back++) {
    unsigned char c = (unsigned char)text[size - back];
    if (c < 0x80)
      break;
    if (c >= 0xc0)
      return utf8_length(text + size - back, back) ? size : size - back;
  }
  return size;
}

static void push_stream(lua_State *L, const struct outcome *outcome, int stream)
{
  size_t size = outcome->size_bytes[stream];
  if (!outcome->cut[stream]) {
    lua_pushlstring(L, outcome->text[stream], size);
    return;
  }
  size_t kept = whole_characters(outcome->text[stream], size);
  lua_pushlstring(L, outcome->text[stream], kept);
  lua_pushfstring(L, "… (%I bytes left out)",
                  (LUAI_UACINT)(outcome->cut[stream] + (int64_t)(size - kept)));
  lua_concat(L, 2);
}

static void push_signal_name(lua_State *L, int64_t number)
{
  const char *name = sigabbrev_np((int)number);
  if (name)
    lua_pushfstring(L, "SIG%s", name);
  else
    lua_pushfstring(L, "signal %d", (int)number);
}

static void push_result(lua_State *L, const struct outcome *outcome)
{
  lua_createtable(L, 0, 4);
  if (outcome->signal) {
    push_signal_name(L, outcome->signal);
    lua_setfield(L, -2, "signal");
  } else {
    lua_pushinteger(L, outcome->code);
    lua_setfield(L, -2, "code");
  }
  push_stream(L, outcome, 0);
  lua_setfield(L, -2, "stdout");
  push_stream(L, outcome, 1);
  lua_setfield(L, -2, "stderr");
}

/* ": first line of stderr", or nothing where it is empty. */
static void push_complaint(lua_State *L, const struct outcome *outcome)
{
  const char *text = outcome->text[1];
  size_t size = outcome->size_bytes[1];
  const char *newline = memchr(text, '\n', size);
  size_t line = newline ? (size_t)(newline - text) : size;
  while (line && (text[line - 1] == '\r' || text[line - 1] == ' '))
    line--;
  lua_pushstring(L, line ? ": " : "");
  lua_pushlstring(L, text, utf8_cut(text, line, SHOWN_BYTES));
  lua_concat(L, 2);
}

/* What a caller reads of a program that did not exit with 0. */
static void push_message(lua_State *L, const struct outcome *outcome, double timeout_s)
{
  int place = lua_gettop(L) + 1;
  lua_rawgeti(L, 1, 1);
  const char *program = lua_tostring(L, place);
  const char *name = strrchr(program, '/') + 1;
  if (outcome->is_timed_out && timeout_s > 0) {
    char seconds[32];
    snprintf(seconds, sizeof seconds, "%.14g", timeout_s);
    lua_pushfstring(L, "%s took longer than %s s", name, seconds);
  } else if (outcome->signal) {
    push_signal_name(L, outcome->signal);
    lua_pushfstring(L, "%s was ended by %s", name, lua_tostring(L, -1));
  } else {
    push_complaint(L, outcome);
    lua_pushfstring(L, "%s exited with %I%s", name, (LUAI_UACINT)outcome->code,
                    lua_tostring(L, -1));
  }
  lua_replace(L, place);
  lua_settop(L, place);
}

static int push_failure(lua_State *L, const struct outcome *outcome)
{
  lua_pushnil(L);
  lua_pushlstring(L, outcome->failure, outcome->failure_bytes);
  return 2;
}

int programs_exec(lua_State *L)
{
  struct outcome outcome;
  double timeout_s = exec_request_build(L);
  run(L, &outcome);
  if (!outcome.failure_bytes && !outcome.code && !outcome.signal && !outcome.is_timed_out) {
    push_result(L, &outcome);
    return 1;
  }
  if (outcome.failure_bytes)
    return push_failure(L, &outcome);
  lua_pushnil(L);
  push_message(L, &outcome, timeout_s);
  push_result(L, &outcome);
  return 3;
}

/* As luaL_execresult(). */
static int push_ending(lua_State *L, int64_t code, int64_t signal)
{
  if (!signal && !code)
    lua_pushboolean(L, 1);
  else
    lua_pushnil(L);
  lua_pushstring(L, signal ? "signal" : "exit");
  lua_pushinteger(L, signal ? signal : code);
  return 3;
}

int programs_execute(lua_State *L)
{
  struct worker *worker = worker_of(L);
  if (lua_isnoneornil(L, 1)) { /* is there a shell? */
    capability_push(L, "exec");
    lua_pushboolean(L, !worker->is_loading && capability_lists(L, "/bin/sh"));
    return 1;
  }
  struct outcome outcome;
  exec_request_build_shell(L, luaL_checkstring(L, 1), "os.execute");
  run(L, &outcome);
  if (outcome.failure_bytes)
    return push_failure(L, &outcome);
  output_write(&worker->output.out, outcome.text[0], outcome.size_bytes[0]);
  output_write(&worker->output.err, outcome.text[1], outcome.size_bytes[1]);
  return push_ending(L, outcome.code, outcome.signal);
}

/* A stream of what a program printed; Lua's io knows it as a file. */
struct printed {
  luaL_Stream stream; /* first: luaL_checkudata() gives its address */
  int64_t code;
  int64_t signal;
};

static int close_printed(lua_State *L)
{
  struct printed *printed = luaL_checkudata(L, 1, LUA_FILEHANDLE);
  fclose(printed->stream.f);
  return push_ending(L, printed->code, printed->signal);
}

/* Returns a file that holds `text` and is read from its start; NULL with errno. */
static FILE *file_of(const char *text, size_t size)
{
  int fd = memfd_create("io.popen", MFD_CLOEXEC);
  FILE *file = fd < 0 ? NULL : fdopen(fd, "w+");
  if (!file) {
    if (fd >= 0)
      close(fd);
    return NULL;
  }
  fwrite(text, 1, size, file);
  rewind(file);
  return file;
}

int programs_popen(lua_State *L)
{
  const char *command = luaL_checkstring(L, 1);
  const char *mode = luaL_optstring(L, 2, "r");
  if (!strcmp(mode, "w"))
    return luaL_error(L, "io.popen only reads here; write: "
                         "kaa.exec({ \"/bin/sh\", \"-c\", command }, { stdin = text })");
  luaL_argcheck(L, !strcmp(mode, "r"), 2, "invalid mode");
  struct outcome outcome;
  exec_request_build_shell(L, command, "io.popen");
  run(L, &outcome);
  if (outcome.failure_bytes)
    return push_failure(L, &outcome);
  output_write(&worker_of(L)->output.err, outcome.text[1], outcome.size_bytes[1]);
  struct printed *printed = lua_newuserdatauv(L, sizeof *printed, 0);
  *printed = (struct printed){.code = outcome.code, .signal = outcome.signal};
  luaL_setmetatable(L, LUA_FILEHANDLE);
  printed->stream.f = file_of(outcome.text[0], outcome.size_bytes[0]);
  if (!printed->stream.f)
    return luaL_fileresult(L, 0, "io.popen");
  printed->stream.closef = close_printed;
  return 1;
}
