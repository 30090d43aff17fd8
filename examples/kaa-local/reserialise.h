/* Another text of the same JSON value, as a platform may send it the second time. */
#ifndef KAA_LOCAL_RESERIALISE_H
#define KAA_LOCAL_RESERIALISE_H

#include "base/buffer.h"

#include <jansson.h>

/* Appends the value with the members of each object in reverse order, an integer as a
 * real (1 as 1.0) where a double holds it exactly, and a whole real as an integer. */
void reserialise(struct buffer *out, const json_t *value);

#endif
