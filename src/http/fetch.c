#include "http/fetch.h"

#include "base/clock.h"
#include "base/http_frames.h"
#include "base/http_text.h"
#include "base/http_url.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "http/fetch_answer.h"
#include "http/fetch_failure.h"
#include "http/fetch_order.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024, REDIRECTS_MAX = 5 };

struct fetch {
  struct fetch_order order;
  struct fetch_answer answer; /* of the last request */
  int64_t began_ms;
  char *method, *url; /* of the request at work */
  struct http_url server;
  bool has_left;   /* another server was asked: it gets no credentials */
  bool drops_body; /* a redirect has made it a GET */
  int redirects;
  char *failure;
};

/* ---- one request ---- */

static void set_manners(CURL *handle)
{
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "kaalua/" KAALUA_VERSION);
  curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L); /* slow name servers */
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
}

static void set_tls(CURL *handle, const struct fetch_order *order)
{
  curl_easy_setopt(handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!*order->ca)
    return;
  struct curl_blob blob = {.data = order->ca, .len = strlen(order->ca), .flags = CURL_BLOB_COPY};
  curl_easy_setopt(handle, CURLOPT_CAINFO_BLOB, &blob);
  curl_easy_setopt(handle, CURLOPT_CAPATH, NULL); /* the system's, else */
}

/* Returns false where no time is left. */
static bool set_limits(CURL *handle, const struct fetch *fetch)
{
  const struct fetch_order *order = &fetch->order;
  int64_t left_ms = order->total_ms - (clock_monotonic_ms() - fetch->began_ms);
  curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)order->connect_ms);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)order->silence_s);
  if (order->timeout_ms)
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)(left_ms > 0 ? left_ms : 1));
  return !order->timeout_ms || left_ms > 0;
}

static bool is_sent(const struct fetch *fetch, const char *header)
{
  size_t name_bytes = strcspn(header, ":");
  if (fetch->drops_body && name_bytes == 12 && !strncasecmp(header, "Content-Type", name_bytes))
    return false;
  return !fetch->has_left || http_text_goes_on(header, name_bytes);
}

/* libcurl leaves a header without a value out, unless it ends with a semicolon. */
static struct curl_slist *with_header(struct curl_slist *list, const char *header)
{
  size_t name_bytes = strcspn(header, ":");
  if (header[name_bytes + strspn(header + name_bytes, ": \t")])
    return curl_slist_append(list, header);
  char *empty = memory_format("%.*s;", (int)name_bytes, header);
  list = curl_slist_append(list, empty);
  free(empty);
  return list;
}

/* Owned. The first two: not what libcurl would say by itself. */
static struct curl_slist *request_headers(const struct fetch *fetch)
{
  struct curl_slist *list = curl_slist_append(NULL, "Expect:");
  bool has_type = false;
  for (char **header = fetch->order.headers; *header; header++)
    has_type = has_type || !strncasecmp(*header, "Content-Type:", 13);
  if (!has_type)
    list = curl_slist_append(list, "Content-Type:");
  for (char **header = fetch->order.headers; *header; header++)
    if (is_sent(fetch, *header))
      list = with_header(list, *header);
  return list;
}

static void set_method(CURL *handle, const struct fetch *fetch)
{
  const struct fetch_order *order = &fetch->order;
  bool has_body = order->has_body && !fetch->drops_body;
  if (!strcmp(fetch->method, "HEAD")) {
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
  } else if (has_body || !strcmp(fetch->method, "POST") || !strcmp(fetch->method, "PUT") ||
             !strcmp(fetch->method, "PATCH")) {
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE,
                     (curl_off_t)(has_body ? order->body_bytes : 0));
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, has_body ? order->body : "");
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, fetch->method);
  } else {
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, fetch->method);
  }
}

/* Where the answer sends us: an absolute URL, owned, or what it says where that makes none;
 * NULL where it does not. */
static char *next_url(struct fetch *fetch, long status)
{
  const char *location = fetch_answer_header(&fetch->answer, "location");
  bool is_redirect = status == 301 || status == 302 || status == 303 || status == 307 ||
                     status == 308;
  if (!is_redirect || !location || !*location)
    return NULL;
  char *whole = NULL;
  CURLU *url = curl_url();
  bool is_url = !curl_url_set(url, CURLUPART_URL, fetch->url, 0) &&
                !curl_url_set(url, CURLUPART_URL, location,
                              CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE) &&
                !curl_url_get(url, CURLUPART_URL, &whole, 0);
  char *next = memory_text(is_url ? whole : location);
  curl_free(whole);
  curl_url_cleanup(url);
  return next;
}

/* Asks the server. Returns where it sends us, owned, or NULL: then there is an answer, or a
 * failure. */
static char *ask(struct fetch *fetch, CURL *handle, long *status)
{
  char error[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(handle, CURLOPT_URL, fetch->url);
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
  struct curl_slist *headers = request_headers(fetch);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
  set_method(handle, fetch);
  set_manners(handle);
  set_tls(handle, &fetch->order);
  fetch_answer_begin(&fetch->answer, &fetch->order, handle);
  CURLcode code = set_limits(handle, fetch) ? curl_easy_perform(handle) : CURLE_OPERATION_TIMEDOUT;
  curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, NULL);
  curl_slist_free_all(headers);
  char *redirect = NULL;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, status);
  if (fetch->answer.failure)
    fetch->failure = memory_text(fetch->answer.failure);
  else if (code && !fetch->answer.is_enough)
    fetch->failure = fetch_failure_text(handle, code, error, &fetch->order,
                                        clock_monotonic_ms() - fetch->began_ms);
  else if (!(redirect = next_url(fetch, *status)))
    fetch->failure = fetch_answer_finish(&fetch->answer);
  return redirect;
}

/* ---- redirects ---- */

static bool is_same_server(const struct http_url *one, const struct http_url *other)
{
  return one->is_tls == other->is_tls && one->port == other->port &&
         !strcmp(one->host, other->host);
}

/* Why this redirect is not followed, owned; NULL where it is. */
static char *objection(const struct fetch *fetch, const char *url, const struct http_url *server,
                       const char *fault)
{
  if (fetch->redirects == REDIRECTS_MAX)
    return memory_format("more than %d redirects", REDIRECTS_MAX);
  char *place = http_url_place("", url); /* begins with a space */
  char *text = NULL;
  utf8_make_plain(place, strlen(place));
  if (fault)
    text = memory_format("redirects to%s: %s", place, fault);
  else if (fetch->server.is_tls && !server->is_tls)
    text = memory_format("redirects from https to http:%s", place);
  else if (!fetch_order_allows(&fetch->order, server))
    text = memory_format("redirects to%s, which is not in needs.net", place);
  free(place);
  return text;
}

/* RFC 9110, section 15.4. */
static void change_method(struct fetch *fetch, long status)
{
  bool becomes_get = status == 303 ? strcmp(fetch->method, "HEAD") != 0
                                   : status <= 302 && !strcmp(fetch->method, "POST");
  if (!becomes_get)
    return;
  free(fetch->method);
  fetch->method = memory_text("GET");
  fetch->drops_body = true;
}

/* Takes `url`. Returns whether it is asked next. */
static bool follow(struct fetch *fetch, char *url, long status)
{
  struct http_url server;
  const char *fault = http_url_read(url, &server);
  fetch->failure = objection(fetch, url, &server, fault);
  if (fetch->failure) {
    free(url);
    return false;
  }
  fetch->redirects++;
  fetch->has_left = fetch->has_left || !is_same_server(&server, &fetch->server);
  change_method(fetch, status);
  free(fetch->url);
  fetch->url = url;
  fetch->server = server;
  return true;
}

/* ---- its life ---- */

static void send_all(const struct buffer *out)
{
  for (size_t at = 0; at < out->size_bytes;) {
    ssize_t n = send(HTTP_FRAMES_FD, out->data + at, out->size_bytes - at, MSG_NOSIGNAL);
    if (n < 0 && errno != EINTR)
      return; /* the host is gone */
    at += n > 0 ? (size_t)n : 0;
  }
}

static void answer(const struct fetch *fetch, long status)
{
  struct buffer out = {0};
  size_t at = frame_begin(&out, HTTP_FETCHED);
  char *place = http_url_place(fetch->method, fetch->url);
  frame_put_text(&out, fetch->failure);
  frame_put_text(&out, place);
  frame_put_u32(&out, fetch->failure ? 0 : (uint32_t)status);
  if (fetch->failure)
    fetch_answer_put(&(struct fetch_answer){0}, &out);
  else
    fetch_answer_put(&fetch->answer, &out);
  frame_end(&out, at);
  send_all(&out);
  buffer_clear(&out);
  free(place);
}

/* Whatever was handed over as the file, no more than this is written to it, and not into
 * something that acts on what is written. */
static char *check_file(const struct fetch_order *order)
{
  const struct rlimit most = {.rlim_cur = (rlim_t)order->max_bytes,
                              .rlim_max = (rlim_t)order->max_bytes};
  struct stat info;
  signal(SIGXFSZ, SIG_IGN);
  if (fstat(STDOUT_FILENO, &info) < 0 || !S_ISREG(info.st_mode) || info.st_size)
    return memory_text("the file is no new regular one");
  return setrlimit(RLIMIT_FSIZE, &most) < 0 ? memory_text(strerror(errno)) : NULL;
}

static void carry_out(struct fetch *fetch)
{
  long status = 0;
  bool goes_on = true;
  fetch->began_ms = clock_monotonic_ms();
  while (goes_on) {
    fetch_answer_clear(&fetch->answer);
    CURL *handle = curl_easy_init(); /* no connection is used twice, and no request sent twice */
    if (!handle)
      abort(); /* no memory */
    char *redirect = ask(fetch, handle, &status);
    goes_on = redirect && follow(fetch, redirect, status);
    curl_easy_cleanup(handle);
  }
  answer(fetch, status);
}

/* Reads until a whole frame is there. Returns 0, or -1. */
static int receive(struct frame_reader *reader, struct frame *frame)
{
  char bytes[READ_BYTES];
  int rc;
  while ((rc = frame_next(reader, frame)) == 0) {
    ssize_t n = recv(HTTP_FRAMES_FD, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno != EINTR))
      return -1;
    if (n > 0)
      frame_feed(reader, bytes, (size_t)n);
  }
  return rc > 0 ? 0 : -1;
}

int fetch_run(void)
{
  struct fetch fetch = {0};
  struct frame_reader reader = {0};
  struct frame frame;
  if (receive(&reader, &frame) < 0) {
    fputs("kaalua-http: no order to fetch\n", stderr);
    return EXIT_FAILURE;
  }
  const char *fault = fetch_order_read(&fetch.order, &frame);
  frame_reader_clear(&reader);
  fetch.method = memory_text(fetch.order.method);
  fetch.url = memory_text(fetch.order.url);
  http_url_read(fetch.url, &fetch.server);
  fetch.failure = fault ? memory_text(fault) : NULL;
  if (!fetch.failure && fetch.order.to_file)
    fetch.failure = check_file(&fetch.order);
  if (fetch.failure)
    answer(&fetch, 0);
  else
    carry_out(&fetch);
  fetch_answer_clear(&fetch.answer);
  fetch_order_clear(&fetch.order);
  free(fetch.method);
  free(fetch.url);
  free(fetch.failure);
  return EXIT_SUCCESS;
}
