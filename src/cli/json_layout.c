#include "cli/json_layout.h"

#include "base/utf8.h"
#include "cli/terminal.h"

#include <stdbool.h>
#include <string.h>

enum { STEP = 2 };

static const char white[] = " \t\r\n";

/* Appends one character of a text as valid, harmless JSON; returns its bytes. */
static size_t take_character(struct buffer *out, const char *at)
{
  size_t size = strlen(at), n = utf8_length(at, size < 4 ? size : 4);
  unsigned char c = (unsigned char)at[0], second = (unsigned char)at[1];
  if (n == 1 && c == 0x7f)
    buffer_append_text(out, "\\u007f");
  else if (n == 2 && c == 0xc2 && second < 0xa0)
    buffer_format(out, "\\u00%02x", second);
  else if (!n || c < 0x20)
    buffer_append_char(out, '?');
  else
    buffer_append(out, at, n);
  return n ? n : 1;
}

/* Appends the string that begins at `at`, quotes included; returns its bytes. */
static size_t take_string(struct buffer *out, const char *at)
{
  size_t i = 1;
  buffer_append_char(out, '"');
  while (at[i] && at[i] != '"') {
    if (at[i] == '\\' && at[i + 1])
      buffer_append_char(out, at[i++]);
    i += take_character(out, at + i);
  }
  buffer_append_char(out, '"');
  return at[i] ? i + 1 : i;
}

void json_layout_compact(struct buffer *out, const char *text)
{
  for (const char *at = text + strspn(text, white); *at; at += strspn(at, white))
    at += *at == '"' ? take_string(out, at) : take_character(out, at);
}

static void begin_line(struct buffer *out, size_t indent)
{
  buffer_append_char(out, '\n');
  for (; indent; indent--)
    buffer_append_char(out, ' ');
}

/* `compact` has no white space between its parts. */
static void spread(struct buffer *out, const char *compact, size_t indent)
{
  const char *at = compact;
  while (*at) {
    bool opens = *at == '{' || *at == '[', closes = *at == '}' || *at == ']';
    if (opens && (at[1] == '}' || at[1] == ']')) {
      buffer_append(out, at, 2);
      at += 2;
      continue;
    }
    if (closes && indent >= STEP)
      begin_line(out, indent -= STEP);
    char c = *at;
    at += c == '"' ? take_string(out, at) : take_character(out, at);
    if (opens)
      begin_line(out, indent += STEP);
    else if (c == ',')
      begin_line(out, indent);
    else if (c == ':')
      buffer_append_char(out, ' ');
  }
}

void json_layout_pretty(struct buffer *out, const char *text, size_t columns, size_t indent)
{
  struct buffer compact = {0};
  json_layout_compact(&compact, text);
  if (terminal_width(buffer_text(&compact)) <= columns)
    buffer_append_text(out, buffer_text(&compact));
  else
    spread(out, buffer_text(&compact), indent);
  buffer_clear(&compact);
}
