/* A device's result message: an array as 11/CEP describes it
 * (0011-result-request.schema.json, one element each). Pure. */
#ifndef KAA_LOCAL_RESULT_H
#define KAA_LOCAL_RESULT_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct result {
  int64_t id;
  int64_t status_code;
  char *reason;  /* or NULL */
  char *payload; /* JSON, or NULL: none */
};

struct results {
  struct result *list;
  size_t count;
};

/* Reads all elements, or none: id and statusCode are required integers, reasonPhrase a
 * text, payload anything, and there is no other member. Returns 0, or -EINVAL; `results`
 * is to be cleared in both cases. */
int results_read(struct results *results, const char *text, size_t size, struct error *error);
void results_clear(struct results *results);

#endif
