#include "random_value.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* splitmix64 */
uint64_t random_bits(struct random *random)
{
  uint64_t z = random->state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

unsigned random_below(struct random *random, unsigned below)
{
  return (unsigned)(random_bits(random) >> 32) % below;
}

static void append_utf8(struct buffer *out, uint32_t c)
{
  if (c < 0x80) {
    buffer_append_char(out, (char)c);
  } else if (c < 0x800) {
    buffer_append_char(out, (char)(0xc0 | c >> 6));
    buffer_append_char(out, (char)(0x80 | (c & 0x3f)));
  } else {
    if (c < 0x10000) {
      buffer_append_char(out, (char)(0xe0 | c >> 12));
    } else {
      buffer_append_char(out, (char)(0xf0 | c >> 18));
      buffer_append_char(out, (char)(0x80 | (c >> 12 & 0x3f)));
    }
    buffer_append_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
    buffer_append_char(out, (char)(0x80 | (c & 0x3f)));
  }
}

static uint32_t random_character(struct random *random)
{
  static const char special[] = "\"\\/[]{},:\n\r\t\b\f\x7f ";
  switch (random_below(random, 6)) {
  case 0: return (uint32_t)(unsigned char)special[random_below(random, sizeof special - 1)];
  case 1: return 1 + random_below(random, 0x1f);
  case 2: return 0x80 + random_below(random, 0x800 - 0x80);
  case 3: {
    uint32_t c = 0x800 + random_below(random, 0x10000 - 0x800);
    return c >= 0xd800 && c < 0xe000 ? 0xffff : c; /* no surrogates */
  }
  case 4: return 0x10000 + random_below(random, 0x110000 - 0x10000);
  default: return 0x20 + random_below(random, 0x5f);
  }
}

void random_text(struct random *random, struct buffer *out, bool with_nul)
{
  unsigned characters = random_below(random, 12);
  for (unsigned i = 0; i < characters; i++)
    append_utf8(out, with_nul && !random_below(random, 20) ? 0 : random_character(random));
}

static json_t *random_integer(struct random *random)
{
  static const int64_t extremes[] = {
      0, 1, -1, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MAX - 1, 9007199254740993};
  if (random_below(random, 2))
    return json_integer(extremes[random_below(random, sizeof extremes / sizeof *extremes)]);
  return json_integer((json_int_t)random_bits(random) >> random_below(random, 64));
}

static json_t *random_real(struct random *random)
{
  static const double extremes[] = {0.0,
                                    -0.0,
                                    1.0,
                                    3.0,
                                    0.1,
                                    1.0 / 3,
                                    DBL_MAX,
                                    -DBL_MAX,
                                    DBL_MIN,
                                    5e-324,
                                    1e15,
                                    1e16,
                                    1e17,
                                    1e22,
                                    1e23,
                                    1e300,
                                    9007199254740992.0,
                                    9223372036854775808.0,
                                    DBL_TRUE_MIN * 3,
                                    123456789012345680.0,
                                    4.35,
                                    2.2250738585072011e-308};
  if (random_below(random, 2))
    return json_real(extremes[random_below(random, sizeof extremes / sizeof *extremes)]);
  double number;
  do {
    uint64_t bits = random_bits(random);
    memcpy(&number, &bits, sizeof number);
  } while (!isfinite(number));
  return json_real(number);
}

static json_t *random_string(struct random *random)
{
  struct buffer text = {0};
  random_text(random, &text, true);
  json_t *string = json_stringn(buffer_text(&text), text.size_bytes);
  buffer_clear(&text);
  return string;
}

static json_t *random_array(struct random *random, int depth)
{
  json_t *array = json_array();
  for (unsigned n = random_below(random, 6); n; n--)
    json_array_append_new(array, random_value(random, depth - 1));
  return array;
}

static json_t *random_object(struct random *random, int depth)
{
  json_t *object = json_object();
  for (unsigned n = random_below(random, 6); n; n--) {
    struct buffer key = {0};
    random_text(random, &key, false);
    json_object_set_new(object, buffer_text(&key), random_value(random, depth - 1));
    buffer_clear(&key);
  }
  return object;
}

json_t *random_value(struct random *random, int depth)
{
  switch (random_below(random, depth > 0 ? 10 : 6)) {
  case 0: return json_null();
  case 1: return json_boolean(random_below(random, 2));
  case 2: return random_integer(random);
  case 3: return random_real(random);
  case 4:
  case 5: return random_string(random);
  case 6:
  case 7: return random_array(random, depth);
  default: return random_object(random, depth);
  }
}
