/* One HTTP request and its answer, on a libcurl easy handle of its own. */
#ifndef KAALUA_HTTP_TRANSFER_H
#define KAALUA_HTTP_TRANSFER_H

#include "base/buffer.h"

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What all requests have in common (base/http_frames.h). Texts are owned, ""
 * where there is none. */
struct transfer_setup {
  char *base;
  char *ca_file, *cert_file, *key_file;
  char *username, *password_file;
  int64_t connect_ms, silence_s, total_ms, max_body;
};

struct transfer;

/* Prepares a request; the caller adds transfer_handle() to a multi handle. Takes
 * `path` and copies the body; `setup` outlives it. Returns owned. */
struct transfer *transfer_create(const struct transfer_setup *setup, uint32_t number, char *path,
                                 const char *body, size_t size);
CURL *transfer_handle(const struct transfer *transfer);

/* Why it is not to be started, or NULL; then transfer_answer() says the same. */
const char *transfer_fault(const struct transfer *transfer);

/* The transfer behind a handle. */
struct transfer *transfer_of(CURL *handle);

/* It ended with `code`: appends its HTTP_ANSWER. */
void transfer_answer(struct transfer *transfer, CURLcode code, struct buffer *out);

/* Once its handle was taken from the multi handle. */
void transfer_destroy(struct transfer *transfer);

#endif
