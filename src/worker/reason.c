#include "worker/reason.h"

#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

void reason_make(char reason[REASON_BYTES + 1], const char *text, size_t size)
{
  static const char replacement[] = "\xef\xbf\xbd";
  size_t at = 0;
  for (size_t i = 0; i < size;) {
    size_t n = utf8_length(text + i, size - i);
    bool is_control = n == 1 && ((unsigned char)text[i] < 0x20 || text[i] == 0x7f);
    const char *piece = n ? is_control ? " " : text + i : replacement;
    size_t length = n ? n : strlen(replacement);
    if (at + length > REASON_BYTES)
      break;
    memcpy(reason + at, piece, length);
    at += length;
    i += n ? n : 1;
  }
  while (at && reason[at - 1] == ' ')
    at--;
  reason[at] = '\0';
}
