#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_TRY_AGAIN = 75 }; /* sysexits.h, EX_TEMPFAIL */

static void *checked(void *block)
{
  if (!block) {
    static const char line[] = "kaalua: out of memory\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) { /* nothing is left to try */
    }
    _exit(EXIT_TRY_AGAIN);
  }
  return block;
}

void *memory_zeroed(size_t count, size_t size)
{
  return checked(calloc(count ? count : 1, size ? size : 1));
}

void *memory_resized(void *old, size_t size)
{
  return checked(realloc(old, size ? size : 1));
}

char *memory_copied(const char *text, size_t size)
{
  char *copy = memory_zeroed(1, size + 1);
  if (size)
    memcpy(copy, text, size);
  return copy;
}

char *memory_text(const char *text)
{
  return text ? memory_copied(text, strlen(text)) : NULL;
}

char *memory_format(const char *format, ...)
{
  char *text = NULL;
  va_list arguments;
  va_start(arguments, format);
  if (vasprintf(&text, format, arguments) < 0)
    text = NULL;
  va_end(arguments);
  return checked(text);
}
