#include "io/process.h"

#include "base/memory.h"
#include "io/uv_loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* The descriptors that a leader is started with: those that we speak through, then
 * those that are only handed on. */
enum {
  CHANNEL_COUNT = WORKER_LIFELINE_FD + 1,
  STDIO_COUNT = WORKER_DESCRIPTORS_FD + 1,
  DRAIN_READS_MAX = 64,
};

struct channel {
  uv_pipe_t pipe;
  bool open;
};

struct process {
  uv_process_t handle;
  struct loop *loop;
  struct channel channels[CHANNEL_COUNT]; /* by the descriptor in the process */
  struct worker_ending ending;
  size_t ending_bytes;
  uint64_t given_bytes; /* to its frames socket */
  int open_handles;
  bool has_ended; /* told, or not to be told any more */
  bool is_released;
  void (*received)(void *context, enum process_stream stream, const char *bytes, size_t size);
  void (*ended)(void *context, const struct worker_ending *ending);
  void (*gone)(void *context);
  struct process_witness *witness; /* of a process that was started, or NULL */
  void *context;
};

struct write {
  uv_write_t request;
  char bytes[];
};

static void free_when_done(struct process *process)
{
  if (!process->is_released || process->open_handles)
    return;
  struct process_witness *witness = process->witness;
  free(process);
  if (!witness)
    return;
  witness->count--;
  witness->gone(witness->context);
}

static void on_closed(uv_handle_t *handle)
{
  struct process *process = handle->data;
  process->open_handles--;
  free_when_done(process);
}

static void close_channel(struct channel *channel)
{
  if (!channel->open)
    return;
  channel->open = false;
  uv_close((uv_handle_t *)&channel->pipe, on_closed);
}

void process_drain(struct process *process)
{
  static const enum process_stream streams[] = {PROCESS_FRAMES, PROCESS_STDOUT, PROCESS_STDERR};
  for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
    struct channel *channel = &process->channels[streams[i]];
    for (int reads = 0; reads < DRAIN_READS_MAX && channel->open && !process->has_ended; reads++) {
      uv_os_fd_t fd;
      if (uv_fileno((uv_handle_t *)&channel->pipe, &fd) < 0)
        break;
      char *bytes = loop_scratch(process->loop);
      ssize_t n = read(fd, bytes, LOOP_SCRATCH_BYTES);
      if (n <= 0)
        break;
      process->received(process->context, streams[i], bytes, (size_t)n);
    }
  }
}

static void on_lifeline(struct process *process, const char *bytes, size_t size)
{
  size_t room = sizeof process->ending - process->ending_bytes;
  size_t taken = size < room ? size : room;
  memcpy((char *)&process->ending + process->ending_bytes, bytes, taken);
  process->ending_bytes += taken;
  if (process->ending_bytes < sizeof process->ending || process->has_ended)
    return;
  process_drain(process); /* a child of its may still hold its pipes */
  if (process->has_ended)
    return;
  process->has_ended = true;
  process->ended(process->context, &process->ending);
}

static void on_leader_gone(uv_process_t *handle, int64_t code, int signal)
{
  struct process *process = handle->data;
  (void)code;
  (void)signal;
  uv_os_fd_t fd;
  struct channel *lifeline = &process->channels[WORKER_LIFELINE_FD];
  char last[sizeof process->ending]; /* may be here before its own event is */
  ssize_t n = 0;
  if (lifeline->open && uv_fileno((uv_handle_t *)&lifeline->pipe, &fd) == 0)
    n = read(fd, last, sizeof last);
  if (n > 0)
    on_lifeline(process, last, (size_t)n);
  uv_close((uv_handle_t *)handle, on_closed);
  if (!process->has_ended)
    process_drain(process);
  if (!process->has_ended) {
    process->has_ended = true;
    process->ended(process->context, NULL);
  }
  if (process->is_released)
    return;
  for (int i = 0; i < CHANNEL_COUNT; i++)
    close_channel(&process->channels[i]);
  if (process->gone)
    process->gone(process->context);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
  struct process *process = handle->data;
  (void)suggested;
  *buffer = uv_buf_init(loop_scratch(process->loop), LOOP_SCRATCH_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
  struct process *process = stream->data;
  struct channel *channel = (struct channel *)stream; /* the pipe is its first member */
  if (size == 0)
    return;
  if (size < 0) {
    close_channel(channel);
    return;
  }
  int fd = (int)(channel - process->channels);
  if (fd == WORKER_LIFELINE_FD)
    on_lifeline(process, buffer->base, (size_t)size);
  else if (!process->has_ended)
    process->received(process->context, (enum process_stream)fd, buffer->base, (size_t)size);
}

void process_read(struct process *process, bool reads)
{
  static const enum process_stream streams[] = {PROCESS_FRAMES, PROCESS_STDOUT, PROCESS_STDERR};
  for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
    struct channel *channel = &process->channels[streams[i]];
    if (!channel->open)
      continue;
    if (reads)
      uv_read_start((uv_stream_t *)&channel->pipe, on_room, on_read);
    else
      uv_read_stop((uv_stream_t *)&channel->pipe);
  }
}

/* Makes a connected pair of descriptors, ours first: a socket pair for frames
 * and the lifeline, a pipe for what a program expects to be one. */
static int make_pair(int fd, int pair[2])
{
  if (fd == WORKER_FRAMES_FD || fd == WORKER_LIFELINE_FD)
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) < 0)
    return -errno;
  pair[0] = fd == STDIN_FILENO ? ends[1] : ends[0];
  pair[1] = fd == STDIN_FILENO ? ends[0] : ends[1];
  return 0;
}

static int open_channel(struct process *process, int fd, uv_stdio_container_t *child)
{
  int pair[2];
  int rc = make_pair(fd, pair);
  if (rc < 0)
    return rc;
  struct channel *channel = &process->channels[fd];
  uv_pipe_init(loop_uv(process->loop), &channel->pipe, 0);
  channel->pipe.data = process;
  channel->open = true;
  process->open_handles++;
  rc = uv_pipe_open(&channel->pipe, pair[0]); /* makes ours non-blocking */
  if (rc < 0)
    close(pair[0]);
  else if (fd != STDIN_FILENO)
    uv_read_start((uv_stream_t *)&channel->pipe, on_room, on_read);
  child->flags = UV_INHERIT_FD;
  child->data.fd = pair[1];
  return rc;
}

/* What is not handed on is closed in the process: all of ours close on exec. */
static void hand_on(uv_stdio_container_t *child, int fd)
{
  child->flags = fd > 0 ? UV_INHERIT_FD : UV_IGNORE;
  child->data.fd = fd;
}

static int fill_stdio(struct process *process, const struct process_options *options,
                      uv_stdio_container_t stdio[STDIO_COUNT])
{
  const bool wanted[CHANNEL_COUNT] = {options->input, !options->quiet && !options->output_fd,
                                      !options->quiet, options->frames, true};
  int rc = 0;
  for (int fd = 0; fd < CHANNEL_COUNT; fd++) {
    stdio[fd].flags = UV_IGNORE;
    if (wanted[fd] && rc == 0)
      rc = open_channel(process, fd, &stdio[fd]);
  }
  hand_on(&stdio[WORKER_PRESENCE_FD], options->presence_fd);
  hand_on(&stdio[WORKER_MARKS_FD], options->marks_fd);
  hand_on(&stdio[WORKER_DESCRIPTORS_FD], options->descriptors_fd);
  if (options->output_fd)
    hand_on(&stdio[STDOUT_FILENO], options->output_fd);
  return rc;
}

static int spawn(struct process *process, const struct process_options *options)
{
  uv_stdio_container_t stdio[STDIO_COUNT];
  int rc = fill_stdio(process, options, stdio);
  size_t count = 0;
  while (options->arguments[count])
    count++;
  const char **arguments = memory_zeroed(count + 2, sizeof *arguments);
  arguments[0] = options->program;
  memcpy(arguments + 1, options->arguments, count * sizeof *arguments);
  uv_process_options_t how = {
      .exit_cb = on_leader_gone,
      .file = options->program,
      .args = (char **)arguments,
      .env = (char **)options->environment,
      .cwd = options->cwd ? options->cwd : "/",
      .stdio_count = STDIO_COUNT,
      .stdio = stdio,
  };
  if (rc == 0) {
    process->handle.data = process;
    process->open_handles++;
    rc = uv_spawn(loop_uv(process->loop), &process->handle, &how);
    if (rc < 0)
      uv_close((uv_handle_t *)&process->handle, on_closed);
  }
  for (int fd = 0; fd < CHANNEL_COUNT; fd++)
    if (stdio[fd].flags == UV_INHERIT_FD && stdio[fd].data.fd != options->output_fd)
      close(stdio[fd].data.fd);
  free(arguments);
  return rc;
}

struct process *process_start(struct loop *loop, const struct process_options *options,
                              struct error *error)
{
  struct process *process = memory_zeroed(1, sizeof *process);
  process->loop = loop;
  process->received = options->received;
  process->ended = options->ended;
  process->gone = options->gone;
  process->context = options->context;
  process->handle.data = process;
  int rc = spawn(process, options);
  if (rc == 0) {
    process->witness = options->witness;
    if (process->witness)
      process->witness->count++;
    return process;
  }
  error_set(error, rc, "%s: %s", options->program, uv_strerror(rc));
  process_release(process);
  return NULL;
}

static void on_written(uv_write_t *request, int status)
{
  (void)status; /* a process that is gone is told by its ending */
  free(request);
}

static void send_all(struct channel *channel, const char *bytes, size_t size)
{
  if (!channel->open)
    return;
  uv_stream_t *stream = (uv_stream_t *)&channel->pipe;
  uv_buf_t buffer = uv_buf_init((char *)bytes, (unsigned)size);
  int sent = uv_stream_get_write_queue_size(stream) ? 0 : uv_try_write(stream, &buffer, 1);
  if (sent < 0)
    sent = 0;
  if ((size_t)sent == size)
    return;
  struct write *write = memory_zeroed(1, sizeof *write + size - (size_t)sent);
  memcpy(write->bytes, bytes + sent, size - (size_t)sent);
  buffer = uv_buf_init(write->bytes, (unsigned)(size - (size_t)sent));
  if (uv_write(&write->request, stream, &buffer, 1, on_written) < 0)
    free(write);
}

void process_send(struct process *process, const void *bytes, size_t size)
{
  process->given_bytes += size;
  send_all(&process->channels[PROCESS_FRAMES], bytes, size);
}

uint64_t process_given(const struct process *process)
{
  return process->given_bytes;
}

uint64_t process_taken(const struct process *process)
{
  const struct channel *channel = &process->channels[PROCESS_FRAMES];
  const uv_stream_t *stream = (const uv_stream_t *)&channel->pipe;
  return process->given_bytes - (channel->open ? uv_stream_get_write_queue_size(stream) : 0);
}

static void on_input_shut(uv_shutdown_t *request, int status)
{
  (void)status;
  struct channel *channel = (struct channel *)request->handle;
  free(request);
  close_channel(channel);
}

void process_input(struct process *process, const void *bytes, size_t size)
{
  struct channel *channel = &process->channels[STDIN_FILENO];
  if (size)
    send_all(channel, bytes, size);
  uv_shutdown_t *request = memory_zeroed(1, sizeof *request);
  if (!channel->open || uv_shutdown(request, (uv_stream_t *)&channel->pipe, on_input_shut) < 0)
    free(request);
}

static void say(struct process *process, char byte)
{
  send_all(&process->channels[WORKER_LIFELINE_FD], &byte, 1);
}

void process_ask(struct process *process)
{
  say(process, WORKER_LIFELINE_ASK);
}

void process_cancel(struct process *process)
{
  say(process, WORKER_LIFELINE_CANCEL);
}

void process_format_end(const char *name, const struct worker_ending *ending, char *text,
                        size_t size)
{
  int status = ending ? ending->wait_status : SIGKILL;
  if (ending && ending->exec_errno)
    snprintf(text, size, "%s: %s", name, strerror(ending->exec_errno));
  else if (WIFEXITED(status))
    snprintf(text, size, "%s exited with %d", name, WEXITSTATUS(status));
  else
    snprintf(text, size, "%s was ended by signal %d", name, WTERMSIG(status));
}

void process_release(struct process *process)
{
  if (!process)
    return;
  process->has_ended = true;
  process->is_released = true;
  for (int fd = 0; fd < CHANNEL_COUNT; fd++)
    close_channel(&process->channels[fd]);
  free_when_done(process);
}
