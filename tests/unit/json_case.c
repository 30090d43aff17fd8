#include "json_case.h"

#include <stdlib.h>
#include <string.h>

char *json_case_exact(const char *text, size_t size)
{
  char *copy = malloc(size ? size : 1);
  if (size)
    memcpy(copy, text, size);
  return copy;
}

json_t *json_case_parse(const char *text, size_t size, struct json_fault *fault)
{
  char *copy = json_case_exact(text, size);
  json_t *value = jsontext_parse(copy, size, fault);
  free(copy);
  return value;
}

char *json_case_written(const json_t *value)
{
  struct buffer out = {0};
  jsontext_write(&out, value);
  return buffer_take(&out);
}

bool json_case_same_digest(const json_t *a, const json_t *b)
{
  uint8_t digests[2][JSONTEXT_DIGEST_BYTES];
  jsontext_digest(a, digests[0]);
  jsontext_digest(b, digests[1]);
  return !memcmp(digests[0], digests[1], JSONTEXT_DIGEST_BYTES);
}
