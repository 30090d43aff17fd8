#include "base/utf8.h"

size_t utf8_length(const char *text, size_t size)
{
  const unsigned char *s = (const unsigned char *)text;
  if (!size)
    return 0;
  if (s[0] < 0x80)
    return 1;
  size_t n = s[0] >= 0xc2 && s[0] < 0xe0   ? 2
             : (s[0] & 0xf0) == 0xe0       ? 3
             : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                           : 0;
  if (!n || n > size)
    return 0;
  for (size_t i = 1; i < n; i++)
    if ((s[i] & 0xc0) != 0x80)
      return 0;
  if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
      (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
    return 0;
  return n;
}

size_t utf8_printable_length(const char *text, size_t size)
{
  size_t n = utf8_length(text, size);
  unsigned char first = n ? (unsigned char)text[0] : 0;
  if (first < 0x20 || first == 0x7f || (first == 0xc2 && (unsigned char)text[1] < 0xa0))
    return 0;
  return n;
}

bool utf8_is_valid(const char *text, size_t size, size_t *position)
{
  for (size_t i = 0; i < size;) {
    size_t n = utf8_length(text + i, size - i);
    if (!n) {
      if (position)
        *position = i;
      return false;
    }
    i += n;
  }
  return true;
}

static bool is_continuation(char c)
{
  return ((unsigned char)c & 0xc0) == 0x80;
}

bool utf8_is_line(const char *text, size_t size)
{
  size_t length = 1;
  for (size_t at = 0; at < size && length; at += length)
    length = utf8_printable_length(text + at, size - at);
  return length != 0;
}

size_t utf8_cut(const char *text, size_t size, size_t limit)
{
  if (size <= limit)
    return size;
  size_t cut = limit;
  while (cut && limit - cut < 3 && is_continuation(text[cut]))
    cut--;
  return is_continuation(text[cut]) ? limit : cut; /* four in a row are no character */
}

void utf8_make_plain(char *text, size_t size)
{
  for (size_t i = 0; i < size;) {
    size_t n = utf8_printable_length(text + i, size - i);
    if (!n) {
      text[i] = '?';
      n = 1;
    }
    i += n;
  }
}

size_t utf8_whole(const char *text, size_t size)
{
  for (size_t back = 1; back <= 4 && back <= size; back++) {
    unsigned char c = (unsigned char)text[size - back];
    if ((c & 0xc0) != 0x80)
      return c >= 0xc0 && !utf8_length(text + size - back, back) ? size - back : size;
  }
  return size;
}
