/* What the tests of JSON share. Texts are handed over in blocks of their exact
 * size, so that a sanitizer sees a read past them. */
#ifndef KAALUA_UNIT_JSON_CASE_H
#define KAALUA_UNIT_JSON_CASE_H

#include "base/jsontext.h"

#include <stdbool.h>

/* A copy in a block of exactly `size` bytes; returns owned. */
char *json_case_exact(const char *text, size_t size);

/* jsontext_parse() of such a copy; returns owned. */
json_t *json_case_parse(const char *text, size_t size, struct json_fault *fault);

/* jsontext_write() as a C string; returns owned. */
char *json_case_written(const json_t *value);

bool json_case_same_digest(const json_t *a, const json_t *b);

#endif
