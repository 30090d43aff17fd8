/* What a handler prints: lines for the log, at most 4 kB each, and not more than
 * the host can bear: 500 at once, then 100 a second; what is over is counted and
 * said. Lines leave at once, so that a crash does not take them along. */
#ifndef KAALUA_WORKER_OUTPUT_H
#define KAALUA_WORKER_OUTPUT_H

#include "base/log.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { OUTPUT_LINE_BYTES = 4096 };

/* A line as it grows: its beginning is kept, all of it counted. */
struct output_line {
  size_t kept_bytes;
  size_t total_bytes;
  char text[OUTPUT_LINE_BYTES];
};

/* One of the handler's two streams. */
struct output_stream {
  struct output *output;
  enum log_level level;
  struct output_line line; /* what has no newline yet */
};

struct channel;

struct output {
  struct channel *channel; /* borrowed */
  double allowance;        /* lines that may go now */
  int64_t filled_ms;
  size_t left_out;
  struct output_stream out; /* io.stdout, level info */
  struct output_stream err; /* io.stderr, level warn */
};

void output_init(struct output *output, struct channel *channel);

/* Appends to a line; none of it is held elsewhere. */
void output_add(struct output_line *line, const char *text, size_t size);

/* Sends a line to the log. */
void output_send(struct output *output, enum log_level level, const struct output_line *line);

/* Writes text with newlines in it: each finished line is sent. */
void output_write(struct output_stream *stream, const char *text, size_t size);

/* Opens a stream as a file for Lua's io; NULL where that fails. Its owner closes
 * it. */
FILE *output_open(struct output_stream *stream);

/* Sends unfinished lines, and how many were left out: a command has ended. */
void output_settle(struct output *output);

#endif
