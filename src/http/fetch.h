/* The life of `kaalua-http fetch`: takes one HTTP_FETCH from the frames socket, follows its
 * redirects, answers with one HTTP_FETCHED (base/http_frames.h).
 *
 * Only http and https; TLS 1.2 and later, the server's certificate always verified. At most 5
 * redirects, never from https to http, only to servers that the handler may ask; from the first
 * one to another server on, of the headers only harmless ones go along. No proxy, cookie, netrc
 * or decompression. */
#ifndef KAALUA_HTTP_FETCH_H
#define KAALUA_HTTP_FETCH_H

/* Returns the exit status: 0, or 1 where the other side does not speak frames.
 * curl_global_init() was called. */
int fetch_run(void);

#endif
