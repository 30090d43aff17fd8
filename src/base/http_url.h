/* The URL of a transfer (kaa.http): which server it names, and whether a handler may ask it.
 * The worker, the host and kaalua-http read a URL by this one reader, which takes less than
 * libcurl does, so that nobody is granted one server and asks another. Pure. */
#ifndef KAALUA_BASE_HTTP_URL_H
#define KAALUA_BASE_HTTP_URL_H

#include <stdbool.h>

enum { HTTP_URL_MAX_BYTES = 8192, HTTP_URL_HOST_BYTES = 256, HTTP_URL_ENTRY_BYTES = 272 };

struct http_url {
  bool is_tls;
  char host[HTTP_URL_HOST_BYTES]; /* in small letters; an IPv6 address in brackets */
  int port;
};

/* Reads http://HOST[:PORT][/…] or https://…. Returns NULL, or why it is none: a borrowed text
 * that goes on "url: …". */
const char *http_url_read(const char *text, struct http_url *url);

/* Whether an entry of needs.net names the server: "HOST" (its scheme's own port), "HOST:PORT",
 * and either with "*." before it for all names below HOST, not HOST itself. */
bool http_url_is_named(const struct http_url *url, const char *entry);

/* Writes the entry that names it: "HOST", or "HOST:PORT" where the port is not the scheme's own. */
void http_url_write_entry(const struct http_url *url, char entry[HTTP_URL_ENTRY_BYTES]);

/* "GET https://host/path" for messages: without query and fragment, which may hold secrets, cut
 * at 200 bytes. Returns owned. */
char *http_url_place(const char *method, const char *text);

#endif
