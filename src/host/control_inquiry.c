#include "host/control_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "handlers/handlers_running.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HISTORY_LIMIT = 20, HISTORY_MAX = 1000, CANDIDATES_MAX = 20 };

void control_inquiry_finish(struct control_inquiry *inquiry)
{
  json_decref(inquiry->asked);
  free(inquiry);
}

static void on_found(void *context, const json_t *found, const char *failure)
{
  struct control_inquiry *inquiry = context;
  if (!found || inquiry->answers->is_closed) {
    control_refuse(inquiry->request, CONTROL_TRY_AGAIN, "the journal cannot be read: %s",
                   failure ? failure : "the agent ends");
    control_inquiry_finish(inquiry);
    return;
  }
  inquiry->answer(inquiry, found); /* finishes it */
}

/* The token that `given` is, or is the beginning of: with or without the "…" that it is shown
 * with. One that this agent does not serve may still have a history. */
static int find_endpoint(const struct config *config, const char *given, const char **endpoint,
                         struct error *error)
{
  static const char ellipsis[] = "…";
  const size_t tail = sizeof ellipsis - 1;
  size_t size = strlen(given);
  if (size > tail && !strcmp(given + size - tail, ellipsis))
    size -= tail;
  size_t found = 0;
  *endpoint = given;
  for (size_t i = 0; i < config->token_count; i++) {
    if (!strcmp(config->tokens[i], given)) {
      *endpoint = config->tokens[i];
      return 0;
    }
    if (size && !strncmp(config->tokens[i], given, size) && !found++)
      *endpoint = config->tokens[i];
  }
  if (found > 1)
    return error_set(error, -EINVAL, "%zu endpoint tokens begin like this: give more of it", found);
  return 0;
}

static void inquire(struct control_answers *answers, struct control_request *request, json_t *asked,
                    const struct journal_query *query, const char *endpoint,
                    void (*answer)(struct control_inquiry *inquiry, const json_t *found))
{
  struct journal_query selected = *query;
  struct error error = {0};
  if (endpoint && find_endpoint(answers->sources.config, endpoint, &selected.endpoint, &error) < 0) {
    control_refuse(request, CONTROL_USAGE, "%s", error.text);
    return;
  }
  struct control_inquiry *inquiry = memory_zeroed(1, sizeof *inquiry);
  *inquiry = (struct control_inquiry){
      .answers = answers,
      .request = request,
      .asked = json_incref(asked),
      .endpoint = selected.endpoint,
      .type = query->type,
      .id = query->id,
      .limit = query->limit,
      .answer = answer,
  };
  journal_query(answers->sources.journal, &selected, on_found, inquiry);
}

const char *control_text_of(const json_t *row, const char *key)
{
  const char *text = json_string_value(json_object_get(row, key));
  return text ? text : "";
}

static void stamp(json_t *entry, const char *key)
{
  const json_t *wall_ms = json_object_get(entry, key);
  char text[CLOCK_STAMP_BYTES];
  if (!json_is_integer(wall_ms))
    return;
  clock_stamp(json_integer_value(wall_ms), text);
  json_object_set_new(entry, key, json_string(text));
}

json_t *control_for_people(const json_t *row)
{
  static const char *const times[] = {"received", "began", "done", "over"};
  json_t *entry = json_copy((json_t *)row);
  json_object_set_new(entry, "endpoint", json_string(LOG_TOKEN(control_text_of(row, "endpoint"))));
  for (size_t i = 0; i < sizeof times / sizeof *times; i++)
    stamp(entry, times[i]);
  return entry;
}

static json_t *all_for_people(const json_t *rows)
{
  json_t *entries = json_array();
  for (size_t i = 0; i < json_array_size(rows); i++)
    json_array_append_new(entries, control_for_people(json_array_get(rows, i)));
  return entries;
}

/* Of one that runs: how far it says it is, which no journal holds. */
static void add_progress(const struct control_inquiry *inquiry, const json_t *row, json_t *entry)
{
  const struct command_key key = {control_text_of(row, "endpoint"), control_text_of(row, "type"),
                                  json_integer_value(json_object_get(row, "id"))};
  if (strcmp(control_text_of(row, "state"), "running") != 0)
    return;
  json_t *progress = handlers_progress(inquiry->answers->sources.handlers, &key);
  if (progress)
    json_object_set_new(entry, "progress", progress);
}

static void answer_history_found(struct control_inquiry *inquiry, const json_t *found)
{
  json_t *entries = all_for_people(found);
  size_t count = json_array_size(found);
  for (size_t i = 0; i < count; i++)
    add_progress(inquiry, json_array_get(found, i), json_array_get(entries, i));
  json_t *answer = json_pack("{s:o}", "commands", entries);
  if (count && count == inquiry->limit) /* where the older ones begin */
    json_object_set(answer, "before",
                    json_object_get(json_array_get(found, count - 1), "sequence"));
  control_reply(inquiry->request, answer);
  control_inquiry_finish(inquiry);
}

void control_answer_history(struct control_answers *answers, struct control_request *request,
                            json_t *asked)
{
  struct journal_query query = {0};
  json_error_t fault;
  json_int_t limit = HISTORY_LIMIT, before = 0;
  const char *name, *endpoint = NULL;
  if (json_unpack_ex(asked, &fault, JSON_STRICT, "{s:s,s?s,s?s,s?I,s?I}", "ask", &name, "type",
                     &query.type, "endpoint", &endpoint, "limit", &limit, "before", &before) < 0) {
    control_refuse(request, CONTROL_USAGE, "history: %s", fault.text);
  } else if (limit < 1 || limit > HISTORY_MAX || before < 0) {
    control_refuse(request, CONTROL_USAGE,
                   "history: expected a limit from 1 to %d, and a number that an earlier answer gave "
                   "as `before`", HISTORY_MAX);
  } else {
    query.limit = (size_t)limit;
    query.before = before;
    inquire(answers, request, asked, &query, endpoint, answer_history_found);
  }
}

/* Without what may be large: the answer has a limit, and one of them is asked for next. */
static json_t *candidates(const json_t *found)
{
  json_t *all = all_for_people(found);
  size_t i;
  json_t *each;
  json_array_foreach(all, i, each) {
    json_object_del(each, "command");
    json_object_del(each, "payload");
    json_object_del(each, "saved");
  }
  return all;
}

static void refuse_ambiguous(struct control_inquiry *inquiry, const json_t *found)
{
  char text[200];
  size_t count = json_array_size(found);
  snprintf(text, sizeof text, "%s%zu commands have the id %lld: say which by --type or --endpoint",
           count == inquiry->limit ? "at least " : "", count, (long long)inquiry->id);
  json_t *document = control_refusal(CONTROL_USAGE, text);
  json_object_set_new(document, "candidates", candidates(found));
  control_reply_document(inquiry->request, document);
}

const json_t *control_only_one(struct control_inquiry *inquiry, const json_t *found)
{
  size_t count = json_array_size(found);
  if (count == 1)
    return json_array_get(found, 0);
  if (count)
    refuse_ambiguous(inquiry, found);
  else
    control_refuse(inquiry->request, CONTROL_FAILED, "no command with the id %lld%s%s%s is known",
                   (long long)inquiry->id, inquiry->type ? " and the type " : "",
                   inquiry->type ? inquiry->type : "",
                   inquiry->endpoint ? " of this endpoint" : "");
  return NULL;
}

void control_inquire_one(struct control_answers *answers, struct control_request *request,
                         json_t *asked, bool is_whole,
                         void (*answer)(struct control_inquiry *inquiry, const json_t *found))
{
  struct journal_query query = {.has_id = true, .limit = CANDIDATES_MAX, .is_whole = is_whole};
  json_error_t fault;
  json_int_t id = 0;
  const char *name, *endpoint = NULL;
  if (json_unpack_ex(asked, &fault, JSON_STRICT, "{s:s,s:I,s?s,s?s}", "ask", &name, "id", &id,
                     "type", &query.type, "endpoint", &endpoint) < 0) {
    control_refuse(request, CONTROL_USAGE, "%s", fault.text);
    return;
  }
  query.id = id;
  inquire(answers, request, asked, &query, endpoint, answer);
}

static void answer_show_found(struct control_inquiry *inquiry, const json_t *found)
{
  const json_t *row = control_only_one(inquiry, found);
  json_t *entry = row ? control_for_people(row) : NULL;
  if (entry) {
    add_progress(inquiry, row, entry);
    control_reply(inquiry->request, entry);
  }
  control_inquiry_finish(inquiry);
}

void control_answer_show(struct control_answers *answers, struct control_request *request,
                         json_t *asked)
{
  control_inquire_one(answers, request, asked, true, answer_show_found);
}
