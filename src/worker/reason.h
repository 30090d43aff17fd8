/* A reason phrase: one line of valid UTF-8 of at most 256 bytes. */
#ifndef KAALUA_WORKER_REASON_H
#define KAALUA_WORKER_REASON_H

#include <stddef.h>

enum { REASON_BYTES = 256 };

/* Makes one of any text: control characters become spaces, what is no UTF-8
 * becomes U+FFFD, the rest is cut at a character. */
void reason_make(char reason[REASON_BYTES + 1], const char *text, size_t size);

#endif
