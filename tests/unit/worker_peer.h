/* The host's side of kaalua-worker, for tests: starts the real program over
 * socket pairs and speaks frames with it. Every wait has a deadline; what goes
 * wrong fails the test. */
#ifndef KAALUA_TESTS_WORKER_PEER_H
#define KAALUA_TESTS_WORKER_PEER_H

#include "base/frame.h"
#include "base/worker_frames.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct peer {
  pid_t leader;
  int frames;   /* -1 for a program */
  int lifeline; /* -1 once closed */
  int output;   /* of a program: its standard output; else -1 */
  struct frame_reader reader;
  struct buffer log;       /* messages, each with a newline */
  struct buffer telemetry; /* arrays, each behind its endpoint and with a newline */
  struct buffer metadata;  /* objects, likewise */
  char place[128];         /* of the last AT */
  int marks;
};

/* A result; freed by finished_clear(). */
struct finished {
  int64_t job;
  int64_t status;
  char *reason;
  char *payload; /* NULL: none */
  char *trace;
  bool is_spent;
};

/* Sets the program to test: argv[1], KAALUA_WORKER, or the one that lies a folder
 * above the test's own. Returns 0, or 2. */
int peer_find_program(int argc, char **argv);

/* Starts `kaalua-worker lua`, with a stdin of /dev/null. */
void peer_start(struct peer *peer);

/* Starts `kaalua-worker argv…`, "exec" or "detach" and a program, its standard
 * output a pipe. */
void peer_start_program(struct peer *peer, const char *const *argv);

/* Closes the lifeline and expects everything to end. */
void peer_stop(struct peer *peer);

/* Sends a version without libraries; `options` is a JSON object. */
void peer_send_version(struct peer *peer, const char *purpose, const char *chunk,
                       const char *source, const char *options);

/* The same with libraries: pairs of module name and source, ended by NULL. */
void peer_send_libraries(struct peer *peer, const char *source, const char *const *libraries);

/* Appends a COMMAND to `out`; job and id are the same number. */
void peer_put_command(struct buffer *out, int64_t job, const char *element);
/* Appends a TICK. */
void peer_put_tick(struct buffer *out, int64_t job, const char *endpoint);
void peer_send(struct peer *peer, const struct buffer *out);
void peer_send_command(struct peer *peer, int64_t job, const char *element);

/* Waits for a frame of a kind; log lines, samples, marks and places that come
 * before it are kept in `peer`. */
struct frame peer_expect(struct peer *peer, enum worker_frame kind);

/* LOADED's JSON; owned. */
json_t *peer_expect_loaded(struct peer *peer);

struct finished peer_expect_finished(struct peer *peer);
void finished_clear(struct finished *finished);

/* Starts a worker and loads park.lua, which must have no fault. */
void peer_load(struct peer *peer, const char *source, const char *options);

/* Sends a command with this payload (NULL: none) and expects its result. */
struct finished peer_run(struct peer *peer, const char *payload);

/* Loads park.lua, runs it once, and compares status, reason and payload (NULL:
 * none); the worker is stopped. */
void peer_expect_result(const char *source, const char *options, const char *payload,
                        int64_t status, const char *reason, const char *answer);

/* Loads park.lua and expects one fault: its line and its message. */
void peer_expect_fault(const char *source, const char *options, int line, const char *message);

/* Asks the working process to stop. */
void peer_ask(struct peer *peer);

/* Waits for the ending of the working process. */
struct worker_ending peer_expect_ending(struct peer *peer);

/* Reads a program's output to its end; owned. */
char *peer_read_output(struct peer *peer);

/* Waits until no process `pid` is alive. */
void peer_expect_gone(pid_t pid);

#endif
