#include "cli/terminal.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool shows_colours(void)
{
  const char *terminal = getenv("TERM"), *none = getenv("NO_COLOR");
  return isatty(STDOUT_FILENO) && !(none && *none) && terminal && strcmp(terminal, "dumb");
}

void terminal_print(enum terminal_tone tone, const char *text)
{
  static const char *const codes[] = {
      [TONE_GOOD] = "32", [TONE_BAD] = "1;31", [TONE_FAINT] = "2"};
  if (tone != TONE_PLAIN && shows_colours())
    printf("\033[%sm%s\033[0m", codes[tone], text);
  else
    fputs(text, stdout);
}

size_t terminal_width(const char *text)
{
  size_t width = 0;
  for (; *text; text++)
    width += ((unsigned char)*text & 0xc0) != 0x80;
  return width;
}

size_t terminal_bytes(const char *text, size_t characters)
{
  size_t at = 0;
  for (; text[at] && characters; characters--) {
    size_t n = utf8_length(text + at, strlen(text + at));
    at += n ? n : 1;
  }
  return at;
}

/* The bytes of the longest beginning of `text` that ends between words and has at most `columns`;
 * a word that is too long alone is cut. */
static size_t fitting(const char *text, size_t columns)
{
  size_t at = 0, width = 0, good = 0;
  while (text[at] && width <= columns) {
    if (text[at] == ' ')
      good = at;
    if (width == columns)
      break;
    size_t n = utf8_length(text + at, strlen(text + at));
    at += n ? n : 1;
    width++;
  }
  return !text[at] || (text[at] == ' ') ? at : good ? good : at;
}

void terminal_row(const char *label, enum terminal_tone tone, const char *text)
{
  printf("%-*s", TERMINAL_LABEL_COLUMNS, label);
  for (;;) {
    size_t size = fitting(text, TERMINAL_COLUMNS - TERMINAL_LABEL_COLUMNS);
    char *part = memory_copied(text, size);
    terminal_print(tone, part);
    putchar('\n');
    free(part);
    text += size + strspn(text + size, " ");
    if (!*text)
      return;
    printf("%*s", TERMINAL_LABEL_COLUMNS, "");
  }
}

void terminal_plain(struct buffer *out, const char *text)
{
  char *copy = memory_text(text ? text : "");
  utf8_make_plain(copy, strlen(copy));
  buffer_append_text(out, copy);
  free(copy);
}

void terminal_cell(struct buffer *out, const char *text, size_t columns)
{
  struct buffer plain = {0};
  terminal_plain(&plain, text);
  const char *all = buffer_text(&plain);
  size_t width = terminal_width(all), at = 0;
  for (size_t i = 0; width > columns && i + 1 < columns; i++)
    at += utf8_length(all + at, strlen(all + at));
  if (width > columns) {
    buffer_append(out, all, at);
    buffer_append_text(out, "…");
  } else {
    buffer_append_text(out, all);
    for (; width < columns; width++)
      buffer_append_char(out, ' ');
  }
  buffer_clear(&plain);
}

void terminal_duration(struct buffer *out, int64_t seconds)
{
  long long s = seconds < 0 ? 0 : seconds;
  if (s < 60)
    buffer_format(out, "%lld s", s);
  else if (s < 3600)
    buffer_format(out, "%lld min %lld s", s / 60, s % 60);
  else if (s < 86400)
    buffer_format(out, "%lld h %lld min", s / 3600, s % 3600 / 60);
  else
    buffer_format(out, "%lld d %lld h", s / 86400, s % 86400 / 3600);
}

void terminal_size(struct buffer *out, int64_t bytes)
{
  if (bytes < 1000)
    buffer_format(out, "%lld B", (long long)bytes);
  else if (bytes < 1000000)
    buffer_format(out, "%.1f kB", (double)bytes / 1e3);
  else
    buffer_format(out, "%.1f MB", (double)bytes / 1e6);
}

void terminal_progress(struct buffer *out, const json_t *progress)
{
  const json_t *percent = json_object_get(progress, "percent");
  const char *text = json_string_value(json_object_get(progress, "text"));
  if (percent)
    buffer_format(out, "%.10g %%%s", json_number_value(percent), text ? ", " : "");
  if (text)
    terminal_plain(out, text);
}
