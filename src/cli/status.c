#include "cli/control_client.h"
#include "cli/terminal.h"

#include <stdio.h>
#include <string.h>

static const json_t *at(const json_t *object, const char *key)
{
  return json_object_get(object, key);
}

static int64_t number(const json_t *object, const char *key)
{
  return json_integer_value(at(object, key));
}

static void print_row(const char *label, enum terminal_tone tone, struct buffer *text)
{
  terminal_row(label, tone, buffer_text(text));
  buffer_clear(text);
}

static void print_connection(const json_t *connection)
{
  struct buffer text = {0};
  bool connected = json_is_true(at(connection, "connected"));
  const char *reason = json_string_value(at(connection, "reason"));
  buffer_append_text(&text, connected ? "connected for " : "not connected for ");
  terminal_duration(&text, number(connection, "for_s"));
  buffer_append_text(&text, " to ");
  terminal_plain(&text, json_string_value(at(connection, "url")));
  print_row("connection", connected ? TONE_GOOD : TONE_BAD, &text);
  if (!reason)
    return;
  if (connected)
    buffer_append_text(&text, "before that: ");
  terminal_plain(&text, reason);
  print_row("", connected ? TONE_FAINT : TONE_PLAIN, &text);
}

/* "1 accepted, 0 answered, …": the numbers of an object under these keys. */
static void print_numbers(const char *label, const json_t *object, const char *const *keys,
                          const char *const *words)
{
  struct buffer text = {0};
  for (size_t i = 0; keys[i]; i++)
    buffer_format(&text, "%s%lld %s", i ? ", " : "", (long long)number(object, keys[i]), words[i]);
  print_row(label, TONE_PLAIN, &text);
}

static void print_commands(const json_t *answer)
{
  static const char *const now[] = {"received", "queued", "held", "running", "waiting", "done", NULL};
  static const char *const now_words[] = {
      "received", "queued", "of these held", "running", "waiting for a restart",
      "done and not confirmed"};
  static const char *const since[] = {"accepted", "answered", "confirmed", "refused",
                                      "repeats",  "left",     "dropped",   "malformed", NULL};
  print_numbers("commands", at(answer, "commands"), now, now_words);
  print_numbers("since start", at(answer, "since_start"), since, since);
}

/* "flash 5 for 12 s: 42 %, erasing" */
static void print_running(const json_t *running)
{
  size_t i;
  json_t *each;
  json_array_foreach(running, i, each) {
    struct buffer text = {0};
    terminal_plain(&text, json_string_value(at(each, "type")));
    buffer_format(&text, " %lld for ", (long long)number(each, "id"));
    terminal_duration(&text, number(each, "for_s"));
    if (at(each, "progress"))
      buffer_append_text(&text, ": ");
    terminal_progress(&text, at(each, "progress"));
    if (at(each, "cancelled"))
      buffer_append_text(&text, " (cancelled)");
    print_row(i ? "" : "running", TONE_PLAIN, &text);
  }
}

static void print_outbox(const json_t *outbox)
{
  struct buffer text = {0};
  static const char *const kinds[] = {"telemetry", "metadata"};
  for (size_t i = 0; i < 2; i++)
    buffer_format(&text, "%s%s %lld waiting, %lld dropped", i ? "; " : "", kinds[i],
                  (long long)number(at(outbox, kinds[i]), "waiting"),
                  (long long)number(at(outbox, kinds[i]), "dropped"));
  print_row("outbox", TONE_PLAIN, &text);
}

static void print_journal(const json_t *journal)
{
  struct buffer text = {0};
  const char *condition = json_string_value(at(journal, "condition"));
  terminal_plain(&text, condition ? condition : "unknown");
  buffer_append_text(&text, ", ");
  terminal_size(&text, number(journal, "file_bytes") + number(journal, "wal_bytes"));
  buffer_format(&text, ", %lld commands, %lld more ids", (long long)number(journal, "commands"),
                (long long)number(journal, "ids"));
  if (number(journal, "last_commit_us"))
    buffer_format(&text, ", last commit took %.1f ms", (double)number(journal, "last_commit_us") / 1e3);
  if (at(journal, "set_aside")) {
    buffer_append_text(&text, ", set aside: ");
    terminal_plain(&text, json_string_value(at(journal, "set_aside")));
  }
  bool is_good = condition && !strcmp(condition, "good");
  print_row("journal", is_good ? TONE_PLAIN : TONE_BAD, &text);
}

static void print_faults(const json_t *faults)
{
  if (!json_array_size(faults)) {
    terminal_row("faults", TONE_PLAIN, "none");
    return;
  }
  size_t i;
  json_t *each;
  json_array_foreach(faults, i, each) {
    struct buffer text = {0};
    terminal_plain(&text, json_string_value(each));
    print_row(i ? "" : "faults", TONE_BAD, &text);
  }
}

/* Whom handlers run as, and what this machine does not keep from them. */
static void print_confinement(const json_t *confinement)
{
  struct buffer text = {0};
  terminal_plain(&text, json_string_value(at(confinement, "user")));
  print_row("handler user", TONE_PLAIN, &text);
  size_t i;
  json_t *each;
  json_array_foreach(at(confinement, "missing"), i, each) {
    terminal_plain(&text, json_string_value(each));
    print_row(i ? "" : "not enforced", TONE_FAINT, &text);
  }
}

static void print(const json_t *answer)
{
  struct buffer text = {0};
  terminal_plain(&text, json_string_value(at(answer, "version")));
  buffer_format(&text, ", process %lld, up ", (long long)number(answer, "pid"));
  terminal_duration(&text, number(answer, "uptime_s"));
  buffer_append_text(&text, ", on ");
  terminal_plain(&text, json_string_value(at(answer, "state")));
  print_row("kaalua", TONE_PLAIN, &text);
  print_connection(at(answer, "connection"));
  buffer_format(&text, "%lld", (long long)number(answer, "endpoints"));
  print_row("endpoints", TONE_PLAIN, &text);
  const json_t *handlers = at(answer, "handlers");
  buffer_format(&text, "%lld in service, %zu faulty", (long long)number(handlers, "in_service"),
                json_array_size(at(handlers, "faulty")));
  print_row("handlers", TONE_PLAIN, &text);
  print_confinement(at(answer, "confinement"));
  print_commands(answer);
  print_running(at(answer, "running"));
  print_outbox(at(answer, "outbox"));
  print_journal(at(answer, "journal"));
  print_faults(at(answer, "faults"));
}

static int run(const struct command_line *line)
{
  return control_client_show(line, json_pack("{s:s}", "ask", "status"), print,
                             control_client_print_json);
}

const struct cli_command cli_status = {
    .name = "status",
    .usage = "status [--config F | --state S] [--json]",
    .summary = "how the running agent is: connection, commands, outbox, journal, faults",
    .flags = FLAG_CONFIG | FLAG_STATE | FLAG_JSON,
    .run = run,
};
