#include "base/log.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { VALUE_MAX_BYTES = 256, EVENT_MAX_BYTES = 4096 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static _Atomic int lowest = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
  lowest = (int)level;
}

int log_parse_level(const char *name, enum log_level *level)
{
  for (int i = 0; i < (int)(sizeof level_names / sizeof *level_names); i++)
    if (!strcmp(name, level_names[i])) {
      *level = (enum log_level)i;
      return 0;
    }
  return -EINVAL;
}

static void append_escaped(struct buffer *line, const char *text, size_t limit, bool in_quotes)
{
  size_t size = strlen(text);
  size_t cut = size > limit ? utf8_cut(text, size, limit) : size;
  for (size_t i = 0; i < cut;) {
    size_t n = utf8_printable_length(text + i, cut - i);
    unsigned char c = (unsigned char)text[i];
    if (!n) {
      buffer_format(line, c == '\n' ? "\\n" : "\\x%02x", c);
      i++;
    } else if (c == '\\' || (c == '"' && in_quotes)) {
      buffer_append_char(line, '\\');
      buffer_append_char(line, (char)c);
      i++;
    } else {
      buffer_append(line, text + i, n);
      i += n;
    }
  }
  if (cut < size)
    buffer_format(line, "… (%zu bytes)", size);
}

static void append_pair(struct buffer *line, const char *key, const char *value)
{
  if (!*value)
    return;
  bool quoted = strpbrk(value, " =\"\\") || strlen(value) > VALUE_MAX_BYTES; /* "… (N bytes)" */
  buffer_format(line, quoted ? " %s=\"" : " %s=", key);
  append_escaped(line, value, VALUE_MAX_BYTES, quoted);
  if (quoted)
    buffer_append_char(line, '"');
}

void log_event(enum log_level level, const char *tag, const char *event, ...)
{
  if ((int)level < lowest)
    return;
  char stamp[CLOCK_STAMP_BYTES];
  clock_stamp(clock_wall_ms(), stamp);
  struct buffer line = {0};
  buffer_format(&line, "%s %-5s %-7s ", stamp, level_names[level], tag);
  append_escaped(&line, event, EVENT_MAX_BYTES, false);
  va_list pairs;
  va_start(pairs, event);
  for (const char *key; (key = va_arg(pairs, const char *));) {
    const char *value = va_arg(pairs, const char *);
    append_pair(&line, key, value ? value : "");
  }
  va_end(pairs);
  buffer_append_char(&line, '\n');
  if (write(STDERR_FILENO, line.data, line.size_bytes) < 0) { /* nowhere left to say it */
  }
  buffer_clear(&line);
}

void log_lines(enum log_level level, const char *tag, const char *bytes, size_t size)
{
  while (size) {
    const char *newline = memchr(bytes, '\n', size);
    size_t length = newline ? (size_t)(newline - bytes) : size;
    char *line = memory_copied(bytes, length);
    if (*line)
      log_event(level, tag, line, (char *)0);
    free(line);
    size -= length + (newline != NULL);
    bytes += length + (newline != NULL);
  }
}

const char *log_number(char text[24], int64_t number)
{
  snprintf(text, 24, "%lld", (long long)number);
  return text;
}

const char *log_token(char text[24], const char *token)
{
  size_t size = strlen(token);
  size_t shown = size > 8 ? 4 : size / 2;
  snprintf(text, 24, "%.*s…", (int)utf8_cut(token, size, shown), token);
  return text;
}
