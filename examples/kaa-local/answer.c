#include "answer.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char media_type[] = "application/json";

void answer_json(struct http_request *request, unsigned status, struct buffer *body)
{
  http_add_header(request, "Cache-Control", "no-store");
  http_answer(request, status, media_type, body);
}

void answer_fault(struct http_request *request, unsigned status, const char *format, ...)
{
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  text[utf8_whole(text, strlen(text))] = '\0';
  utf8_make_plain(text, strlen(text));
  struct buffer body = {0};
  buffer_append_text(&body, "{\"message\":");
  jsontext_write_string(&body, text, strlen(text));
  buffer_append_char(&body, '}');
  answer_json(request, status, &body);
}

bool answer_allows(struct http_request *request, const char *allowed)
{
  size_t size = strlen(http_method(request));
  for (const char *at = allowed; *at; at += strspn(at, ", ")) {
    size_t name_size = strcspn(at, ",");
    if (name_size == size && !memcmp(at, http_method(request), size))
      return true;
    at += name_size;
  }
  http_add_header(request, "Allow", allowed);
  answer_fault(request, 405, "%s is not allowed here, only %s", http_method(request), allowed);
  return false;
}

bool answer_has_type(const struct http_request *request, const char *type)
{
  const char *given = http_header(request, "Content-Type");
  size_t size = strlen(type);
  return given && !strncasecmp(given, type, size) && (!given[size] || strchr("; ", given[size]));
}

json_t *answer_read_json(struct http_request *request)
{
  struct json_fault fault;
  const struct buffer *body = http_body(request);
  if (http_is_too_large(request)) {
    answer_fault(request, 413, "The body is over 1 MiB");
    return NULL;
  }
  if (!answer_has_type(request, media_type)) {
    answer_fault(request, 415, "The Content-Type is to be application/json");
    return NULL;
  }
  json_t *value = jsontext_parse(body->data, body->size_bytes, &fault);
  if (!value)
    answer_fault(request, 400, "The body is not JSON: %s", fault.text);
  return value;
}
