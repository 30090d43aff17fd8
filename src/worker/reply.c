#include "worker/reply.h"

#include "worker/cancel.h"
#include "worker/progress.h"
#include "worker/worker.h"

#include <errno.h>

struct buffer *reply_begin(lua_State *L, enum worker_frame kind)
{
  struct worker *worker = worker_of(L);
  struct buffer *out = &worker->scratch;
  buffer_reset(out);
  frame_begin(out, (uint8_t)kind);
  frame_put_u32(out, ++worker->calls);
  frame_put_i64(out, worker->command.job);
  return out;
}

/* Looks through what was read; what came meanwhile and has its own turn is kept. */
static bool find_answer(struct worker *worker, enum worker_frame kind, struct frame *frame)
{
  while (channel_next_new(&worker->channel, frame)) {
    if (frame->kind == WORKER_COMMAND || frame->kind == WORKER_TICK ||
        frame->kind == WORKER_RESUME)
      channel_set_aside(&worker->channel, frame);
    else if (frame->kind == kind && frame_get_u32(frame) == worker->calls)
      return true;
  }
  return false;
}

static void send_request(struct worker *worker)
{
  struct channel *channel = &worker->channel;
  buffer_append(&channel->out, worker->scratch.data, worker->scratch.size_bytes);
  buffer_clear(&worker->scratch);
  channel_flush(channel);
}

static enum reply_end await(struct worker *worker, enum worker_frame kind, bool heeds_cancel,
                            struct frame *answer)
{
  int fd = worker->channel.fd;
  send_request(worker);
  while (!find_answer(worker, kind, answer)) {
    int64_t most_ms = progress_send_due(worker);
    int rc = heeds_cancel ? limit_wait_or_cancel(&worker->limit, fd, most_ms)
                          : limit_wait(&worker->limit, fd, most_ms);
    if (rc == -EINTR)
      return REPLY_OUT_OF_TIME;
    if (rc == -ECANCELED && cancel_hear(worker))
      return REPLY_CANCELLED;
    if (rc > 0)
      channel_read(&worker->channel);
  }
  return REPLY_ANSWERED;
}

enum reply_end reply_wait(lua_State *L, enum worker_frame kind, struct frame *answer)
{
  struct worker *worker = worker_of(L);
  return cancel_hear(worker) ? REPLY_CANCELLED : await(worker, kind, true, answer);
}

struct frame reply_await(lua_State *L, enum worker_frame kind)
{
  struct worker *worker = worker_of(L);
  struct frame answer = {0};
  if (await(worker, kind, false, &answer) == REPLY_OUT_OF_TIME)
    limit_stop(&worker->limit, L);
  return answer;
}

bool reply_await_or_cancel(lua_State *L, enum worker_frame kind, struct frame *answer)
{
  enum reply_end end = reply_wait(L, kind, answer);
  if (end == REPLY_OUT_OF_TIME)
    limit_stop(&worker_of(L)->limit, L);
  return end == REPLY_ANSWERED;
}
