#include "worker/fault.h"

#include "base/jsontext.h"
#include "base/utf8.h"
#include "worker/version.h"

#include <stdio.h>
#include <string.h>

enum { SOURCE_BYTES = 200, MESSAGE_BYTES = 2000 };

/* Sources and messages may hold anything; JSON holds UTF-8 without NUL. */
static void write_text(struct buffer *out, const char *text, size_t size, size_t limit)
{
  struct buffer clean = {0};
  for (size_t i = 0; i < size && clean.size_bytes < limit;) {
    size_t n = utf8_length(text + i, size - i);
    if (n && text[i])
      buffer_append(&clean, text + i, n);
    else
      buffer_append_text(&clean, "\xef\xbf\xbd");
    i += n ? n : 1;
  }
  jsontext_write_string(out, clean.data ? clean.data : "", clean.size_bytes);
  buffer_clear(&clean);
}

void fault_write(struct buffer *out, const struct source_file *file, const struct fault *fault)
{
  buffer_append_text(out, "{\"file\":");
  write_text(out, file->chunk, strlen(file->chunk), MESSAGE_BYTES);
  buffer_format(out, ",\"line\":%d", fault->line);
  if (fault->column > 0)
    buffer_format(out, ",\"column\":%d", fault->column);
  buffer_append_text(out, ",\"message\":");
  write_text(out, fault->message, strlen(fault->message), MESSAGE_BYTES);
  if (fault->setting) {
    buffer_append_text(out, ",\"setting\":");
    write_text(out, fault->setting, strlen(fault->setting), MESSAGE_BYTES);
  }
  const char *text;
  size_t size = fault->is_secret ? 0 : version_line(file, fault->line, &text);
  if (size) {
    buffer_append_text(out, ",\"source\":");
    write_text(out, text, size, SOURCE_BYTES);
  }
  buffer_append_char(out, '}');
}

void fault_write_error(struct buffer *out, const struct version *version, const char *message)
{
  int line = 0;
  const char *rest = message;
  const struct source_file *file = version_place(version, message, &line, &rest);
  size_t size = strlen(rest);
  const char *quote = version->is_config ? strstr(rest, " near '") : NULL;
  if (quote)
    size = (size_t)(quote - rest);
  char text[MESSAGE_BYTES + 1];
  snprintf(text, sizeof text, "%.*s", (int)size, rest);
  const struct source_file *of = file ? file : &version->files[0];
  fault_write(out, of, &(struct fault){
      .line = line,
      .message = text,
      .is_secret = version->is_config,
  });
}
