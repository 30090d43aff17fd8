/* Texts from anywhere, for documents that people read. */
#ifndef KAALUA_BASE_PLAIN_TEXT_H
#define KAALUA_BASE_PLAIN_TEXT_H

#include <jansson.h>

/* The first line of a text as a JSON string, '?' for each byte that is not part of a printable
 * character. NULL for NULL and for "". Returns owned. */
json_t *plain_text(const char *text);

#endif
