/* Why a request has no answer, in words for the one who wrote its handler. */
#ifndef KAALUA_HTTP_FETCH_FAILURE_H
#define KAALUA_HTTP_FETCH_FAILURE_H

#include "http/fetch_order.h"

#include <curl/curl.h>

/* What libcurl's code means, with what it put into its error buffer; `ran_ms` of the whole
 * transfer. One line, owned. */
char *fetch_failure_text(CURL *handle, CURLcode code, const char *said,
                         const struct fetch_order *order, int64_t ran_ms);

#endif
