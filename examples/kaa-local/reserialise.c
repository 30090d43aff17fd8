#include "reserialise.h"

#include "base/jsontext.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double exact_below = 9007199254740992.0; /* 2^53 */

static void write_number(struct buffer *out, const json_t *value)
{
  double number = json_number_value(value);
  if (fabs(number) >= exact_below || floor(number) != number)
    jsontext_write(out, value);
  else if (json_is_integer(value))
    jsontext_write_real(out, number);
  else
    jsontext_write_integer(out, (int64_t)number);
}

static void write_object(struct buffer *out, const json_t *object)
{
  size_t count = json_object_size(object), i = 0;
  const char **keys = memory_zeroed(count + 1, sizeof *keys);
  const char *key;
  json_t *value;
  json_object_foreach((json_t *)object, key, value)
    keys[i++] = key;
  buffer_append_char(out, '{');
  for (; i > 0; i--) {
    if (i < count)
      buffer_append_char(out, ',');
    jsontext_write_string(out, keys[i - 1], strlen(keys[i - 1]));
    buffer_append_char(out, ':');
    reserialise(out, json_object_get(object, keys[i - 1]));
  }
  buffer_append_char(out, '}');
  free(keys);
}

void reserialise(struct buffer *out, const json_t *value)
{
  if (json_is_object(value)) {
    write_object(out, value);
  } else if (json_is_array(value)) {
    for (size_t i = 0; i < json_array_size(value); i++) {
      buffer_append_char(out, i ? ',' : '[');
      reserialise(out, json_array_get(value, i));
    }
    buffer_append_text(out, json_array_size(value) ? "]" : "[]");
  } else if (json_is_number(value)) {
    write_number(out, value);
  } else {
    jsontext_write(out, value);
  }
}
