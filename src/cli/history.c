#include "cli/control_client.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

enum {
  TIME_COLUMNS = 20,
  TYPE_COLUMNS_MIN = 4,
  TYPE_COLUMNS_MAX = 20,
  STATE_COLUMNS = 9,
  REASON_COLUMNS_MIN = 12,
  GAP = 1,
};

struct columns {
  size_t type, id, endpoint; /* endpoint 0: all are of one, which is not shown */
};

static const char *text_of(const json_t *entry, const char *key)
{
  const char *text = json_string_value(json_object_get(entry, key));
  return text ? text : "";
}

static int64_t number_of(const json_t *entry, const char *key)
{
  return json_integer_value(json_object_get(entry, key));
}

static size_t larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t smaller(size_t a, size_t b)
{
  return a < b ? a : b;
}

/* A long id and an endpoint leave less than usual. */
static size_t left_for_types(const struct columns *columns)
{
  size_t used = TIME_COLUMNS + columns->id + STATE_COLUMNS + REASON_COLUMNS_MIN + 4 * GAP;
  if (columns->endpoint)
    used += columns->endpoint + GAP;
  size_t left = used < TERMINAL_COLUMNS ? TERMINAL_COLUMNS - used : 0;
  return smaller(larger(left, TYPE_COLUMNS_MIN), TYPE_COLUMNS_MAX);
}

static struct columns measure(const json_t *commands)
{
  struct columns columns = {.type = TYPE_COLUMNS_MIN, .id = 2};
  const char *first = text_of(json_array_get(commands, 0), "endpoint");
  bool several = false;
  for (size_t i = 0; i < json_array_size(commands); i++) {
    const json_t *entry = json_array_get(commands, i);
    const char *endpoint = text_of(entry, "endpoint");
    columns.type = larger(columns.type, terminal_width(text_of(entry, "type")));
    columns.id = larger(columns.id,
                        (size_t)snprintf(NULL, 0, "%lld", (long long)number_of(entry, "id")));
    columns.endpoint = larger(columns.endpoint, terminal_width(endpoint));
    several |= strcmp(first, endpoint) != 0;
  }
  columns.endpoint = several ? larger(columns.endpoint, strlen("ENDPOINT")) : 0;
  columns.type = smaller(columns.type, left_for_types(&columns));
  return columns;
}

static void begin_line(struct buffer *out, const struct columns *columns, const char *time,
                       const char *type, const char *id, const char *endpoint)
{
  terminal_cell(out, time, TIME_COLUMNS);
  buffer_append_char(out, ' ');
  terminal_cell(out, type, columns->type);
  buffer_format(out, " %*s ", (int)columns->id, id);
  if (columns->endpoint) {
    terminal_cell(out, endpoint, columns->endpoint);
    buffer_append_char(out, ' ');
  }
}

static void print_line(struct buffer *line)
{
  while (line->size_bytes && line->data[line->size_bytes - 1] == ' ')
    line->size_bytes--;
  printf("%s\n", buffer_text(line));
  buffer_clear(line);
}

/* "200 OK", "500 Interrupted … (2 attempts)": what is left of the line is for it. */
static void append_result(struct buffer *line, const json_t *entry)
{
  struct buffer text = {0};
  if (json_object_get(entry, "status") && number_of(entry, "status"))
    buffer_format(&text, "%lld ", (long long)number_of(entry, "status"));
  terminal_plain(&text, text_of(entry, "reason"));
  terminal_progress(&text, json_object_get(entry, "progress"));
  if (number_of(entry, "attempts") > 1)
    buffer_format(&text, " (%lld attempts)", (long long)number_of(entry, "attempts"));
  size_t used = terminal_width(buffer_text(line));
  size_t left = used + REASON_COLUMNS_MIN < TERMINAL_COLUMNS ? TERMINAL_COLUMNS - used
                                                             : REASON_COLUMNS_MIN;
  terminal_cell(line, buffer_text(&text), left);
  buffer_clear(&text);
}

static void print_command(const json_t *entry, const struct columns *columns)
{
  struct buffer line = {0};
  char id[24], time[TIME_COLUMNS + 1];
  snprintf(id, sizeof id, "%lld", (long long)number_of(entry, "id"));
  snprintf(time, sizeof time, "%.19sZ", text_of(entry, "received")); /* without milliseconds */
  begin_line(&line, columns, time, text_of(entry, "type"), id, text_of(entry, "endpoint"));
  terminal_cell(&line, text_of(entry, "state"), STATE_COLUMNS);
  buffer_append_char(&line, ' ');
  append_result(&line, entry);
  print_line(&line);
}

static void print(const json_t *answer)
{
  const json_t *commands = json_object_get(answer, "commands");
  if (!json_array_size(commands)) {
    printf("no commands\n");
    return;
  }
  struct columns columns = measure(commands);
  struct buffer line = {0};
  begin_line(&line, &columns, "RECEIVED", "TYPE", "ID", "ENDPOINT");
  buffer_append_text(&line, "STATE     RESULT");
  print_line(&line);
  for (size_t i = 0; i < json_array_size(commands); i++)
    print_command(json_array_get(commands, i), &columns);
  if (json_object_get(answer, "before"))
    printf("older ones: --before %lld\n", (long long)number_of(answer, "before"));
}

static int run(const struct command_line *line)
{
  json_t *request = json_pack("{s:s}", "ask", "history");
  if (control_client_select(line, request)) {
    json_decref(request);
    return CLI_USAGE;
  }
  return control_client_show(line, request, print, control_client_print_json);
}

const struct cli_command cli_history = {
    .name = "history",
    .usage = "history [--type T] [--endpoint E] [--limit N] [--before N]\n"
             "[--config F | --state S] [--json]",
    .summary = "the commands that the running agent knows, the newest first",
    .flags = FLAG_CONFIG | FLAG_STATE | FLAG_SELECTION | FLAG_PAGE | FLAG_JSON,
    .run = run,
};
