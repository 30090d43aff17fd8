#include "base/plain_text.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

json_t *plain_text(const char *text)
{
  if (!text || !*text)
    return NULL;
  size_t size = strcspn(text, "\n");
  char *copy = memory_copied(text, size);
  utf8_make_plain(copy, size);
  json_t *plain = json_stringn(copy, size);
  free(copy);
  return plain;
}
