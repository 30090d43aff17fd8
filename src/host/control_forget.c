#include "host/control_parts.h"

#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct forgetting {
  struct control_request *request;
  json_t *row;
};

/* What has begun has or gets a result, which a repeat is answered with. */
static void answer_forgotten(struct control_request *request, const json_t *row, bool was_alive)
{
  const char *state = control_text_of(row, "state");
  bool has_begun = !strcmp(state, "waiting") || !strcmp(state, "done") ||
                   json_integer_value(json_object_get(row, "attempts")) > 0;
  control_reply(request, json_pack("{s:b,s:b,s:o}", "was_alive", was_alive, "runs_again",
                                   !was_alive || !has_begun, "command", control_for_people(row)));
}

static void on_forgotten(void *context, bool found, const char *failure)
{
  struct forgetting *forgetting = context;
  const json_t *row = forgetting->row;
  if (failure)
    control_refuse(forgetting->request, CONTROL_TRY_AGAIN, "the journal cannot be written: %s",
                   failure);
  else if (!found)
    control_refuse(forgetting->request, CONTROL_FAILED,
                   "%s %lld is %s, and this agent does not serve its endpoint: it stays",
                   control_text_of(row, "type"),
                   (long long)json_integer_value(json_object_get(row, "id")),
                   control_text_of(row, "state"));
  else
    answer_forgotten(forgetting->request, row, false);
  json_decref(forgetting->row);
  free(forgetting);
}

static void forget(struct control_inquiry *inquiry, const json_t *row)
{
  const struct control_sources *sources = &inquiry->answers->sources;
  const char *endpoint = control_text_of(row, "endpoint"), *type = control_text_of(row, "type");
  int rc = core_forget(sources->core, endpoint, type, inquiry->id);
  if (rc == -EBUSY && strcmp(control_text_of(row, "state"), "running")) {
    control_refuse(inquiry->request, CONTROL_TRY_AGAIN, "%s %lld is just changing, try again",
                   type, (long long)inquiry->id);
  } else if (rc == -EBUSY) {
    control_refuse(inquiry->request, CONTROL_FAILED,
                   "%s %lld is running: it cannot be forgotten. It ends by itself at its time "
                   "limit, or within 10 s when the agent is stopped", type, (long long)inquiry->id);
  } else if (rc == 0) {
    answer_forgotten(inquiry->request, row, true);
  } else {
    struct forgetting *forgetting = memory_zeroed(1, sizeof *forgetting);
    *forgetting = (struct forgetting){inquiry->request, json_copy((json_t *)row)};
    journal_forget(sources->journal, endpoint, type, inquiry->id, on_forgotten, forgetting);
  }
}

static void answer_forget_found(struct control_inquiry *inquiry, const json_t *found)
{
  const json_t *row = control_only_one(inquiry, found);
  if (row)
    forget(inquiry, row);
  control_inquiry_finish(inquiry);
}

void control_answer_forget(struct control_answers *answers, struct control_request *request,
                           json_t *asked)
{
  control_inquire_one(answers, request, asked, false, answer_forget_found);
}
