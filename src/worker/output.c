#include "worker/output.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "base/worker_frames.h"
#include "worker/channel.h"

#include <string.h>

enum { BURST_LINES = 500, LINES_PER_SECOND = 100, NOTE_BYTES = 64 };

void output_init(struct output *output, struct channel *channel)
{
  *output = (struct output){.channel = channel, .allowance = BURST_LINES};
  output->filled_ms = clock_monotonic_ms();
  output->out = (struct output_stream){.output = output, .level = LOG_LEVEL_INFO};
  output->err = (struct output_stream){.output = output, .level = LOG_LEVEL_WARN};
}

void output_add(struct output_line *line, const char *text, size_t size)
{
  size_t room = sizeof line->text - line->kept_bytes;
  size_t kept = size < room ? size : room;
  memcpy(line->text + line->kept_bytes, text, kept);
  line->kept_bytes += kept;
  line->total_bytes += size;
}

static void send_frame(struct output *output, enum log_level level, const char *text, size_t size,
                       const char *note)
{
  struct buffer *out = &output->channel->out;
  size_t at = frame_begin(out, WORKER_LOG);
  frame_put_u8(out, (uint8_t)level);
  frame_put_u32(out, (uint32_t)(size + strlen(note)));
  buffer_append(out, text, size);
  buffer_append_text(out, note);
  frame_end(out, at);
  channel_flush(output->channel);
}

static void say_left_out(struct output *output)
{
  if (!output->left_out)
    return;
  char note[NOTE_BYTES];
  snprintf(note, sizeof note, "%zu lines left out", output->left_out);
  output->left_out = 0;
  send_frame(output, LOG_LEVEL_WARN, "", 0, note);
}

static void fill_allowance(struct output *output)
{
  int64_t now_ms = clock_monotonic_ms();
  output->allowance += (double)(now_ms - output->filled_ms) * LINES_PER_SECOND / 1000;
  if (output->allowance > BURST_LINES)
    output->allowance = BURST_LINES;
  output->filled_ms = now_ms;
}

void output_send(struct output *output, enum log_level level, const struct output_line *line)
{
  if (output->allowance < 1)
    fill_allowance(output);
  if (output->allowance < 1) {
    output->left_out++;
    return;
  }
  output->allowance -= 1;
  say_left_out(output);
  if (line->total_bytes <= sizeof line->text) {
    send_frame(output, level, line->text, line->kept_bytes, "");
    return;
  }
  char note[NOTE_BYTES];
  snprintf(note, sizeof note, "… (%zu bytes)", line->total_bytes);
  size_t size = utf8_cut(line->text, line->kept_bytes, line->kept_bytes - NOTE_BYTES);
  send_frame(output, level, line->text, size, note);
}

static void send_and_empty(struct output_stream *stream)
{
  output_send(stream->output, stream->level, &stream->line);
  stream->line.kept_bytes = 0;
  stream->line.total_bytes = 0;
}

void output_write(struct output_stream *stream, const char *text, size_t size)
{
  const char *end = text + size;
  for (const char *newline; (newline = memchr(text, '\n', (size_t)(end - text)));) {
    output_add(&stream->line, text, (size_t)(newline - text));
    send_and_empty(stream);
    text = newline + 1;
  }
  output_add(&stream->line, text, (size_t)(end - text));
}

/* fopencookie(3): what Lua's io writes. */
static ssize_t write_cookie(void *cookie, const char *text, size_t size)
{
  output_write(cookie, text, size);
  return (ssize_t)size;
}

FILE *output_open(struct output_stream *stream)
{
  FILE *file = fopencookie(stream, "w", (cookie_io_functions_t){.write = write_cookie});
  if (file)
    setvbuf(file, NULL, _IONBF, 0); /* a crash takes nothing along */
  return file;
}

void output_settle(struct output *output)
{
  if (output->out.line.total_bytes)
    send_and_empty(&output->out);
  if (output->err.line.total_bytes)
    send_and_empty(&output->err);
  say_left_out(output);
}
