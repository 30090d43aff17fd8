/* What a handler may put into a request (kaa.http) beside its URL: the worker raises by these,
 * and kaalua-http, which does not believe a worker, refuses by them. Pure. */
#ifndef KAALUA_BASE_HTTP_TEXT_H
#define KAALUA_BASE_HTTP_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether `text` is a method: capital letters, neither CONNECT nor TRACE. */
bool http_text_is_method(const char *text);

/* Returns NULL, or why this header is not sent: a borrowed text. */
const char *http_text_header_fault(const char *name, size_t name_bytes, const char *value,
                                   size_t value_bytes);

/* Whether a redirect to another server takes the header along: what a server was told to know
 * us by is not for the next one. */
bool http_text_goes_on(const char *name, size_t name_bytes);

#endif
