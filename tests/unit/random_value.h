/* Random JSON values for property tests. The same seed gives the same values, so
 * a failure that names its seed can be repeated. */
#ifndef KAALUA_UNIT_RANDOM_VALUE_H
#define KAALUA_UNIT_RANDOM_VALUE_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct random {
  uint64_t state;
};

uint64_t random_bits(struct random *random);

/* A number from 0 to below - 1. */
unsigned random_below(struct random *random, unsigned below);

/* Appends characters of every plane and length, control characters, quotes and
 * backslashes among them; NUL too where `with_nul`. */
void random_text(struct random *random, struct buffer *out, bool with_nul);

/* A value of any type, nested at most `depth` deep; returns owned. */
json_t *random_value(struct random *random, int depth);

#endif
