/* The control socket: a unix stream socket on which the running agent is asked.
 * One connection, one request: one line in, one line out (or several, in time),
 * closed. What the lines say is the owner's.
 *
 *   control_open → port ask … control_answer(request) … → control_close
 *
 * A request may be answered at once or at any later time, on the loop's thread, also
 * when its client is gone or the socket is closed: then the answer goes nowhere. No client
 * keeps the loop waiting: a request has CONTROL_REQUEST_BYTES and 10 s to come, an
 * answer 10 s to be read, and what is not read ends at CONTROL_UNREAD_BYTES.
 *
 * The socket has 0660 from its first moment on. A stale one, which nobody listens on, is
 * replaced. */
#ifndef KAALUA_IO_CONTROL_H
#define KAALUA_IO_CONTROL_H

#include "base/error.h"
#include "io/loop.h"

#include <stddef.h>
#include <stdint.h>

enum {
  CONTROL_CONNECTIONS = 16, /* one more is told to try again */
  CONTROL_REQUEST_BYTES = 64 * 1024,
  CONTROL_UNREAD_BYTES = 4 * 1024 * 1024,
};

struct control;
struct control_request; /* valid from the port ask until control_answer() */

struct control_options {
  const char *path;   /* of any length; copied */
  int64_t patience_ms; /* 0: 10,000; for a request to come, and for an answer to be read */
  void *context;
  /* A line has come, without its end; borrowed, NUL-terminated. To be answered once. */
  void (*ask)(void *context, struct control_request *request, const char *line, size_t size);
  /* What a client is told, in place of an answer, whose request cannot be taken: a line for
   * `status` (an exit status: 2, 75) and `text`, to be freed. */
  char *(*refusal)(void *context, int status, const char *text);
};

/* Returns 0 with *control owned, or a negative errno with `error`: -EADDRINUSE where another
 * agent answers there, or the file is no socket. */
int control_open(struct control **control, struct loop *loop, const struct control_options *options,
                 struct error *error);

/* Sends one line of several; more follow, and control_answer() or control_end() at last.
 * Returns 0, or -EPIPE where nobody will read it: then it is time for control_end(). Copies. */
int control_tell(struct control_request *request, const char *line, size_t size);

/* Ends the request: it is closed once the client has read all. */
void control_end(struct control_request *request);

/* The last line, and the end. */
void control_answer(struct control_request *request, const char *line, size_t size);

/* Removes the socket's file, if it is still ours, and cuts off who is connected. NULL is
 * fine. Requests not yet answered stay valid until they are. */
void control_close(struct control *control);

#endif
