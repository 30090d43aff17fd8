#include "kp/name.h"

#include "base/utf8.h"

#include <string.h>

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

/* The locale has no say in what a path may hold, so no isalnum(). */
static bool is_type_character(char c)
{
  return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '-';
}

static bool is_word(const char *text, size_t size, const char *word)
{
  return size == strlen(word) && !memcmp(text, word, size);
}

bool name_is_type(const char *text, size_t size)
{
  if (!size || size > NAME_TYPE_MAX_BYTES)
    return false;
  bool all_digits = true;
  for (size_t i = 0; i < size; i++) {
    if (!is_type_character(text[i]))
      return false;
    all_digits = all_digits && is_digit(text[i]);
  }
  return !all_digits && !is_word(text, size, "status") && !is_word(text, size, "error");
}

bool name_is_level(const char *text, size_t size)
{
  if (!size || size > NAME_TOKEN_MAX_BYTES)
    return false;
  for (size_t i = 0; i < size;) {
    size_t n = utf8_printable_length(text + i, size - i);
    if (!n || text[i] == '/' || text[i] == '+' || text[i] == '#')
      return false;
    i += n;
  }
  return true;
}

bool name_is_metadata_key(const char *text, size_t size)
{
  for (size_t i = 0; i < size; i++)
    if (!is_type_character(text[i]) || text[i] == '-')
      return false;
  return size > 0;
}
