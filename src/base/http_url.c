#include "base/http_url.h"

#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PORT_TLS = 443, PORT_PLAIN = 80, PORT_MAX = 65535, SHOWN_BYTES = 200 };

static int own_port(const struct http_url *url)
{
  return url->is_tls ? PORT_TLS : PORT_PLAIN;
}

/* Returns what stands behind "http://", or NULL. */
static const char *read_scheme(const char *text, struct http_url *url)
{
  url->is_tls = !strncasecmp(text, "https://", 8);
  if (url->is_tls)
    return text + 8;
  return strncasecmp(text, "http://", 7) ? NULL : text + 7;
}

/* What libcurl, a proxy and a server may each read in another way has no place in it. */
static bool is_plain(const char *text)
{
  for (; *text; text++)
    if (*text <= ' ' || *text > '~' || strchr("\"<>\\", *text))
      return false;
  return true;
}

/* Returns the length of the host at the start of `text`, 0 for none. */
static size_t host_length(const char *text, size_t size)
{
  if (*text != '[')
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_");
  size_t inner = strspn(text + 1, "0123456789abcdefABCDEF:.");
  return inner >= 2 && inner + 2 <= size && text[inner + 1] == ']' ? inner + 2 : 0;
}

/* Of the digits up to `end`; 0 where they are none. */
static int read_port(const char *digits, const char *end)
{
  long port = 0;
  if (digits == end || end - digits > 5)
    return 0;
  for (; digits < end; digits++) {
    if (!isdigit((unsigned char)*digits))
      return 0;
    port = port * 10 + (*digits - '0');
  }
  return port <= PORT_MAX ? (int)port : 0;
}

static const char *read_authority(const char *text, struct http_url *url)
{
  const char *end = text + strcspn(text, "/?#");
  if (memchr(text, '@', (size_t)(end - text)))
    return "no name and password in it; write: headers = { Authorization = … }";
  size_t length = host_length(text, (size_t)(end - text));
  if (!length || length >= sizeof url->host)
    return "it names no host; write: https://example.org/file";
  for (size_t i = 0; i < length; i++)
    url->host[i] = (char)tolower((unsigned char)text[i]);
  url->host[length] = '\0';
  text += length;
  url->port = own_port(url);
  if (text < end && *text == ':')
    url->port = read_port(text + 1, end);
  else if (text < end)
    return "a character in the host that no name has";
  return url->port ? NULL : "its port is no number from 1 to 65535";
}

const char *http_url_read(const char *text, struct http_url *url)
{
  *url = (struct http_url){0};
  if (strlen(text) > HTTP_URL_MAX_BYTES)
    return "longer than 8192 bytes";
  if (!is_plain(text))
    return "a space or another character that has to be percent-encoded";
  const char *authority = read_scheme(text, url);
  if (!authority)
    return "expected https://… or http://…";
  return read_authority(authority, url);
}

bool http_url_is_named(const struct http_url *url, const char *entry)
{
  bool is_below = !strncmp(entry, "*.", 2);
  const char *name = is_below ? entry + 1 : entry;
  const char *bracket = strchr(name, ']');
  const char *colon = strchr(bracket ? bracket : name, ':');
  size_t length = colon ? (size_t)(colon - name) : strlen(name);
  int port = colon ? read_port(colon + 1, colon + strlen(colon)) : own_port(url);
  size_t host_bytes = strlen(url->host);
  if (port != url->port || !length)
    return false;
  if (is_below)
    return host_bytes > length && !strncasecmp(url->host + host_bytes - length, name, length);
  return host_bytes == length && !strncasecmp(url->host, name, length);
}

void http_url_write_entry(const struct http_url *url, char entry[HTTP_URL_ENTRY_BYTES])
{
  const char *host = url->host;
  if (url->port == own_port(url))
    snprintf(entry, HTTP_URL_ENTRY_BYTES, "%s", host);
  else
    snprintf(entry, HTTP_URL_ENTRY_BYTES, "%s:%d", host, url->port);
}

char *http_url_place(const char *method, const char *text)
{
  size_t length = strcspn(text, "?#");
  bool is_cut = length > SHOWN_BYTES;
  return memory_format("%s %.*s%s", method, (int)(is_cut ? SHOWN_BYTES : length), text,
                       is_cut ? "…" : "");
}
