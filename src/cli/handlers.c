#include "cli/control_client.h"
#include "cli/handler_rows.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

static const json_t *at(const json_t *object, const char *key)
{
  return json_object_get(object, key);
}

static bool is_state(const json_t *handler, const char *state)
{
  return !strcmp(handler_rows_text(handler, "state"), state);
}

static void append_state(struct buffer *out, const json_t *handler)
{
  buffer_append_text(out, handler_rows_text(handler, "state"));
  if (is_state(handler, "faulty") || is_state(handler, "stale")) {
    char since[21];
    snprintf(since, sizeof since, "%.19sZ", handler_rows_text(handler, "since"));
    buffer_format(out, " since %s", since);
  }
  if (is_state(handler, "stale"))
    buffer_append_text(out, ": the last good version serves");
  if (is_state(handler, "faulty") || is_state(handler, "quarantined"))
    buffer_append_text(out, ": answered 503");
}

static void print_head(const json_t *handler)
{
  struct buffer text = {0};
  long long workers = json_integer_value(at(handler, "workers"));
  long long running = json_integer_value(at(handler, "running"));
  bool is_good = is_state(handler, "in service") || is_state(handler, "ticks only");
  append_state(&text, handler);
  if (at(handler, "hash"))
    buffer_format(&text, ", version %s", handler_rows_text(handler, "hash"));
  if (at(handler, "every_s"))
    buffer_format(&text, ", a tick every %g s", json_number_value(at(handler, "every_s")));
  if (workers)
    buffer_format(&text, ", %lld worker%s", workers, workers == 1 ? "" : "s");
  if (running)
    buffer_format(&text, ", %lld running", running);
  handler_rows_head(handler, is_good ? TONE_GOOD : TONE_BAD, buffer_text(&text));
  buffer_clear(&text);
}

static void print_row(enum terminal_tone tone, const char *before, const char *text)
{
  struct buffer row = {0};
  if (!*text)
    return;
  buffer_append_text(&row, before);
  terminal_plain(&row, text);
  terminal_row("", tone, buffer_text(&row));
  buffer_clear(&row);
}

/* "exec: /usr/bin/systemctl; write". */
static void print_needs(const json_t *needs)
{
  struct buffer text = {0};
  const char *name;
  json_t *narrowed;
  json_object_foreach((json_t *)needs, name, narrowed) {
    buffer_format(&text, "%s%s", text.size_bytes ? "; " : "", name);
    for (size_t i = 0; i < json_array_size(narrowed); i++)
      buffer_format(&text, "%s%s", i ? ", " : ": ", json_string_value(json_array_get(narrowed, i)));
  }
  print_row(TONE_PLAIN, "needs ", buffer_text(&text));
  buffer_clear(&text);
}

static void print_handler(const json_t *handler)
{
  print_head(handler);
  print_row(TONE_PLAIN, "", handler_rows_text(handler, "file"));
  print_row(TONE_PLAIN, "", handler_rows_text(handler, "summary"));
  print_needs(at(handler, "needs"));
  size_t i;
  json_t *each;
  json_array_foreach(at(handler, "shadows"), i, each)
    print_row(TONE_FAINT, "shadows ", json_string_value(each));
  if (is_state(handler, "quarantined") && json_array_size(at(handler, "faults")))
    print_row(TONE_BAD, "", handler_rows_text(handler, "fault"));
  handler_rows_faults(handler, 0);
}

static void print(const json_t *answer)
{
  const json_t *handlers = at(answer, "handlers");
  size_t i;
  json_t *each;
  json_array_foreach(handlers, i, each)
    print_handler(each);
  if (!json_array_size(handlers))
    printf("no handlers\n");
  handler_rows_directories(at(answer, "directories"));
}

static int run(const struct command_line *line)
{
  return control_client_show(line, json_pack("{s:s}", "ask", "handlers"), print,
                             control_client_print_json);
}

const struct cli_command cli_handlers = {
    .name = "handlers",
    .usage = "handlers [--config F | --state S] [--json]",
    .summary = "which file serves each command type, and what is wrong with the others",
    .flags = FLAG_CONFIG | FLAG_STATE | FLAG_JSON,
    .run = run,
};
