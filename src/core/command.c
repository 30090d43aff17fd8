#include "core/command.h"

#include "core/storage.h"

#include <stdlib.h>
#include <string.h>

const char *command_state_name(enum command_state state)
{
  switch (state) {
  case COMMAND_RECEIVED: return "received";
  case COMMAND_QUEUED: return "queued";
  case COMMAND_RUNNING: return "running";
  case COMMAND_WAITING: return "waiting";
  case COMMAND_DONE: return "done";
  case COMMAND_CONFIRMED: return "confirmed";
  case COMMAND_REFUSED: return "refused";
  case COMMAND_DROPPED: return "dropped";
  }
  return "unknown";
}

static int compare_text(const char *a, const char *b)
{
  return a == b ? 0 : strcmp(a, b); /* interned: mostly the same pointer */
}

int command_key_compare(const struct command_key *a, const struct command_key *b)
{
  if (a->id != b->id)
    return a->id < b->id ? -1 : 1;
  int order = compare_text(a->type, b->type);
  return order ? order : compare_text(a->endpoint, b->endpoint);
}

bool command_has_begun_before(const struct command *command)
{
  return command->resumes || command->attempts > 1;
}

void command_result_clear(struct command_result *result)
{
  free(result->reason);
  free(result->payload);
  *result = (struct command_result){0};
}

void command_saved_clear(struct command_saved *saved)
{
  free(saved->text);
  *saved = (struct command_saved){0};
}

void storage_record_destroy(struct storage_record *record)
{
  if (!record)
    return;
  command_result_clear(&record->result);
  free(record);
}
