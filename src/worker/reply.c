#include "worker/reply.h"

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

bool reply_wait(lua_State *L, enum worker_frame kind, struct frame *answer)
{
  struct worker *worker = worker_of(L);
  struct channel *channel = &worker->channel;
  buffer_append(&channel->out, worker->scratch.data, worker->scratch.size_bytes);
  buffer_clear(&worker->scratch);
  channel_flush(channel);
  while (!find_answer(worker, kind, answer)) {
    int rc = limit_wait(&worker->limit, channel->fd, -1);
    if (rc == -EINTR)
      return false;
    if (rc > 0)
      channel_read(channel);
  }
  return true;
}

struct frame reply_await(lua_State *L, enum worker_frame kind)
{
  struct frame answer = {0};
  if (!reply_wait(L, kind, &answer))
    limit_stop(&worker_of(L)->limit, L);
  return answer;
}
