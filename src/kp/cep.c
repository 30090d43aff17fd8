#include "kp/cep.h"

#include "base/utf8.h"
#include "kp/elements.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_MIN = 100, STATUS_MAX = 599 };

static int refuse(struct cep_refusal *refusal, int status, const char *what, const char *detail)
{
  *refusal = (struct cep_refusal){.status = status};
  snprintf(refusal->reason, sizeof refusal->reason, "%s: %s", what, detail);
  return -EINVAL;
}

/* As refuse(); looks for the id in the text, so that the element can be answered. */
static int refuse_text(struct cep_refusal *refusal, int status, const char *what,
                       const char *detail, const char *text, size_t size)
{
  refuse(refusal, status, what, detail);
  refusal->has_id = elements_find_id(text, size, &refusal->id);
  return -EINVAL;
}

static int read_members(const json_t *element, struct cep_command *command,
                        struct cep_refusal *refusal)
{
  if (!json_is_object(element))
    return refuse(refusal, 400, "Malformed command", "not an object");
  const json_t *id = json_object_get(element, "id");
  if (!json_is_integer(id))
    return refuse(refusal, 400, "Malformed command", id ? "id is not an integer" : "no id");
  const json_t *payload = json_object_get(element, "payload");
  *command = (struct cep_command){.id = json_integer_value(id), .has_payload = payload != NULL};
  jsontext_digest(payload, command->digest);
  return 0;
}

int cep_read_command(const char *text, size_t size, struct cep_command *command,
                     struct cep_refusal *refusal)
{
  if (size > JSONTEXT_MAX_BYTES) {
    char detail[80];
    snprintf(detail, sizeof detail, "%zu bytes, limit %d", size, (int)JSONTEXT_MAX_BYTES);
    return refuse_text(refusal, 413, "Command too large", detail, text, size);
  }
  struct json_fault fault;
  json_t *element = jsontext_parse(text, size, &fault);
  if (!element)
    return refuse_text(refusal, 400, "Malformed command", fault.text, text, size);
  int rc = read_members(element, command, refusal);
  json_decref(element);
  return rc;
}

void cep_write_result(struct buffer *out, int64_t id, int status, const char *reason,
                      const char *payload, size_t payload_bytes)
{
  buffer_append_text(out, "{\"id\":");
  jsontext_write_integer(out, id);
  buffer_append_text(out, ",\"statusCode\":");
  jsontext_write_integer(out, status);
  buffer_append_text(out, ",\"reasonPhrase\":");
  jsontext_write_string(out, reason, strlen(reason));
  if (payload) {
    buffer_append_text(out, ",\"payload\":");
    buffer_append(out, payload, payload_bytes);
  }
  buffer_append_char(out, '}');
}

/* Copies external text as one printable line. */
static void copy_plain(char reason[256], const char *text, size_t size)
{
  size_t cut = utf8_cut(text, size, 255);
  if (cut)
    memcpy(reason, text, cut);
  reason[cut] = '\0';
  utf8_make_plain(reason, cut);
}

void cep_read_error(const char *text, size_t size, int *status, char reason[256])
{
  *status = 0;
  copy_plain(reason, text, size);
  json_t *error = size <= JSONTEXT_MAX_BYTES ? jsontext_parse(text, size, NULL) : NULL;
  json_int_t code = json_integer_value(json_object_get(error, "statusCode"));
  if (code >= STATUS_MIN && code <= STATUS_MAX) {
    const json_t *phrase = json_object_get(error, "reasonPhrase");
    *status = (int)code;
    copy_plain(reason, json_is_string(phrase) ? json_string_value(phrase) : "",
               json_string_length(phrase));
  }
  json_decref(error);
}
