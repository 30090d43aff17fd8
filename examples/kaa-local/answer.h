/* The answers of kaa-local's HTTP interfaces. */
#ifndef KAA_LOCAL_ANSWER_H
#define KAA_LOCAL_ANSWER_H

#include "http.h"

#include "base/jsontext.h"

/* Answers with JSON; `body` is emptied. */
void answer_json(struct http_request *request, unsigned status, struct buffer *body);

/* Answers {"message":"…"}. */
void answer_fault(struct http_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether the method is one of `allowed` ("GET, DELETE"); otherwise it is answered 405. */
bool answer_allows(struct http_request *request, const char *allowed);

/* Whether the type of the body begins with `type`. */
bool answer_has_type(const struct http_request *request, const char *type);

/* The body as JSON of type application/json; returns owned, or NULL where the request has
 * been answered: 413, 415 or 400. */
json_t *answer_read_json(struct http_request *request);

#endif
