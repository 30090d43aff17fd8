/* What a server answers to one request of a transfer: its headers and its body, as libcurl
 * hands them over, bounded, the body of a 2xx hashed and, where asked, written to a file. */
#ifndef KAALUA_HTTP_FETCH_ANSWER_H
#define KAALUA_HTTP_FETCH_ANSWER_H

#include "base/buffer.h"
#include "http/fetch_order.h"

#include <curl/curl.h>

struct fetch_header {
  char *name; /* in small letters */
  struct buffer value;
};

struct fetch_answer {
  const struct fetch_order *order; /* borrowed */
  CURL *handle;                    /* the request's, borrowed */
  char *phrase;
  struct fetch_header *headers;
  size_t header_count, header_bytes;
  struct buffer body;
  int64_t size_bytes; /* of a 2xx's body */
  void *digest;       /* of the same */
  bool is_enough;     /* what goes on is of no use: the request was ended on purpose */
  char *failure;      /* why it was ended else, or NULL */
};

/* Begins; installs itself in the handle. */
void fetch_answer_begin(struct fetch_answer *answer, const struct fetch_order *order, CURL *handle);

/* All of it has come. Returns NULL, or why it is not what was asked for (its sha256, a disk
 * that is full): owned. */
char *fetch_answer_finish(struct fetch_answer *answer);

/* The value of a header, its name in small letters: borrowed, NULL where there is none. */
const char *fetch_answer_header(struct fetch_answer *answer, const char *name);

/* Appends the fields of HTTP_FETCHED from `phrase` on. */
void fetch_answer_put(const struct fetch_answer *answer, struct buffer *out);

void fetch_answer_clear(struct fetch_answer *answer);

#endif
