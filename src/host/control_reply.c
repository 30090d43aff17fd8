#include "host/control_parts.h"

#include "base/jsontext.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void control_reply_document(struct control_request *request, json_t *document)
{
  struct buffer line = {0};
  jsontext_write(&line, document);
  control_answer(request, line.data, line.size_bytes);
  buffer_clear(&line);
  json_decref(document);
}

void control_reply(struct control_request *request, json_t *answer)
{
  control_reply_document(request, json_pack("{s:o}", "answer", answer));
}

json_t *control_refusal(int status, const char *text)
{
  return json_pack("{s:s,s:i}", "error", text, "status", status);
}

void control_refuse(struct control_request *request, int status, const char *format, ...)
{
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  utf8_make_plain(text, strlen(text));
  control_reply_document(request, control_refusal(status, text));
}
