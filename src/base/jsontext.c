#include "base/jsontext.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *refuse(struct json_fault *fault, size_t position, const char *what)
{
  if (fault) {
    fault->position = position;
    snprintf(fault->text, sizeof fault->text, "position %zu: %s", position, what);
  }
  return NULL;
}

/* Whether brackets nest deeper than the limit; strings are passed over. */
static bool is_too_deep(const char *text, size_t size, size_t *position)
{
  size_t depth = 0;
  bool in_string = false;
  for (size_t i = 0; i < size; i++) {
    char c = text[i];
    if (in_string) {
      if (c == '\\')
        i++;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      if (++depth > JSONTEXT_MAX_DEPTH) {
        *position = i;
        return true;
      }
    } else if ((c == ']' || c == '}') && depth) {
      depth--;
    }
  }
  return false;
}

/* The end of the number, in text that is JSON, which begins at `at`. */
static size_t number_end(const char *text, size_t size, size_t at)
{
  while (at < size && text[at] && strchr("+-.0123456789Ee", text[at]))
    at++;
  return at;
}

/* Whether a number that is not 0 becomes 0 as a double. */
static bool underflows(const char *text, size_t size)
{
  size_t mantissa = 0;
  bool is_zero = true;
  for (; mantissa < size && (text[mantissa] | 0x20) != 'e'; mantissa++)
    if (text[mantissa] >= '1' && text[mantissa] <= '9')
      is_zero = false;
  bool may_be_small = size > 300 || (mantissa + 1 < size && text[mantissa + 1] == '-');
  if (is_zero || !may_be_small)
    return false;
  char *copy = memory_copied(text, size);
  bool is_lost = strtod(copy, NULL) == 0;
  free(copy);
  return is_lost;
}

/* jansson takes 1e-400 for 0.0. Looks for such a number in text that is JSON;
 * strings are passed over. */
static bool has_underflow(const char *text, size_t size, size_t *position)
{
  for (size_t i = 0; i < size; i++) {
    if (text[i] == '"') {
      while (text[++i] != '"')
        i += text[i] == '\\';
    } else if (text[i] == '-' || (text[i] >= '0' && text[i] <= '9')) {
      *position = number_end(text, size, i);
      if (underflows(text + i, *position - i))
        return true;
      i = *position - 1;
    }
  }
  return false;
}

json_t *jsontext_parse(const char *text, size_t size, struct json_fault *fault)
{
  size_t position;
  const char *nul = size ? memchr(text, '\0', size) : NULL;
  if (nul)
    return refuse(fault, (size_t)(nul - text), "a NUL byte");
  if (!utf8_is_valid(text, size, &position))
    return refuse(fault, position, "not valid UTF-8");
  if (is_too_deep(text, size, &position))
    return refuse(fault, position, "nested deeper than 64");
  json_error_t said;
  json_t *value = json_loadb(text ? text : "", size,
                             JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &said);
  if (!value) {
    utf8_make_plain(said.text, strlen(said.text)); /* it quotes external text */
    return refuse(fault, said.position > 0 ? (size_t)said.position : 0, said.text);
  }
  if (has_underflow(text, size, &position)) {
    json_decref(value);
    return refuse(fault, position, "real number underflow");
  }
  return value;
}

void jsontext_write_integer(struct buffer *out, int64_t number)
{
  buffer_format(out, "%lld", (long long)number);
}

void jsontext_write_real(struct buffer *out, double number)
{
  char text[40];
  /* 15 digits of a normal double are always its own, so fewer need no try: %g
   * leaves trailing zeros out. A subnormal one has fewer. */
  for (int digits = fabs(number) < DBL_MIN ? 1 : 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number)
      break;
  }
  buffer_append_text(out, text);
  if (!strpbrk(text, ".e"))
    buffer_append_text(out, ".0");
}

void jsontext_write_string(struct buffer *out, const char *text, size_t size)
{
  buffer_append_char(out, '"');
  size_t start = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text[i];
    if (c >= 0x20 && c != '"' && c != '\\')
      continue;
    buffer_append(out, text + start, i - start);
    start = i + 1;
    switch (c) {
    case '"': buffer_append_text(out, "\\\""); break;
    case '\\': buffer_append_text(out, "\\\\"); break;
    case '\n': buffer_append_text(out, "\\n"); break;
    case '\r': buffer_append_text(out, "\\r"); break;
    case '\t': buffer_append_text(out, "\\t"); break;
    default: buffer_format(out, "\\u%04x", c);
    }
  }
  buffer_append(out, text + start, size - start);
  buffer_append_char(out, '"');
}

static void write_members(struct buffer *out, const json_t *object)
{
  bool first = true;
  const char *key;
  json_t *member;
  json_object_foreach((json_t *)object, key, member) {
    if (!first)
      buffer_append_char(out, ',');
    first = false;
    jsontext_write_string(out, key, strlen(key));
    buffer_append_char(out, ':');
    jsontext_write(out, member);
  }
}

void jsontext_write(struct buffer *out, const json_t *value)
{
  switch (json_typeof(value)) {
  case JSON_OBJECT:
    buffer_append_char(out, '{');
    write_members(out, value);
    buffer_append_char(out, '}');
    break;
  case JSON_ARRAY:
    buffer_append_char(out, '[');
    for (size_t i = 0; i < json_array_size(value); i++) {
      if (i)
        buffer_append_char(out, ',');
      jsontext_write(out, json_array_get(value, i));
    }
    buffer_append_char(out, ']');
    break;
  case JSON_STRING:
    jsontext_write_string(out, json_string_value(value), json_string_length(value));
    break;
  case JSON_INTEGER: jsontext_write_integer(out, json_integer_value(value)); break;
  case JSON_REAL: jsontext_write_real(out, json_real_value(value)); break;
  case JSON_TRUE: buffer_append_text(out, "true"); break;
  case JSON_FALSE: buffer_append_text(out, "false"); break;
  case JSON_NULL: buffer_append_text(out, "null"); break;
  }
}

/* Two lanes of FNV-1a, 64 bits each, with a different start and prime. */
struct digest {
  uint64_t lanes[2];
};

static void digest_add(struct digest *digest, const void *bytes, size_t size)
{
  for (size_t i = 0; i < size; i++) {
    unsigned char c = ((const unsigned char *)bytes)[i];
    digest->lanes[0] = (digest->lanes[0] ^ c) * 0x00000100000001b3u;
    digest->lanes[1] = (digest->lanes[1] ^ c) * 0x9e3779b97f4a7c15u;
    digest->lanes[1] ^= digest->lanes[1] >> 29;
  }
}

static struct digest digest_start(char tag)
{
  struct digest digest = {{0xcbf29ce484222325u, 0x6c62272e07bb0142u}};
  digest_add(&digest, &tag, 1);
  return digest;
}

/* An integral real that an int64 holds exactly counts as that integer. */
static bool is_integral(double number)
{
  return number >= -9223372036854775808.0 && number < 9223372036854775808.0 &&
         floor(number) == number;
}

static struct digest digest_of(const json_t *value)
{
  struct digest digest;
  switch (value ? json_typeof(value) : JSON_NULL) {
  case JSON_OBJECT: {
    /* The sum of the members' digests: order does not matter. A platform may
     * leave a null member out when it sends the command again. */
    struct digest sum = {{0, 0}};
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member) {
      if (json_is_null(member))
        continue;
      struct digest one = digest_start('m');
      digest_add(&one, key, strlen(key) + 1);
      struct digest inner = digest_of(member);
      digest_add(&one, &inner, sizeof inner);
      sum.lanes[0] += one.lanes[0];
      sum.lanes[1] += one.lanes[1];
    }
    digest = digest_start('{');
    digest_add(&digest, &sum, sizeof sum);
    return digest;
  }
  case JSON_ARRAY:
    digest = digest_start('[');
    for (size_t i = 0; i < json_array_size(value); i++) {
      struct digest inner = digest_of(json_array_get(value, i));
      digest_add(&digest, &inner, sizeof inner);
    }
    return digest;
  case JSON_STRING:
    digest = digest_start('s');
    digest_add(&digest, json_string_value(value), json_string_length(value));
    return digest;
  case JSON_REAL:
    if (!is_integral(json_real_value(value))) {
      double number = json_real_value(value);
      digest = digest_start('r');
      digest_add(&digest, &number, sizeof number);
      return digest;
    }
    /* fallthrough */
  case JSON_INTEGER: {
    int64_t number = json_is_integer(value) ? json_integer_value(value)
                                            : (int64_t)json_real_value(value);
    digest = digest_start('i');
    digest_add(&digest, &number, sizeof number);
    return digest;
  }
  case JSON_TRUE: return digest_start('t');
  case JSON_FALSE: return digest_start('f');
  default: return digest_start('n');
  }
}

void jsontext_digest(const json_t *value, uint8_t digest[JSONTEXT_DIGEST_BYTES])
{
  struct digest whole = digest_of(value);
  memcpy(digest, &whole, JSONTEXT_DIGEST_BYTES);
}
