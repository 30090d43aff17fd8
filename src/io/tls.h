/* The TLS side of an MQTT connection: a context that verifies the peer, and
 * words for what the peer or OpenSSL refuses. The only place with OpenSSL's
 * headers. One object for each connection attempt, so that rotated files are
 * taken; used by one thread.
 *
 * The context goes to libmosquitto by MOSQ_OPT_SSL_CTX, with
 * MOSQ_OPT_SSL_CTX_WITH_DEFAULTS 0: TLS 1.2 or newer, the chain verified against
 * `ca_file`, the certificate's names against `host`. Order of calls:
 *
 *   tls_create, tls_lend, <the library's attempt and its end>, tls_destroy */
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

/* The SSL_CTX, for a library that takes a reference of its own and gives it back
 * only where a handshake was begun (libmosquitto 2.0.11); tls_destroy() gives it
 * back where none was. At most once for each object. */
void *tls_lend(struct tls *tls);

/* After the library has let go of its connection. Takes NULL. */
void tls_destroy(struct tls *tls);

/* Takes note of a line that the library logged ("… error:0A000086:SSL routines::…"). */
void tls_note(struct tls *tls, const char *line);

/* Why the handshake was refused, by us or by the peer: one sentence, or "" where
 * TLS has nothing to say. Borrowed until tls_destroy(). */
const char *tls_refusal(const struct tls *tls);

/* About a connection's SSL object (SSL *): whether the handshake still runs,
 * whether it runs and waits for the peer, whether decrypted bytes wait that
 * poll() knows nothing of. False for NULL. */
bool tls_is_in_handshake(void *ssl);
bool tls_is_waiting_for_peer(void *ssl);
bool tls_has_pending(void *ssl);

#endif
