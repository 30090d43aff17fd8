#include "descriptor.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/memory.h"

#include <string.h>

static void write_text(struct buffer *out, const char *key, const char *text)
{
  buffer_format(out, ",\"%s\":", key);
  if (text)
    jsontext_write_string(out, text, strlen(text));
  else
    buffer_append_text(out, "null");
}

static void write_json(struct buffer *out, const char *key, const char *json)
{
  if (json) {
    buffer_format(out, ",\"%s\":", key);
    buffer_append_text(out, json);
  }
}

static void write_stamp(struct buffer *out, const char *key, int64_t at_ms)
{
  char stamp[CLOCK_STAMP_BYTES];
  clock_stamp(at_ms, stamp);
  write_text(out, key, stamp);
}

void descriptor_write(struct buffer *out, const struct stored_command *command)
{
  static const char *const states[] = {"PENDING", "EXECUTED", "EXPIRED"};
  buffer_format(out, "{\"commandId\":%lld", (long long)command->id);
  write_text(out, "commandType", command->type);
  write_text(out, "endpointId", command->endpoint_id);
  write_text(out, "status", states[command->state]);
  if (command->state == COMMAND_EXECUTED)
    buffer_format(out, ",\"statusCode\":%lld", (long long)command->status_code);
  else
    write_text(out, "statusCode", NULL);
  write_text(out, "reasonPhrase", command->reason);
  write_json(out, "requestPayload", command->payload);
  write_json(out, "responsePayload", command->response);
  write_stamp(out, "createdAt", command->created_ms);
  write_stamp(out, "updatedAt", command->updated_ms);
  buffer_append_char(out, '}');
}

char *descriptor_location(const struct stored_command *command)
{
  return memory_format("/cex/api/v1/endpoints/%s/commands/%s/%lld", command->endpoint_id,
                       command->type, (long long)command->id);
}
