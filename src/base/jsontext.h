/* JSON, exact: what comes in goes out with the same value. 64-bit integers,
 * `0`, `false`, `""`, `null`, `[]` and `{}` survive; `3.0` stays a real. jansson
 * parses; the writer is ours because jansson prints every real of a document
 * with one precision (0.1 as 0.10000000000000001, or 1/3 cut short), and exact
 * needs the shortest text that reads back as the same number, number by number.
 *
 * Text is UTF-8 (RFC 8259, 8.1). Pure; no state but jansson's hash seed. */
#ifndef KAALUA_BASE_JSONTEXT_H
#define KAALUA_BASE_JSONTEXT_H

#include "base/buffer.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

enum {
  JSONTEXT_MAX_DEPTH = 64,
  JSONTEXT_MAX_BYTES = 256 * 1024, /* of one command, one result */
};

struct json_fault {
  size_t position; /* offset in bytes where the fault was seen: at it, or just behind the token */
  char text[200];  /* "position 17: duplicate key "a"" — one line, no full stop */
};

/* Parses exactly one JSON value, white space around it apart. Refuses depth over
 * JSONTEXT_MAX_DEPTH, numbers that fit neither int64 nor a finite double or that
 * would become 0 as one, duplicate keys, bad UTF-8, raw control characters. Returns
 * owned (json_decref), or NULL with `fault` (may be NULL) filled. */
json_t *jsontext_parse(const char *text, size_t size, struct json_fault *fault);

/* Appends the value as compact JSON. */
void jsontext_write(struct buffer *out, const json_t *value);

void jsontext_write_integer(struct buffer *out, int64_t number);

/* Appends the shortest text that reads back as `number`, always with a point or
 * an exponent. `number` is finite. */
void jsontext_write_real(struct buffer *out, double number);

/* Appends a quoted, escaped string. `text` is valid UTF-8 (utf8_is_valid). */
void jsontext_write_string(struct buffer *out, const char *text, size_t size);

enum { JSONTEXT_DIGEST_BYTES = 16 };

/* A digest that is equal for equal values: members unordered, 1 = 1.0, absent
 * (NULL, or a member that is not there) = null. Not cryptographic. */
void jsontext_digest(const json_t *value, uint8_t digest[JSONTEXT_DIGEST_BYTES]);

#endif
