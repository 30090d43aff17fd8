/* The TLS side of an MQTT connection: a context that verifies the peer, and
 * words for what the peer or OpenSSL refuses. The only place with OpenSSL's
 * headers. One object for each connection attempt, so that rotated files are
 * taken; used by one thread.
 *
 * The context goes to libmosquitto by MOSQ_OPT_SSL_CTX, with
 * MOSQ_OPT_SSL_CTX_WITH_DEFAULTS 0: TLS 1.2 or newer, the chain verified against
 * `ca_file`, the certificate's names against `host`. Order of calls:
 *
 *   tls_create, tls_context, <the library's attempt and its end>, tls_destroy */
#ifndef KAALUA_IO_TLS_H
#define KAALUA_IO_TLS_H

#include "base/error.h"

#include <stdbool.h>

struct tls;

struct tls_options {
  const char *host;      /* a name, or an IPv4 or IPv6 address */
  const char *ca_file;   /* NULL: the system's authorities */
  const char *cert_file; /* client certificate (with its chain) and key, or NULL */
  const char *key_file;
};

/* Reads the files and builds the context. Returns owned, or NULL with `error`
 * (-ENOENT, -EACCES …: a file cannot be read; -EINVAL: it does not hold what it
 * should). Copies the host. */
struct tls *tls_create(const struct tls_options *options, struct error *error);

/* The SSL_CTX, borrowed. libmosquitto 2.0.11 takes a reference of its own with the
 * option and gives it back in mosquitto_destroy(). */
void *tls_context(const struct tls *tls);

/* After the library has let go of its connection. Takes NULL. */
void tls_destroy(struct tls *tls);

/* Takes note of a line that the library logged ("… error:0A000086:SSL routines::…"). */
void tls_note(struct tls *tls, const char *line);

/* Why the handshake was refused, by us or by the peer: one sentence, or "" where
 * TLS has nothing to say. Borrowed until tls_destroy(). */
const char *tls_refusal(const struct tls *tls);

/* Whether a handshake was begun with the context, and whether one was finished on
 * our side (TLS 1.3: the peer may still refuse our certificate). */
bool tls_has_begun(const struct tls *tls);
bool tls_has_finished(const struct tls *tls);

/* Whether decrypted bytes wait in a connection's SSL object (SSL *, or NULL), which
 * poll() knows nothing of. */
bool tls_has_pending(void *ssl);

#endif
