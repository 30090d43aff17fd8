/* UTF-8 as RFC 3629 defines it: no surrogates, no overlong forms, no code
 * point over U+10FFFF. */
#ifndef KAALUA_BASE_UTF8_H
#define KAALUA_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The number of bytes (1 to 4) of the character that starts at `text`, or 0
 * where the next `size` bytes do not start with a whole valid one. */
size_t utf8_length(const char *text, size_t size);

/* As utf8_length(), but 0 for a control character too (U+0000 to U+001F, U+007F to
 * U+009F): the last ones steer terminals as ESC does. */
size_t utf8_printable_length(const char *text, size_t size);

/* Whether `text` is valid; where not, `*position` (may be NULL) is the offset
 * in bytes of the first fault. */
bool utf8_is_valid(const char *text, size_t size, size_t *position);

/* Whether all of it is printable: one line of valid UTF-8. */
bool utf8_is_line(const char *text, size_t size);

/* The largest length of at most `limit` bytes that does not cut a character. */
size_t utf8_cut(const char *text, size_t size, size_t limit);

/* Overwrites every byte that is not part of a printable character with '?': what
 * is left is one line of valid UTF-8. */
void utf8_make_plain(char *text, size_t size);

/* The length without a character that was cut off at the end. */
size_t utf8_whole(const char *text, size_t size);

#endif
