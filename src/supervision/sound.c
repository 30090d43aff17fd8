#include "supervision/sound.h"

#include "base/jsontext.h"
#include "base/utf8.h"
#include "kp/name.h"

#include <string.h>

static bool is_json(const char *text, size_t size)
{
  json_t *value = jsontext_parse(text, size, NULL);
  json_decref(value);
  return value != NULL;
}

static bool is_one_line(const char *text)
{
  size_t size = strlen(text);
  for (size_t i = 0, n; i < size; i += n)
    if (!(n = utf8_printable_length(text + i, size - i)))
      return false;
  return true;
}

bool sound_result(const struct command_result *result)
{
  return result->status >= 100 && result->status <= 599 && strlen(result->reason) <= 256 &&
         is_one_line(result->reason) &&
         (!result->payload || (result->payload_bytes <= JSONTEXT_MAX_BYTES &&
                               is_json(result->payload, result->payload_bytes)));
}

bool sound_samples(const char *text, size_t size)
{
  json_t *samples = jsontext_parse(text, size, NULL);
  bool good = json_array_size(samples) > 0;
  for (size_t i = 0; i < json_array_size(samples); i++)
    good = good && json_is_object(json_array_get(samples, i));
  json_decref(samples);
  return good;
}

bool sound_metadata(const char *text, size_t size)
{
  json_t *value = jsontext_parse(text, size, NULL);
  bool good = json_object_size(value) > 0;
  const char *key;
  json_t *member;
  json_object_foreach(value, key, member)
    good &= name_is_metadata_key(key, strlen(key));
  json_decref(value);
  return good;
}
