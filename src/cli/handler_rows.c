#include "cli/handler_rows.h"

#include "host/faults.h"

#include <stdio.h>

const char *handler_rows_text(const json_t *handler, const char *key)
{
  const char *text = json_string_value(json_object_get(handler, key));
  return text ? text : "";
}

static void print_row(const char *label, enum terminal_tone tone, const char *text)
{
  struct buffer plain = {0};
  terminal_plain(&plain, text);
  terminal_row(label, tone, buffer_text(&plain));
  buffer_clear(&plain);
}

void handler_rows_head(const json_t *handler, enum terminal_tone tone, const char *text)
{
  struct buffer type = {0};
  terminal_plain(&type, handler_rows_text(handler, "type"));
  const char *label = buffer_text(&type);
  if (terminal_width(label) >= TERMINAL_LABEL_COLUMNS) {
    printf("%s\n", label);
    label = "";
  }
  print_row(label, tone, text);
  buffer_clear(&type);
}

static void draw(const json_t *fault)
{
  struct buffer picture = {0};
  faults_draw(fault, TERMINAL_LABEL_COLUMNS + 2, TERMINAL_COLUMNS, &picture);
  fputs(buffer_text(&picture), stdout);
  buffer_clear(&picture);
}

void handler_rows_source(const json_t *handler)
{
  draw(json_array_get(json_object_get(handler, "faults"), 0));
}

void handler_rows_faults(const json_t *handler, size_t first)
{
  const json_t *faults = json_object_get(handler, "faults");
  if (!json_array_size(faults) && !first && *handler_rows_text(handler, "fault"))
    print_row("", TONE_BAD, handler_rows_text(handler, "fault"));
  for (size_t i = first; i < json_array_size(faults); i++) {
    const json_t *fault = json_array_get(faults, i);
    long long line = json_integer_value(json_object_get(fault, "line"));
    struct buffer text = {0};
    buffer_append_text(&text, handler_rows_text(fault, "file"));
    if (line)
      buffer_format(&text, ":%lld", line);
    buffer_format(&text, ": %s", handler_rows_text(fault, "message"));
    print_row("", TONE_BAD, buffer_text(&text));
    buffer_clear(&text);
    draw(fault);
  }
}

void handler_rows_directories(const json_t *directories)
{
  size_t i;
  json_t *each;
  json_array_foreach(directories, i, each)
    print_row(i ? "" : "directories", TONE_BAD, json_string_value(each));
}
