#include "cli/control_client.h"
#include "cli/handler_rows.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum { PATIENCE_S = 15 }; /* the agent answers after 10 at the latest */

static const char *consequence(const json_t *handler)
{
  const char *state = handler_rows_text(handler, "state");
  if (!strcmp(state, "stale"))
    return "the last good version goes on";
  return strcmp(state, "refused") ? "answered 503" : "not served";
}

static void print_faulty(const json_t *handler)
{
  struct buffer text = {0};
  buffer_format(&text, "%s (%s)", handler_rows_text(handler, "fault"), consequence(handler));
  handler_rows_head(handler, TONE_BAD, buffer_text(&text));
  buffer_clear(&text);
  handler_rows_source(handler);
  handler_rows_faults(handler, 1);
}

static void print_good(const json_t *handler, const char *outcome)
{
  struct buffer text = {0};
  buffer_append_text(&text, handler_rows_text(handler, "state"));
  if (strcmp(outcome, "removed"))
    buffer_format(&text, " (%s)", outcome);
  handler_rows_head(handler, TONE_PLAIN, buffer_text(&text));
  buffer_clear(&text);
}

static void print(const json_t *answer)
{
  const json_t *handlers = json_object_get(answer, "handlers");
  size_t i;
  json_t *each;
  json_array_foreach(handlers, i, each) {
    const char *outcome = handler_rows_text(each, "outcome");
    if (strcmp(outcome, "faulty"))
      print_good(each, outcome);
    else
      print_faulty(each);
  }
  if (!json_array_size(handlers))
    printf("no handlers\n");
  handler_rows_directories(json_object_get(answer, "directories"));
}

/* Of the directories only those count who asked for all. */
static int status_of(const struct command_line *line, const json_t *answer)
{
  bool is_faulty =
      !line->operand_count && json_array_size(json_object_get(answer, "directories"));
  size_t i;
  json_t *each;
  json_array_foreach(json_object_get(answer, "handlers"), i, each)
    is_faulty |= !strcmp(handler_rows_text(each, "outcome"), "faulty");
  return is_faulty ? CLI_FAILED : CLI_DONE;
}

static int run(const struct command_line *line)
{
  json_t *types = json_array(), *answer = NULL;
  for (int i = 0; i < line->operand_count; i++)
    if (json_array_append_new(types, json_string(line->operands[i])) < 0) {
      fprintf(stderr, "kaalua: TYPE: expected UTF-8\n");
      json_decref(types);
      return CLI_USAGE;
    }
  json_t *request = json_pack("{s:s,s:o}", "ask", "reload", "types", types);
  int status = control_client_ask_slowly(line, request, PATIENCE_S, &answer);
  if (status != CLI_DONE)
    return status;
  (line->json ? control_client_print_json : print)(answer);
  status = status_of(line, answer);
  json_decref(answer);
  return status;
}

const struct cli_command cli_reload = {
    .name = "reload",
    .usage = "reload [TYPE…] [--config F | --state S] [--json]",
    .summary = "look at the files now; each TYPE is loaded anew, changed or not",
    .flags = FLAG_CONFIG | FLAG_STATE | FLAG_JSON,
    .operands_max = -1,
    .run = run,
};
