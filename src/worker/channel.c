#include "worker/channel.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, EXIT_PROTOCOL = 1 };

void channel_init(struct channel *channel, int fd)
{
  *channel = (struct channel){.fd = fd};
}

/* What Lua's files still hold is written: nobody else would do it. */
static void leave(int status)
{
  fflush(NULL);
  _exit(status);
}

static bool next(struct frame_reader *reader, struct frame *frame)
{
  int rc = frame_next(reader, frame);
  if (rc < 0) {
    fputs("kaalua-worker: descriptor 3 does not speak frames\n", stderr);
    _exit(EXIT_PROTOCOL);
  }
  return rc > 0;
}

bool channel_next_new(struct channel *channel, struct frame *frame)
{
  return next(&channel->incoming, frame);
}

bool channel_next(struct channel *channel, struct frame *frame)
{
  return next(&channel->aside, frame) || next(&channel->incoming, frame);
}

void channel_set_aside(struct channel *channel, const struct frame *frame)
{
  frame_feed(&channel->aside, frame->body - FRAME_HEAD_BYTES, frame->size_bytes + FRAME_HEAD_BYTES);
}

void channel_read(struct channel *channel)
{
  char bytes[READ_BYTES];
  ssize_t n;
  while ((n = read(channel->fd, bytes, sizeof bytes)) < 0 && (errno == EINTR || errno == EAGAIN))
    if (errno == EAGAIN)
      poll(&(struct pollfd){.fd = channel->fd, .events = POLLIN}, 1, -1);
  if (n <= 0)
    leave(0);
  frame_feed(&channel->incoming, bytes, (size_t)n);
}

void channel_flush(struct channel *channel)
{
  size_t at = 0;
  while (at < channel->out.size_bytes) {
    ssize_t n = write(channel->fd, channel->out.data + at, channel->out.size_bytes - at);
    if (n >= 0)
      at += (size_t)n;
    else if (errno == EAGAIN)
      poll(&(struct pollfd){.fd = channel->fd, .events = POLLOUT}, 1, -1);
    else if (errno != EINTR)
      leave(0);
  }
  buffer_reset(&channel->out);
}
