/* What may be part of a 1/KP path, or a name in a message. Pure. */
#ifndef KAALUA_KP_NAME_H
#define KAALUA_KP_NAME_H

#include <stdbool.h>
#include <stddef.h>

enum { NAME_TYPE_MAX_BYTES = 64, NAME_TOKEN_MAX_BYTES = 128 };

/* A command type: [A-Za-z0-9_-]{1,64}, not all digits (11/CEP: the last level
 * may be a request id), not "status" or "error" (1/KP's response suffixes). */
bool name_is_type(const char *text, size_t size);

/* One level of a path: an endpoint token, an application version or an
 * extension instance: valid UTF-8, 1 to 128 bytes, none of / + #, no control character. */
bool name_is_level(const char *text, size_t size);

/* A key of metadata (10/EPMP): [a-zA-Z0-9_]+. */
bool name_is_metadata_key(const char *text, size_t size);

#endif
