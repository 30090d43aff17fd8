/* A listening TCP socket. */
#ifndef KAA_LOCAL_LISTENER_H
#define KAA_LOCAL_LISTENER_H

#include "base/error.h"

#include <stdbool.h>

/* Listens on "ADDRESS:PORT" ("127.0.0.1:8080", "[::1]:0"; port 0: a free one; `may_move`: a
 * free one where the port is taken). Returns a file descriptor with `*url`, owned, or a
 * negative code. */
int listener_open(const char *address, bool may_move, char **url, struct error *error);

/* Whether a Host header names a listener by an IP address or as localhost, with any port or
 * none: then no name that somebody else may point elsewhere is involved. */
bool listener_is_plain_host(const char *host);

#endif
