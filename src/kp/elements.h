/* Cuts a JSON array into its elements without parsing them, so that one bad
 * element, or a long backlog, never blocks the others. Pure.
 *
 *   struct elements e;
 *   if (elements_open(&e, text, size, &fault)) … not exactly one array: run nothing
 *   while (elements_next(&e, &element)) … */
#ifndef KAALUA_KP_ELEMENTS_H
#define KAALUA_KP_ELEMENTS_H

#include "base/jsontext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elements {
  const char *text; /* borrowed */
  size_t size_bytes;
  size_t at;
};

struct element {
  const char *text; /* borrowed; white space around it trimmed */
  size_t size_bytes;
  size_t position; /* offset in the whole message */
};

/* Checks to its end that the message is one JSON array, white space apart, as
 * far as strings, brackets and commas tell. Returns 0, or -EINVAL with `fault`
 * (may be NULL) and no elements. Linear time, no memory. */
int elements_open(struct elements *elements, const char *text, size_t size,
                  struct json_fault *fault);

/* Gives the next element; returns false after the last. */
bool elements_next(struct elements *elements, struct element *element);

/* Looks for the element's own "id" in text that does not parse (trimmed, as
 * elements_next() gives it): true where brackets make it one object with exactly
 * one "id" at its top level, an integer of 64 bits. In doubt false: no answer is
 * better than one to another command. */
bool elements_find_id(const char *text, size_t size, int64_t *id);

#endif
