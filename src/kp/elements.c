#include "kp/elements.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* RFC 8259, 2: these four and no other. */
static bool is_space(char c)
{
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_space(const char *text, size_t size, size_t at)
{
  while (at < size && is_space(text[at]))
    at++;
  return at;
}

/* From an opening quote to behind the closing one; `size` + 1 where there is none. */
static size_t skip_string(const char *text, size_t size, size_t at)
{
  for (at++; at < size; at++) {
    if (text[at] == '\\')
      at++;
    else if (text[at] == '"')
      return at + 1;
  }
  return size + 1;
}

/* From the start of an element to the comma or closing bracket behind it, or to
 * `size`. Brackets are counted, not matched: [1} is the element's own fault,
 * found when it is parsed, and counting needs no memory however deep it nests.
 * `*string` is where an unterminated string starts, else `size`. */
static size_t skip_element(const char *text, size_t size, size_t at, size_t *string)
{
  size_t depth = 0;
  *string = size;
  while (at < size) {
    char c = text[at];
    if (c == '"') {
      size_t end = skip_string(text, size, at);
      if (end > size) {
        *string = at;
        return size;
      }
      at = end;
      continue;
    }
    if (!depth && (c == ',' || c == ']' || c == '}'))
      return at;
    if (c == '[' || c == '{')
      depth++;
    else if (c == ']' || c == '}')
      depth--;
    at++;
  }
  return size;
}

static int refuse(struct json_fault *fault, size_t position, const char *what)
{
  if (fault) {
    fault->position = position;
    snprintf(fault->text, sizeof fault->text, "position %zu: %s", position, what);
  }
  return -EINVAL;
}

/* Finds the array's opening bracket. */
static int find_start(const char *text, size_t size, size_t *at, struct json_fault *fault)
{
  if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
    return refuse(fault, 0, "a byte order mark");
  *at = skip_space(text, size, 0);
  if (*at == size)
    return refuse(fault, *at, "an empty message");
  if (text[*at] != '[')
    return refuse(fault, *at, "not a JSON array");
  return 0;
}

/* Checks all elements from `*at` on and leaves it behind the closing bracket. */
static int check_elements(const char *text, size_t size, size_t *at, struct json_fault *fault)
{
  for (bool is_first = true;; is_first = false) {
    size_t string;
    size_t start = skip_space(text, size, *at);
    size_t end = skip_element(text, size, start, &string);
    if (string < size)
      return refuse(fault, string, "an unterminated string");
    if (end == size)
      return refuse(fault, size, "the closing bracket is missing");
    if (text[end] == '}')
      return refuse(fault, end, "'}' closes nothing");
    *at = end + 1;
    if (start == end && text[end] == ',')
      return refuse(fault, end, "an empty element");
    if (start == end && !is_first)
      return refuse(fault, end, "a trailing comma");
    if (text[end] == ']')
      return 0;
  }
}

int elements_open(struct elements *elements, const char *text, size_t size,
                  struct json_fault *fault)
{
  *elements = (struct elements){0}; /* where refused, it has no elements */
  size_t start = 0;
  int rc = find_start(text, size, &start, fault);
  if (rc)
    return rc;
  size_t end = start + 1;
  rc = check_elements(text, size, &end, fault);
  if (rc)
    return rc;
  size_t after = skip_space(text, size, end);
  if (after < size)
    return refuse(fault, after, "text after the array");
  *elements = (struct elements){.text = text, .size_bytes = end, .at = start + 1};
  return 0;
}

bool elements_next(struct elements *elements, struct element *element)
{
  const char *text = elements->text;
  size_t size = elements->size_bytes;
  size_t start = skip_space(text, size, elements->at);
  if (start >= size || text[start] == ']')
    return false;
  size_t string;
  size_t end = skip_element(text, size, start, &string);
  elements->at = end < size && text[end] == ',' ? end + 1 : end;
  while (end > start && is_space(text[end - 1]))
    end--;
  *element = (struct element){.text = text + start, .size_bytes = end - start, .position = start};
  return true;
}

/* Whether a string (without its quotes) reads "id"; JSON may write it with escapes. */
static bool is_id_key(const char *text, size_t size)
{
  static const char *const escapes[] = {"\\u0069", "\\u0064"};
  size_t at = 0;
  for (int i = 0; i < 2; i++) {
    if (at < size && text[at] == "id"[i])
      at++;
    else if (size - at >= 6 && !memcmp(text + at, escapes[i], 6))
      at += 6;
    else
      return false;
  }
  return at == size;
}

/* Reads an integer that a comma or a closing brace ends. */
static bool read_integer(const char *text, size_t size, size_t at, int64_t *number)
{
  bool is_negative = at < size && text[at] == '-';
  if (is_negative)
    at++;
  size_t first = at;
  int64_t value = 0; /* kept negative: INT64_MIN has no positive counterpart */
  for (; at < size && text[at] >= '0' && text[at] <= '9'; at++) {
    int digit = text[at] - '0';
    if (__builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value))
      return false;
  }
  if (at == first || (text[first] == '0' && at > first + 1) ||
      (!is_negative && value == INT64_MIN))
    return false;
  *number = is_negative ? value : -value;
  at = skip_space(text, size, at);
  return at < size && (text[at] == ',' || text[at] == '}');
}

bool elements_find_id(const char *text, size_t size, int64_t *id)
{
  size_t depth = 0;
  int found = 0;
  char before = '\0'; /* the last character that is not space, outside strings */
  for (size_t at = 0; at < size;) {
    char c = text[at];
    if (c == '"') {
      size_t end = skip_string(text, size, at);
      if (end > size)
        return false;
      size_t colon = skip_space(text, size, end);
      if (depth == 1 && is_id_key(text + at + 1, end - at - 2) && colon < size &&
          text[colon] == ':') {
        size_t value = skip_space(text, size, colon + 1);
        if (found++ || (before != '{' && before != ',') || !read_integer(text, size, value, id))
          return false; /* two, or none that can be trusted: better no answer than a wrong one */
      }
      at = end;
    } else {
      if (c == '[' || c == '{')
        depth++;
      if ((c == ']' || c == '}') && depth)
        depth--;
      at++;
      if (!depth && (at < size || text[0] != '{'))
        return false; /* not an object from end to end */
    }
    if (!is_space(c))
      before = c;
  }
  return found == 1 && !depth;
}
