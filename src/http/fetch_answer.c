#include "http/fetch_answer.h"

#include "base/frame.h"
#include "base/http_frames.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HEADERS_MAX = 200, HEADERS_MAX_BYTES = 64 * 1024 };

static bool is_success(const struct fetch_answer *answer)
{
  long status = 0;
  curl_easy_getinfo(answer->handle, CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status <= 299;
}

/* Ends the request; returns what libcurl takes for that. */
static size_t end_with(struct fetch_answer *answer, char *failure)
{
  free(answer->failure);
  answer->failure = failure;
  return 0;
}

/* ---- headers ---- */

static void forget_headers(struct fetch_answer *answer)
{
  for (size_t i = 0; i < answer->header_count; i++) {
    free(answer->headers[i].name);
    buffer_clear(&answer->headers[i].value);
  }
  free(answer->headers);
  free(answer->phrase);
  answer->headers = NULL;
  answer->phrase = NULL;
  answer->header_count = 0;
}

/* HTTP/1.1 404 Not Found; what came before it was of an interim answer. */
static void begin_headers(struct fetch_answer *answer, const char *line, size_t size)
{
  const char *end = line + size, *at = memchr(line, ' ', size);
  forget_headers(answer);
  at = at ? memchr(at + 1, ' ', (size_t)(end - at) - 1) : NULL;
  answer->phrase = at ? memory_copied(at + 1, (size_t)(end - at) - 1) : memory_text("");
  utf8_make_plain(answer->phrase, strlen(answer->phrase));
}

static struct fetch_header *find_header(struct fetch_answer *answer, const char *name)
{
  for (size_t i = 0; i < answer->header_count; i++)
    if (!strcmp(answer->headers[i].name, name))
      return &answer->headers[i];
  return NULL;
}

static void take_header(struct fetch_answer *answer, const char *line, size_t size)
{
  const char *colon = memchr(line, ':', size);
  if (!colon || colon == line)
    return;
  char *name = memory_copied(line, (size_t)(colon - line));
  for (char *c = name; *c; c++)
    *c = (char)tolower((unsigned char)*c);
  const char *value = colon + 1, *end = line + size;
  while (value < end && (*value == ' ' || *value == '\t'))
    value++;
  struct fetch_header *header = find_header(answer, name);
  if (header) {
    buffer_append_text(&header->value, ", ");
    free(name);
  } else {
    answer->headers =
        memory_resized(answer->headers, (answer->header_count + 1) * sizeof *answer->headers);
    header = &answer->headers[answer->header_count++];
    *header = (struct fetch_header){.name = name};
  }
  buffer_append(&header->value, value, (size_t)(end - value));
}

static size_t on_header(char *line, size_t one, size_t size, void *context)
{
  struct fetch_answer *answer = context;
  size_t length = size;
  (void)one;
  answer->header_bytes += size;
  if (answer->header_bytes > HEADERS_MAX_BYTES || answer->header_count > HEADERS_MAX)
    return end_with(answer, memory_format("its headers are more than %d, or %d bytes", HEADERS_MAX,
                                          HEADERS_MAX_BYTES));
  while (length && strchr("\r\n \t", line[length - 1]))
    length--;
  if (length >= 5 && !memcmp(line, "HTTP/", 5))
    begin_headers(answer, line, length);
  else
    take_header(answer, line, length);
  return size;
}

/* ---- body ---- */

/* Of what is no 2xx, or leads elsewhere: enough to say why. */
static size_t take_complaint(struct fetch_answer *answer, const char *bytes, size_t size)
{
  size_t room = HTTP_COMPLAINT_BYTES - answer->body.size_bytes;
  buffer_append(&answer->body, bytes, size < room ? size : room);
  answer->is_enough = size > room;
  return answer->is_enough ? 0 : size;
}

static bool write_all(const char *bytes, size_t size)
{
  while (size) {
    ssize_t n = write(STDOUT_FILENO, bytes, size);
    if (n < 0 && errno != EINTR)
      return false;
    bytes += n > 0 ? n : 0;
    size -= n > 0 ? (size_t)n : 0;
  }
  return true;
}

/* What it announces counts, so that nothing is written in vain. */
static bool is_too_large(const struct fetch_answer *answer, size_t more)
{
  curl_off_t announced = 0;
  curl_easy_getinfo(answer->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
  return announced > answer->order->max_bytes ||
         answer->size_bytes + (int64_t)more > answer->order->max_bytes;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
  struct fetch_answer *answer = context;
  (void)one;
  if (!is_success(answer))
    return take_complaint(answer, bytes, size);
  if (is_too_large(answer, size))
    return end_with(answer, memory_format("its body is larger than %lld bytes (max_bytes)",
                                          (long long)answer->order->max_bytes));
  answer->size_bytes += (int64_t)size;
  EVP_DigestUpdate(answer->digest, bytes, size);
  if (!answer->order->to_file)
    buffer_append(&answer->body, bytes, size);
  else if (!write_all(bytes, size))
    return end_with(answer, memory_format("the file cannot be written: %s", strerror(errno)));
  return size;
}

/* ---- its life ---- */

void fetch_answer_begin(struct fetch_answer *answer, const struct fetch_order *order, CURL *handle)
{
  *answer = (struct fetch_answer){.order = order, .handle = handle, .digest = EVP_MD_CTX_new()};
  EVP_DigestInit_ex(answer->digest, EVP_sha256(), NULL);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, answer);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, answer);
}

static char *digest_fault(struct fetch_answer *answer)
{
  unsigned char digest[EVP_MAX_MD_SIZE];
  char text[2 * EVP_MAX_MD_SIZE + 1] = "";
  unsigned size = 0;
  EVP_DigestFinal_ex(answer->digest, digest, &size);
  for (unsigned i = 0; i < size; i++)
    snprintf(text + 2 * i, 3, "%02x", digest[i]);
  if (!strcmp(text, answer->order->sha256))
    return NULL;
  return memory_format("its sha256 is %s, expected %s", text, answer->order->sha256);
}

char *fetch_answer_finish(struct fetch_answer *answer)
{
  if (!is_success(answer))
    return NULL;
  char *fault = *answer->order->sha256 ? digest_fault(answer) : NULL;
  if (!fault && answer->order->to_file && fsync(STDOUT_FILENO) < 0 && errno != EINVAL)
    fault = memory_format("the file cannot be written: %s", strerror(errno));
  return fault;
}

const char *fetch_answer_header(struct fetch_answer *answer, const char *name)
{
  struct fetch_header *header = find_header(answer, name);
  return header ? buffer_text(&header->value) : NULL;
}

void fetch_answer_put(const struct fetch_answer *answer, struct buffer *out)
{
  frame_put_text(out, answer->phrase);
  frame_put_u32(out, (uint32_t)answer->header_count);
  for (size_t i = 0; i < answer->header_count; i++) {
    const struct buffer *value = &answer->headers[i].value;
    frame_put_text(out, answer->headers[i].name);
    frame_put_bytes(out, value->data, value->size_bytes);
  }
  frame_put_i64(out, answer->size_bytes);
  frame_put_bytes(out, answer->body.data, answer->body.size_bytes);
}

void fetch_answer_clear(struct fetch_answer *answer)
{
  forget_headers(answer);
  buffer_clear(&answer->body);
  EVP_MD_CTX_free(answer->digest);
  free(answer->failure);
  *answer = (struct fetch_answer){0};
}
