#include "supervision/execution.h"

#include "base/clock.h"
#include "base/code_variable.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "base/worker_frames.h"
#include "io/process.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  ARGUMENTS_MAX = 4096,
  TERMINATE_MS = 1000,
  LEFTOVERS_MAX = 16, /* programs of one command that left something behind */
  OUTPUT_MAX_BYTES = 16 * 1024 * 1024, /* what kaa.exec takes as its max_output */
  TIMEOUT_MAX_MS = 86400 * 1000,       /* the same of its timeout_s */
};

struct captured {
  struct buffer bytes;
  int64_t left_out;
};

struct execution {
  TAILQ_ENTRY(execution) link;
  struct executions *list;
  struct process *process; /* NULL once it is over */
  struct loop_timer *timer;
  struct execution_caller caller;
  uint32_t call;
  char *program;
  char *failure; /* to be answered in place of an ending */
  int64_t timeout_ms;
  size_t max_output;
  bool detach, asked, answered;
  struct captured out, err;
};

/* The fields of a WORKER_EXEC frame. */
struct request {
  uint32_t call;
  char **argv;
  uint32_t argc;
  bool has_input;
  const char *input;
  size_t input_bytes;
  int64_t timeout_ms;
  char *cwd;
  char **environment;
  uint32_t environment_count;
  int64_t max_output;
  bool detach;
};

static char **read_texts(struct frame *frame, uint32_t *count)
{
  *count = frame_get_u32(frame);
  if (*count > ARGUMENTS_MAX) {
    frame->bad = true;
    *count = 0;
  }
  char **texts = memory_zeroed(*count + 1, sizeof *texts);
  for (uint32_t i = 0; i < *count; i++)
    texts[i] = frame_get_text(frame);
  return texts;
}

static void free_texts(char **texts)
{
  for (char **text = texts; *text; text++)
    free(*text);
  free(texts);
}

static void read_request(struct frame *frame, struct request *request)
{
  request->call = frame_get_u32(frame);
  frame_get_i64(frame); /* job: a worker runs one at a time */
  request->argv = read_texts(frame, &request->argc);
  request->has_input = frame_get_u8(frame);
  request->input = frame_get_bytes(frame, &request->input_bytes);
  request->timeout_ms = frame_get_i64(frame);
  request->cwd = frame_get_text(frame);
  request->environment = read_texts(frame, &request->environment_count);
  request->max_output = frame_get_i64(frame);
  request->detach = frame_get_u8(frame);
}

static void clear_request(struct request *request)
{
  free_texts(request->argv);
  free_texts(request->environment);
  free(request->cwd);
}

static bool is_granted(const json_t *needs, const char *program)
{
  const json_t *exec = json_object_get(needs, "exec");
  if (json_is_true(exec))
    return true;
  for (size_t i = 0; i < json_array_size(exec); i++)
    if (json_is_string(json_array_get(exec, i)) &&
        !strcmp(json_string_value(json_array_get(exec, i)), program))
      return true;
  return false;
}

static void put_captured(struct buffer *out, const struct captured *captured)
{
  const char *bytes = captured->bytes.data;
  size_t size = captured->bytes.size_bytes;
  frame_put_bytes(out, bytes, captured->left_out ? utf8_whole(bytes, size) : size);
}

static void destroy(struct execution *execution)
{
  TAILQ_REMOVE(execution->list, execution, link);
  process_release(execution->process);
  loop_timer_destroy(execution->timer);
  buffer_clear(&execution->out.bytes);
  buffer_clear(&execution->err.bytes);
  free(execution->program);
  free(execution->failure);
  free(execution);
}

/* Answers; from then on it is only kept for what the program left behind. */
static void answer(struct execution *execution, const char *failure, int code, int signal,
                   bool timed_out)
{
  struct buffer out = {0};
  size_t place = frame_begin(&out, WORKER_EXECUTED);
  frame_put_u32(&out, execution->call);
  frame_put_text(&out, failure);
  frame_put_i64(&out, code);
  frame_put_i64(&out, signal);
  frame_put_u8(&out, timed_out);
  frame_put_i64(&out, execution->out.left_out);
  frame_put_i64(&out, execution->err.left_out);
  put_captured(&out, &execution->out);
  put_captured(&out, &execution->err);
  frame_end(&out, place);
  execution->answered = true;
  loop_timer_set(execution->timer, INT64_MAX);
  execution->caller.answer(execution->caller.context, out.data, out.size_bytes);
  buffer_clear(&out);
  buffer_clear(&execution->out.bytes);
  buffer_clear(&execution->err.bytes);
}

static void answer_failure(struct execution *execution, const char *why)
{
  char *failure = memory_format("%s: %s", execution->program, why);
  answer(execution, failure, -1, 0, false);
  free(failure);
}

static void on_received(void *context, enum process_stream stream, const char *bytes, size_t size)
{
  struct execution *execution = context;
  struct captured *captured = stream == PROCESS_STDOUT ? &execution->out : &execution->err;
  if (execution->answered)
    return; /* a child that was left behind still prints */
  size_t room = execution->max_output - captured->bytes.size_bytes;
  size_t taken = size < room ? size : room;
  buffer_append(&captured->bytes, bytes, taken);
  captured->left_out += (int64_t)(size - taken);
}

static void on_ended(void *context, const struct worker_ending *ending)
{
  struct execution *execution = context;
  if (execution->answered)
    return;
  if (!ending)
    answer(execution, "", -1, SIGKILL, false);
  else if (ending->exec_errno)
    answer_failure(execution, strerror(ending->exec_errno));
  else if (WIFSIGNALED(ending->wait_status))
    answer(execution, "", -1, WTERMSIG(ending->wait_status), execution->asked);
  else
    answer(execution, "", WEXITSTATUS(ending->wait_status), 0, execution->asked);
}

static void on_gone(void *context)
{
  destroy(context);
}

static void on_time(void *context)
{
  struct execution *execution = context;
  if (execution->failure) {
    answer_failure(execution, execution->failure);
    destroy(execution);
  } else if (!execution->asked) {
    execution->asked = true;
    process_ask(execution->process); /* SIGTERM */
    loop_timer_set(execution->timer, clock_monotonic_ms() + TERMINATE_MS);
  } else {
    answer(execution, "", -1, SIGKILL, true);
    destroy(execution);
  }
}

/* The clean environment, then what the handler added; the entries are borrowed. */
static const char **joined_environment(const struct workplace *workplace, const struct request *request)
{
  size_t count = 0;
  while (workplace->environment[count])
    count++;
  const char **joined = memory_zeroed(count + request->environment_count + 1, sizeof *joined);
  size_t used = 0;
  for (size_t i = 0; i < count; i++) {
    const char *entry = workplace->environment[i];
    size_t name = strcspn(entry, "=") + 1;
    bool replaced = false;
    for (uint32_t j = 0; j < request->environment_count; j++)
      replaced = replaced || !strncmp(request->environment[j], entry, name);
    if (!replaced)
      joined[used++] = entry;
  }
  for (uint32_t j = 0; j < request->environment_count; j++)
    joined[used++] = request->environment[j];
  return joined;
}

static void launch(struct execution *execution, const struct workplace *workplace,
                   const struct request *request)
{
  const char **arguments = memory_zeroed(request->argc + 2, sizeof *arguments);
  arguments[0] = request->detach ? "detach" : "exec";
  memcpy(arguments + 1, request->argv, request->argc * sizeof *arguments);
  const char **environment = joined_environment(workplace, request);
  struct process_options options = {
      .program = workplace->program,
      .arguments = arguments,
      .environment = environment,
      .cwd = *request->cwd ? request->cwd : NULL,
      .input = request->has_input && !request->detach,
      .quiet = request->detach,
      .presence_fd = request->detach ? 0 : workplace->presence_fd,
      .received = on_received,
      .ended = on_ended,
      .gone = on_gone,
      .witness = request->detach ? NULL : execution->caller.witness,
      .context = execution,
  };
  struct error error = {0};
  execution->process = process_start(workplace->loop, &options, &error);
  free(arguments);
  free(environment);
  if (!execution->process)
    execution->failure = memory_text(error.text);
  else if (options.input)
    process_input(execution->process, request->input, request->input_bytes);
}

/* Why the request cannot be carried out at all; NULL where it can. */
static const char *objection(const struct request *request, const json_t *needs)
{
  if (!is_granted(needs, request->argv[0]))
    return "not among the programs that needs.exec names";
  for (uint32_t i = 0; i < request->environment_count; i++)
    if (!json_is_true(json_object_get(needs, "exec")) && code_variable_is(request->environment[i]))
      return "its env could have it run other code than the programs that needs.exec names";
  if (*request->cwd && access(request->cwd, X_OK) < 0)
    return "its cwd cannot be entered";
  return NULL;
}

/* One command may start thousands of programs; few leave something behind. */
static void end_oldest_leftover(struct executions *list)
{
  size_t count = 0;
  struct execution *execution;
  TAILQ_FOREACH(execution, list, link)
    count += execution->answered;
  execution = TAILQ_FIRST(list);
  if (count >= LEFTOVERS_MAX && execution->answered)
    destroy(execution);
}

/* What our own worker asks for: it waits for each answer. One that a native module took
 * over could have this process keep all that a program prints, or start any number. */
static bool is_sound(const struct request *request, const struct executions *list)
{
  const struct execution *execution;
  TAILQ_FOREACH(execution, list, link)
    if (!execution->answered)
      return false;
  return request->argc && request->max_output >= 0 && request->max_output <= OUTPUT_MAX_BYTES &&
         request->timeout_ms >= 0 && request->timeout_ms <= TIMEOUT_MAX_MS;
}

int execution_start(struct executions *list, const struct workplace *workplace,
                    struct frame *frame, const json_t *needs, const struct execution_caller *caller)
{
  struct request request = {0};
  read_request(frame, &request);
  if (frame->bad || !is_sound(&request, list)) {
    clear_request(&request);
    return -EPROTO;
  }
  struct execution *execution = memory_zeroed(1, sizeof *execution);
  end_oldest_leftover(list);
  TAILQ_INSERT_TAIL(list, execution, link);
  execution->list = list;
  execution->caller = *caller;
  execution->call = request.call;
  execution->program = memory_text(request.argv[0]);
  execution->timeout_ms = request.timeout_ms;
  execution->max_output = (size_t)request.max_output;
  execution->detach = request.detach;
  execution->timer = loop_timer_create(workplace->loop, on_time, execution);
  execution->failure = memory_text(objection(&request, needs));
  if (!execution->failure)
    launch(execution, workplace, &request);
  if (execution->failure)
    loop_timer_set(execution->timer, 0);
  else if (execution->timeout_ms > 0 && !execution->detach)
    loop_timer_set(execution->timer, clock_monotonic_ms() + execution->timeout_ms);
  clear_request(&request);
  return 0;
}

void executions_end_awaited(struct executions *list)
{
  struct execution *execution, *next;
  for (execution = TAILQ_FIRST(list); execution; execution = next) {
    next = TAILQ_NEXT(execution, link);
    if (!execution->answered)
      destroy(execution);
  }
}

void executions_end(struct executions *list)
{
  struct execution *execution;
  while ((execution = TAILQ_FIRST(list)))
    destroy(execution);
}
