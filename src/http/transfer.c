#include "http/transfer.h"

#include "base/frame.h"
#include "base/http_frames.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PASSWORD_MAX_BYTES = 4096, KEEPALIVE_S = 60 };

struct transfer {
  const struct transfer_setup *setup;
  uint32_t number;
  CURL *handle;
  struct curl_slist *headers;
  char *url;
  char *password;
  struct buffer body;
  bool is_cut; /* the body was larger than it may be */
  char *fault; /* found before anything was sent */
  char error[CURL_ERROR_SIZE];
};

/* MAXFILESIZE knows only bodies that announce their length. */
static size_t on_body(char *bytes, size_t one, size_t size, void *context)
{
  struct transfer *transfer = context;
  (void)one;
  if (transfer->body.size_bytes + size > (size_t)transfer->setup->max_body) {
    transfer->is_cut = true;
    buffer_clear(&transfer->body);
    return 0;
  }
  buffer_append(&transfer->body, bytes, size);
  return size;
}

/* Returns how many bytes of the file there are in `text`; a FIFO, or a device, could
 * make all requests wait. */
static ssize_t read_file(const char *path, char *text, size_t most, char **fault)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  struct stat status;
  bool is_known = fd >= 0 && fstat(fd, &status) == 0;
  ssize_t size = is_known && S_ISREG(status.st_mode) ? read(fd, text, most) : -1;
  if (is_known && !S_ISREG(status.st_mode))
    *fault = memory_format("%s: Not a regular file", path);
  else if (size < 0)
    *fault = memory_format("%s: %s", path, strerror(errno));
  if (fd >= 0)
    close(fd);
  return size;
}

/* Reads the first line of the password's file, without its end. */
static void read_password(struct transfer *transfer)
{
  const char *path = transfer->setup->password_file;
  char text[PASSWORD_MAX_BYTES];
  ssize_t size = *path ? read_file(path, text, sizeof text, &transfer->fault) : -1;
  const char *end = size > 0 ? memchr(text, '\n', (size_t)size) : NULL;
  size_t length = end ? (size_t)(end - text) : size > 0 ? (size_t)size : 0;
  if (length && text[length - 1] == '\r')
    length--;
  transfer->password = memory_copied(text, length);
  explicit_bzero(text, sizeof text);
}

static void set_credentials(struct transfer *transfer)
{
  const struct transfer_setup *setup = transfer->setup;
  if (!*setup->username)
    return;
  read_password(transfer);
  curl_easy_setopt(transfer->handle, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
  curl_easy_setopt(transfer->handle, CURLOPT_USERNAME, setup->username);
  curl_easy_setopt(transfer->handle, CURLOPT_PASSWORD, transfer->password);
}

static void set_tls(const struct transfer *transfer)
{
  const struct transfer_setup *setup = transfer->setup;
  curl_easy_setopt(transfer->handle, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
  curl_easy_setopt(transfer->handle, CURLOPT_SSL_VERIFYPEER, 1L);
  curl_easy_setopt(transfer->handle, CURLOPT_SSL_VERIFYHOST, 2L);
  if (*setup->ca_file) {
    curl_easy_setopt(transfer->handle, CURLOPT_CAINFO, setup->ca_file);
    curl_easy_setopt(transfer->handle, CURLOPT_CAPATH, NULL);
  }
  if (*setup->cert_file)
    curl_easy_setopt(transfer->handle, CURLOPT_SSLCERT, setup->cert_file);
  if (*setup->key_file)
    curl_easy_setopt(transfer->handle, CURLOPT_SSLKEY, setup->key_file);
}

static void set_limits(const struct transfer *transfer)
{
  const struct transfer_setup *setup = transfer->setup;
  curl_easy_setopt(transfer->handle, CURLOPT_CONNECTTIMEOUT_MS, (long)setup->connect_ms);
  curl_easy_setopt(transfer->handle, CURLOPT_TIMEOUT_MS, (long)setup->total_ms);
  curl_easy_setopt(transfer->handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(transfer->handle, CURLOPT_LOW_SPEED_TIME, (long)setup->silence_s);
  curl_easy_setopt(transfer->handle, CURLOPT_QUICK_EXIT, 1L); /* slow name servers */
  curl_easy_setopt(transfer->handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(transfer->handle, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(transfer->handle, CURLOPT_TCP_KEEPIDLE, (long)KEEPALIVE_S);
  curl_easy_setopt(transfer->handle, CURLOPT_TCP_KEEPINTVL, (long)KEEPALIVE_S);
}

/* Only what the configuration says: no proxy of the environment, no redirect, no
 * netrc, one protocol version. Content-Encoding is not asked for: 48 kB of it can
 * unpack to 50 MB. */
static void set_manners(struct transfer *transfer)
{
  CURL *handle = transfer->handle;
  bool is_tls = !strncmp(transfer->url, "https:", 6);
  curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, is_tls ? "https" : "http");
  curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(handle, CURLOPT_PROXY, "");
  curl_easy_setopt(handle, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  curl_easy_setopt(handle, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(handle, CURLOPT_USERAGENT, "kaalua/" KAALUA_VERSION);
  transfer->headers = curl_slist_append(NULL, "Content-Type: application/json");
  transfer->headers = curl_slist_append(transfer->headers, "Expect:"); /* no wait for 100 */
  curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transfer->headers);
}

struct transfer *transfer_create(const struct transfer_setup *setup, uint32_t number, char *path,
                                 const char *body, size_t size)
{
  struct transfer *transfer = memory_zeroed(1, sizeof *transfer);
  transfer->setup = setup;
  transfer->number = number;
  transfer->url = memory_format("%s%s", setup->base, path);
  free(path);
  transfer->handle = curl_easy_init();
  if (!transfer->handle)
    abort(); /* no memory; the host starts another helper */
  curl_easy_setopt(transfer->handle, CURLOPT_PRIVATE, transfer);
  curl_easy_setopt(transfer->handle, CURLOPT_ERRORBUFFER, transfer->error);
  curl_easy_setopt(transfer->handle, CURLOPT_URL, transfer->url);
  curl_easy_setopt(transfer->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
  curl_easy_setopt(transfer->handle, CURLOPT_COPYPOSTFIELDS, body);
  curl_easy_setopt(transfer->handle, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(transfer->handle, CURLOPT_WRITEDATA, transfer);
  set_manners(transfer);
  set_limits(transfer);
  set_tls(transfer);
  set_credentials(transfer);
  return transfer;
}

CURL *transfer_handle(const struct transfer *transfer)
{
  return transfer->handle;
}

const char *transfer_fault(const struct transfer *transfer)
{
  return transfer->fault;
}

struct transfer *transfer_of(CURL *handle)
{
  char *transfer = NULL;
  curl_easy_getinfo(handle, CURLINFO_PRIVATE, &transfer);
  return (struct transfer *)(void *)transfer;
}

/* Whether there was a connection that the request could be sent over. */
static bool has_connected(const struct transfer *transfer)
{
  curl_off_t sent = 0;
  curl_easy_getinfo(transfer->handle, CURLINFO_PRETRANSFER_TIME_T, &sent);
  return sent > 0;
}

void transfer_answer(struct transfer *transfer, CURLcode code, struct buffer *out)
{
  long status = 0;
  curl_off_t retry_after_s = 0;
  const char *note = "", *redirect = NULL;
  bool is_answer = code == CURLE_OK || (code == CURLE_WRITE_ERROR && transfer->is_cut);
  if (is_answer) {
    curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(transfer->handle, CURLINFO_RETRY_AFTER, &retry_after_s);
    curl_easy_getinfo(transfer->handle, CURLINFO_REDIRECT_URL, &redirect);
  }
  if (transfer->is_cut)
    note = "its body was too large and was cut off";
  else if (transfer->fault)
    note = transfer->fault;
  else if (!status)
    note = *transfer->error ? transfer->error : curl_easy_strerror(code);
  else if (redirect)
    note = redirect;
  size_t at = frame_begin(out, HTTP_ANSWER);
  frame_put_u32(out, transfer->number);
  frame_put_u32(out, (uint32_t)status);
  frame_put_u8(out, !is_answer && !has_connected(transfer));
  frame_put_i64(out, retry_after_s);
  frame_put_text(out, note);
  frame_put_bytes(out, transfer->body.data, status ? transfer->body.size_bytes : 0);
  frame_end(out, at);
}

void transfer_destroy(struct transfer *transfer)
{
  curl_easy_cleanup(transfer->handle);
  curl_slist_free_all(transfer->headers);
  buffer_clear(&transfer->body);
  if (transfer->password)
    explicit_bzero(transfer->password, strlen(transfer->password));
  free(transfer->password);
  free(transfer->fault);
  free(transfer->url);
  free(transfer);
}
