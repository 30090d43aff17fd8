#include "http/fetch_failure.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <string.h>

enum { NEARLY_MS = 50 }; /* libcurl's clock and ours */

static const char CERTIFICATE[] = "SSL certificate problem: ";

static char *certificate_text(const char *said, const struct fetch_order *order)
{
  if (strncmp(said, CERTIFICATE, strlen(CERTIFICATE)))
    return memory_format("its certificate is refused: %s", said);
  return memory_format("its certificate is not trusted by the %s: %s",
                       *order->ca ? "authorities in ca" : "system's authorities",
                       said + strlen(CERTIFICATE));
}

static bool has_connected(CURL *handle)
{
  curl_off_t connected_us = 0;
  curl_easy_getinfo(handle, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
  return connected_us > 0;
}

static char *time_text(CURL *handle, const struct fetch_order *order, int64_t ran_ms)
{
  curl_off_t received = 0;
  curl_easy_getinfo(handle, CURLINFO_SIZE_DOWNLOAD_T, &received);
  if (order->timeout_ms && ran_ms + NEARLY_MS >= order->total_ms)
    return memory_format("took longer than %g s, %lld bytes of the body were there",
                         (double)order->timeout_ms / 1000, (long long)received);
  if (!has_connected(handle))
    return memory_format("no connection within %g s", (double)order->connect_ms / 1000);
  return memory_format("nothing came for %lld s, %lld bytes of the body were there",
                       (long long)order->silence_s, (long long)received);
}

static char *connect_text(CURL *handle, const char *said)
{
  long why = 0;
  curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &why);
  return why ? memory_format("cannot connect: %s", strerror((int)why)) : memory_text(said);
}

char *fetch_failure_text(CURL *handle, CURLcode code, const char *said,
                         const struct fetch_order *order, int64_t ran_ms)
{
  char *text;
  said = *said ? said : curl_easy_strerror(code);
  switch (code) {
  case CURLE_PEER_FAILED_VERIFICATION: text = certificate_text(said, order); break;
  case CURLE_OPERATION_TIMEDOUT: text = time_text(handle, order, ran_ms); break;
  case CURLE_COULDNT_CONNECT: text = connect_text(handle, said); break;
  case CURLE_SSL_CONNECT_ERROR: text = memory_format("no TLS: %s", said); break;
  case CURLE_SSL_CACERT_BADFILE: text = memory_text("ca has no certificate in PEM"); break;
  case CURLE_PARTIAL_FILE: text = memory_format("the body broke off: %s", said); break;
  default: text = memory_text(said); break;
  }
  utf8_make_plain(text, strlen(text));
  return text;
}
