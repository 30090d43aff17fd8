#include "host/control_answers.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/control_parts.h"
#include "host/control_status.h"

#include <stdlib.h>
#include <string.h>

static char *refusal_line(void *context, int status, const char *text)
{
  (void)context;
  struct buffer line = {0};
  json_t *document = control_refusal(status, text);
  jsontext_write(&line, document);
  json_decref(document);
  return buffer_take(&line);
}

static void answer_status(struct control_answers *answers, struct control_request *request,
                          json_t *asked)
{
  json_error_t fault;
  const char *name;
  if (json_unpack_ex(asked, &fault, JSON_STRICT, "{s:s}", "ask", &name) < 0)
    control_refuse(request, CONTROL_USAGE, "status: %s", fault.text);
  else
    control_reply(request, control_status(&answers->sources, answers->started_ms));
}

static const struct {
  const char *name;
  void (*answer)(struct control_answers *answers, struct control_request *request, json_t *asked);
} asks[] = {
    {"status", answer_status},
    {"history", control_answer_history},
    {"show", control_answer_show},
    {"forget", control_answer_forget},
    {"handlers", control_answer_handlers},
    {"reload", control_answer_reload},
};

static void ask(void *context, struct control_request *request, const char *line, size_t size)
{
  struct control_answers *answers = context;
  struct json_fault fault;
  json_t *asked = jsontext_parse(line, size, &fault);
  const char *name = json_string_value(json_object_get(asked, "ask"));
  size_t i = 0;
  while (name && i < sizeof asks / sizeof *asks && strcmp(asks[i].name, name))
    i++;
  if (!asked)
    control_refuse(request, CONTROL_USAGE, "the request is no JSON: %s", fault.text);
  else if (!name)
    control_refuse(request, CONTROL_USAGE, "expected {\"ask\": \"status\"} or the like");
  else if (i == sizeof asks / sizeof *asks)
    control_refuse(request, CONTROL_USAGE,
                   "this agent (" KAALUA_VERSION ") does not know the request \"%.64s\"", name);
  else
    asks[i].answer(answers, request, asked);
  json_decref(asked);
}

struct control_answers *control_answers_create(const struct control_sources *sources,
                                               struct loop *loop)
{
  struct control_answers *answers = memory_zeroed(1, sizeof *answers);
  answers->sources = *sources;
  answers->started_ms = clock_monotonic_ms();
  answers->loop = loop;
  LIST_INIT(&answers->reloadings);
  const struct control_options options = {
      .path = sources->config->control, .context = answers, .ask = ask, .refusal = refusal_line};
  struct error error = {0};
  if (control_open(&answers->control, loop, &options, &error) < 0)
    log_error("control", error.text, "consequence", "kaalua status and the like cannot ask");
  return answers;
}

void control_answers_close(struct control_answers *answers)
{
  if (!answers)
    return;
  answers->is_closed = true;
  control_handlers_close(answers);
  control_close(answers->control);
  answers->control = NULL;
}

void control_answers_destroy(struct control_answers *answers)
{
  free(answers);
}
