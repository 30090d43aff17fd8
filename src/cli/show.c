#include "base/jsontext.h"
#include "cli/control_client.h"
#include "cli/json_layout.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_CHARACTERS = 2000 }; /* of a JSON text: a serial console is slow */

/* Members that hold a JSON text, as it was stored. */
static const char *const texts[] = {"command", "saved", "payload"};

static const char *text_of(const json_t *answer, const char *key)
{
  return json_string_value(json_object_get(answer, key));
}

static bool is_text(const char *key)
{
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!strcmp(texts[i], key))
      return true;
  return false;
}

/* One document: the texts become the values that they are, spelt as they were. */
static void print_json(const json_t *answer)
{
  struct buffer out = {0};
  const char *key;
  json_t *value;
  char before = '{';
  json_object_foreach((json_t *)answer, key, value) {
    buffer_append_char(&out, before);
    before = ',';
    jsontext_write_string(&out, key, strlen(key));
    buffer_append_char(&out, ':');
    if (is_text(key) && json_is_string(value))
      json_layout_compact(&out, json_string_value(value));
    else
      jsontext_write(&out, value);
  }
  buffer_append_char(&out, '}');
  printf("%s\n", buffer_text(&out));
  buffer_clear(&out);
}

static void print_row(const char *label, const char *text)
{
  struct buffer plain = {0};
  if (text) {
    terminal_plain(&plain, text);
    terminal_row(label, TONE_PLAIN, buffer_text(&plain));
  }
  buffer_clear(&plain);
}

static void print_text(const char *label, const char *text)
{
  struct buffer layout = {0};
  if (!text)
    return;
  json_layout_pretty(&layout, text, TERMINAL_COLUMNS - TERMINAL_LABEL_COLUMNS,
                     TERMINAL_LABEL_COLUMNS);
  const char *all = buffer_text(&layout);
  size_t shown = terminal_bytes(all, SHOWN_CHARACTERS);
  printf("%-*s%.*s", TERMINAL_LABEL_COLUMNS, label, (int)shown, all);
  if (all[shown])
    printf("…\n%*s(%zu bytes; --json shows all)", TERMINAL_LABEL_COLUMNS, "", strlen(text));
  putchar('\n');
  buffer_clear(&layout);
}

static void print_number(const char *label, const json_t *answer, const char *key)
{
  const json_t *value = json_object_get(answer, key);
  char text[24];
  if (!json_is_integer(value))
    return;
  snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
  print_row(label, text);
}

static void print_progress(const json_t *progress)
{
  struct buffer text = {0};
  terminal_progress(&text, progress);
  if (progress)
    terminal_row("progress", TONE_PLAIN, buffer_text(&text));
  buffer_clear(&text);
}

static void print(const json_t *answer)
{
  const char *state = text_of(answer, "state");
  print_row("type", text_of(answer, "type"));
  print_number("id", answer, "id");
  print_row("endpoint", text_of(answer, "endpoint"));
  print_row("state", state);
  print_row("received", text_of(answer, "received"));
  print_row("began", text_of(answer, "began"));
  print_row("done", text_of(answer, "done"));
  print_row(state ? state : "over", text_of(answer, "over"));
  print_number("attempts", answer, "attempts");
  print_progress(json_object_get(answer, "progress"));
  print_text("command", text_of(answer, "command"));
  print_text("saved", text_of(answer, "saved"));
  if (!json_object_get(answer, "status"))
    return;
  struct buffer result = {0};
  const char *reason = text_of(answer, "reason");
  buffer_format(&result, "%lld %s",
                (long long)json_integer_value(json_object_get(answer, "status")),
                reason ? reason : "");
  print_row("result", buffer_text(&result));
  buffer_clear(&result);
  print_text("payload", text_of(answer, "payload"));
}

static int run(const struct command_line *line)
{
  json_t *request;
  if (control_client_select_one(line, "show", &request))
    return CLI_USAGE;
  return control_client_show(line, request, print, print_json);
}

const struct cli_command cli_show = {
    .name = "show",
    .usage = "show ID [--type T] [--endpoint E]\n"
             "[--config F | --state S] [--json]",
    .summary = "all that is known of one command",
    .flags = FLAG_CONFIG | FLAG_STATE | FLAG_SELECTION | FLAG_JSON,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
