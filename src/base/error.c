#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int error_set(struct error *error, int code, const char *format, ...)
{
  if (error) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    error->code = code;
  }
  return code;
}

int error_prefix(struct error *error, const char *format, ...)
{
  if (!error)
    return 0;
  char said[sizeof error->text];
  memcpy(said, error->text, sizeof said);
  va_list arguments;
  va_start(arguments, format);
  int n = vsnprintf(error->text, sizeof error->text, format, arguments);
  va_end(arguments);
  if (n >= 0 && (size_t)n < sizeof error->text)
    snprintf(error->text + n, sizeof error->text - (size_t)n, "%s", said);
  return error->code;
}
