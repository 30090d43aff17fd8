/* Processes, each under a leader (kaalua-worker; base/worker_frames.h tells how
 * the two speak). The only place that starts a process.
 *
 *   process_start → frames and output arrive → process_ended is told once →
 *   process_release: whatever is left of the subtree is ended, nothing is told
 *   any more, the object is freed when the leader is gone.
 *
 * A released process never calls back. Releasing is the way to end one, too. Each
 * process is released, also one that is gone. */
#ifndef KAALUA_IO_PROCESS_H
#define KAALUA_IO_PROCESS_H

#include "base/error.h"
#include "base/worker_frames.h"
#include "io/loop.h"

#include <stdbool.h>
#include <stddef.h>

struct process;

/* Says when one of those that were started with it is gone, with all that was beneath it,
 * also where it was released. Embedded; outlives them. */
struct process_witness {
  size_t count; /* of those that are there */
  void (*gone)(void *context); /* one less; not from within process_start() */
  void *context;
};

enum process_stream { PROCESS_FRAMES = WORKER_FRAMES_FD, PROCESS_STDOUT = 1, PROCESS_STDERR = 2 };

struct process_options {
  const char *program;           /* kaalua-worker's path */
  const char *const *arguments;  /* "lua" | "exec", program, … | "detach", program, … |
                                  "serve", program, …; NULL ends */
  const char *const *environment; /* NAME=VALUE, ended by NULL: all that it gets */
  const char *cwd;               /* NULL: "/" */
  bool frames;                   /* give it a frames socket */
  bool input;                    /* give it a pipe as standard input, else /dev/null */
  bool quiet;                    /* /dev/null as its standard output and error, too */
  int presence_fd; /* given to it as WORKER_PRESENCE_FD, … */
  int marks_fd;    /* … as WORKER_MARKS_FD; … */
  int descriptors_fd; /* … as WORKER_DESCRIPTORS_FD; … */
  int output_fd;   /* … as its standard output, in place of a pipe; stay the caller's; 0: none */
  /* Bytes of one stream. */
  void (*received)(void *context, enum process_stream stream, const char *bytes, size_t size);
  /* The working process has ended; all that it had written was received. NULL:
   * its leader is gone without a word. */
  void (*ended)(void *context, const struct worker_ending *ending);
  struct process_witness *witness; /* or NULL */
  /* After `ended`: all that it had left behind is gone, too. May be NULL. */
  void (*gone)(void *context);
  void *context;
};

/* Returns owned (process_release), or NULL with `error`. Copies nothing that it needs later. */
struct process *process_start(struct loop *loop, const struct process_options *options,
                              struct error *error);

/* Sends bytes to the frames socket. Copies. */
void process_send(struct process *process, const void *bytes, size_t size);

/* How many bytes were sent to the frames socket, and how many of them it has taken. */
uint64_t process_given(const struct process *process);
uint64_t process_taken(const struct process *process);

/* Writes to standard input, once, and closes it. Copies. */
void process_input(struct process *process, const void *bytes, size_t size);

/* Whether what it writes is read as it comes, as it is from the start; what is not read
 * makes it wait once its pipes are full. Of its end it is told in any case. */
void process_read(struct process *process, bool reads);

/* Takes what it has written up to now: calls `received`, before the loop would. */
void process_drain(struct process *process);

/* Asks the working process to stop. */
void process_ask(struct process *process);

/* Has the working process look whether what it does is cancelled; not for a program. */
void process_cancel(struct process *process);

/* How a program of our own has ended, for people: "kaalua-http exited with 2". `ending` as told
 * by the port `ended`. */
void process_format_end(const char *name, const struct worker_ending *ending, char *text,
                        size_t size);

/* Has no `ended` told any more, ends the subtree. NULL is fine. */
void process_release(struct process *process);

#endif
