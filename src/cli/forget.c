#include "cli/control_client.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

/* What it was kept for, and no longer is. */
static const char *consequence(const char *state, bool was_alive)
{
  if (!was_alive)
    return ".";
  if (!strcmp(state, "done"))
    return ": its result is not sent any more.";
  return !strcmp(state, "waiting") ? ": it is not resumed." : ": it is not run.";
}

static void print(const json_t *answer)
{
  const json_t *command = json_object_get(answer, "command");
  const char *state = text_of(command, "state");
  struct buffer text = {0};
  terminal_plain(&text, text_of(command, "type"));
  buffer_format(&text, " %lld, which was ",
                (long long)json_integer_value(json_object_get(command, "id")));
  terminal_plain(&text, state);
  buffer_append_text(&text, consequence(state, json_is_true(json_object_get(answer, "was_alive"))));
  terminal_row("forgotten", TONE_PLAIN, buffer_text(&text));
  if (json_is_true(json_object_get(answer, "runs_again")))
    terminal_row("", TONE_PLAIN, "If the platform delivers it again, it runs again.");
  else
    terminal_row("", TONE_PLAIN, "It has begun: if the platform delivers it again, it is answered from "
                 "the history. Forget it once more to have it run again.");
  buffer_clear(&text);
}

static int run(const struct command_line *line)
{
  json_t *request;
  if (control_client_select_one(line, "forget", &request))
    return CLI_USAGE;
  return control_client_show(line, request, print, control_client_print_json);
}

const struct cli_command cli_forget = {
    .name = "forget",
    .usage = "forget ID [--type T] [--endpoint E]\n"
             "[--config F | --state S] [--json]",
    .summary = "give up one command, or forget that it has run",
    .flags = FLAG_CONFIG | FLAG_STATE | FLAG_SELECTION | FLAG_JSON,
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
