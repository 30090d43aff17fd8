/* The frames between this worker and the host (base/worker_frames.h). The
 * channel owns what was read and what is to be written; a host that is gone, or
 * does not speak frames, ends the process: there is nobody left to work for. */
#ifndef KAALUA_WORKER_CHANNEL_H
#define KAALUA_WORKER_CHANNEL_H

#include "base/buffer.h"
#include "base/frame.h"

#include <stdbool.h>

struct channel {
  int fd;
  struct frame_reader incoming;
  struct frame_reader aside; /* commands and ticks that arrived while an answer was awaited */
  struct buffer out;         /* whole frames, not yet written */
};

void channel_init(struct channel *channel, int fd);

/* Returns whether there was a next whole frame among what was read. It is
 * borrowed until the next read or set-aside. */
bool channel_next(struct channel *channel, struct frame *frame);

/* The same, of what has just been read only: frames set aside stay there. */
bool channel_next_new(struct channel *channel, struct frame *frame);

/* Keeps a frame for channel_next(), before what comes later; copies. */
void channel_set_aside(struct channel *channel, const struct frame *frame);

/* Waits for bytes and takes them in. */
void channel_read(struct channel *channel);

/* Writes all of `out`; a signal does not cut a frame in two. */
void channel_flush(struct channel *channel);

#endif
