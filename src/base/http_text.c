#include "base/http_text.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { METHOD_MAX_BYTES = 16 };

bool http_text_is_method(const char *text)
{
  size_t size = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
  return size && !text[size] && size <= METHOD_MAX_BYTES && strcmp(text, "CONNECT") &&
         strcmp(text, "TRACE");
}

static bool is_among(const char *name, size_t size, const char *const *names)
{
  for (; *names; names++)
    if (strlen(*names) == size && !strncasecmp(name, *names, size))
      return true;
  return false;
}

static bool is_token(const char *text, size_t size)
{
  for (size_t i = 0; i < size; i++)
    if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
      return false;
  return size > 0;
}

/* RFC 9110, section 5.5. */
static bool is_value(const char *text, size_t size)
{
  for (size_t i = 0; i < size; i++)
    if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 127)
      return false;
  return true;
}

const char *http_text_header_fault(const char *name, size_t name_bytes, const char *value,
                                   size_t value_bytes)
{
  static const char *const ours[] = {"host",       "content-length", "transfer-encoding",
                                     "connection", "expect",         "te",
                                     "trailer",    "upgrade",        "keep-alive",
                                     NULL};
  if (!is_token(name, name_bytes))
    return "no name of a header";
  if (is_among(name, name_bytes, ours) ||
      (name_bytes >= 6 && !strncasecmp(name, "proxy-", 6)))
    return "is set by the agent itself";
  return is_value(value, value_bytes) ? NULL : "its value has a control character";
}

bool http_text_goes_on(const char *name, size_t name_bytes)
{
  static const char *const harmless[] = {"accept", "accept-language", "content-type",
                                         "range",  "user-agent",      NULL};
  return is_among(name, name_bytes, harmless);
}
