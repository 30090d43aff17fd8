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
  bool waits;
};

/* A request to keep something; freed by keep_clear(). */
struct keep {
  uint32_t call;
  int64_t job;
  char *what;
  char *scope;
  char *key;
  char *value; /* NULL: none */
  int64_t within_ms;
};

/* Sets the program to test: argv[1], KAALUA_WORKER, or the one that lies a folder
 * above the test's own. Returns 0, or 2. */
int peer_find_program(int argc, char **argv);

/* From here on workers are started as this user, "998:998,20"; NULL: as the test's. The text
 * is borrowed. */
void peer_set_user(const char *ids);

/* From here on they have this variable, "NAME=value", besides; NULL: none. Borrowed. */
void peer_set_variable(const char *name_value);

/* Starts `kaalua-worker lua`, with a stdin of /dev/null. */
void peer_start(struct peer *peer);

/* The same with a file of presence and one of marks, copied; -1: none. */
void peer_start_with(struct peer *peer, int presence, int marks);

/* Starts `kaalua-worker argv…`, "exec" or "detach" and a program, its standard
 * output a pipe. */
void peer_start_program(struct peer *peer, const char *const *argv);

/* The same with a file of presence. */
void peer_start_program_with(struct peer *peer, const char *const *argv, int presence);

/* The same, stopped before it does anything: SIGCONT to peer->leader lets it begin. */
void peer_start_program_stopped(struct peer *peer, const char *const *argv, int presence);

/* Closes the lifeline and expects everything to end. */
void peer_stop(struct peer *peer);

/* Sends a version without libraries; `options` is a JSON object. */
void peer_send_version(struct peer *peer, const char *purpose, const char *chunk,
                       const char *source, const char *options);

/* The same with libraries: pairs of module name and source, ended by NULL. */
void peer_send_libraries(struct peer *peer, const char *source, const char *const *libraries);

/* Appends a COMMAND to `out`, just received; job, id and sequence are the same number. */
void peer_put_command(struct buffer *out, int64_t job, const char *element);
/* The same, received at this clock_boot_ms(). */
void peer_put_command_of(struct buffer *out, int64_t job, const char *element, int64_t boot_ms);
/* The same, of a command that has begun before. */
void peer_put_retried(struct buffer *out, int64_t job, const char *element, int64_t boot_ms);
/* Appends a RESUME; `saved` NULL: none. */
void peer_put_resume(struct buffer *out, int64_t job, const char *element, const char *saved,
                     int64_t away_ms);
/* Appends a KEPT; `value` NULL: none. */
void peer_put_kept(struct buffer *out, uint32_t call, const char *failure, const char *value);
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

struct keep peer_expect_keep(struct peer *peer);
void keep_clear(struct keep *keep);

/* Starts a worker and loads park.lua, which must have no fault. */
void peer_load(struct peer *peer, const char *source, const char *options);

/* The same with a file of marks. */
void peer_load_with(struct peer *peer, const char *source, const char *options, int marks);

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

/* The working process. */
pid_t peer_worker(const struct peer *peer);

/* Waits for the ending of the working process. */
struct worker_ending peer_expect_ending(struct peer *peer);

/* Reads a program's output to its end; owned. */
char *peer_read_output(struct peer *peer);

/* Waits until no process `pid` is alive. */
void peer_expect_gone(pid_t pid);

#endif
