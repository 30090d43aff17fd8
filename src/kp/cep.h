/* Messages of 11/CEP and the 1/KP error object. Pure. */
#ifndef KAALUA_KP_CEP_H
#define KAALUA_KP_CEP_H

#include "base/buffer.h"
#include "base/jsontext.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One element of a command message (0011-command-response.schema.json). */
struct cep_command {
  int64_t id;
  bool has_payload;
  uint8_t digest[JSONTEXT_DIGEST_BYTES]; /* of the payload as a value */
};

/* A refused element. */
struct cep_refusal {
  bool has_id; /* it can be answered */
  int64_t id;
  int status; /* 400, or 413 */
  char reason[256];
};

/* Reads one element (its text as cut by kp/elements.h). Returns 0, or -EINVAL
 * with `refusal` filled; positions are offsets in the element. Keys other than
 * id and payload are let pass. */
int cep_read_command(const char *text, size_t size, struct cep_command *command,
                     struct cep_refusal *refusal);

/* Appends one element of a result message (0011-result-request.schema.json):
 * {"id":…,"statusCode":…,"reasonPhrase":"…","payload":…}. `reason` is valid UTF-8;
 * `payload` is JSON text, taken as it is, or NULL for none. */
void cep_write_result(struct buffer *out, int64_t id, int status, const char *reason,
                      const char *payload, size_t payload_bytes);

/* Reads a 1/KP error object (0001-error-response.schema.json; a missing phrase and
 * further members are let pass). Anything else, and a status code outside 100 to
 * 599, gives status 0 and what was there as the reason. The reason is one printable
 * line of valid UTF-8, cut. */
void cep_read_error(const char *text, size_t size, int *status, char reason[256]);

/* The body of a command request (0011-command-request.schema.json). */
#define CEP_OBSERVE "{\"observe\":true}"

/* The same where the platform cannot push (1/KP over HTTP). */
#define CEP_POLL "{}"

#endif
