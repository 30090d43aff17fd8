#include "io/tls.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "base/utf8.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char system_authorities[] = "/etc/ssl/certs/ca-certificates.crt";

enum { REFUSAL_BYTES = 512, NAMES_BYTES = 200 };

struct tls {
  SSL_CTX *context;
  char *host;
  char refusal[REFUSAL_BYTES];
};

static const char *last_reason(void)
{
  const char *text = ERR_reason_error_string(ERR_peek_last_error());
  return text ? text : "it does not hold what it should";
}

/* "DNS:a, IP:1.2.3.4" of the certificate, or "" where it has no such names. */
static void list_names(X509 *certificate, struct buffer *out)
{
  GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && out->size_bytes < NAMES_BYTES; i++) {
    const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
    const char *comma = out->size_bytes ? ", " : "";
    char address[INET6_ADDRSTRLEN];
    if (name->type == GEN_DNS) {
      buffer_format(out, "%s%.*s", comma, ASN1_STRING_length(name->d.dNSName),
                    (const char *)ASN1_STRING_get0_data(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      int family = ASN1_STRING_length(name->d.iPAddress) == 4 ? AF_INET : AF_INET6;
      if (family == AF_INET || ASN1_STRING_length(name->d.iPAddress) == 16)
        buffer_format(out, "%s%s", comma,
                      inet_ntop(family, ASN1_STRING_get0_data(name->d.iPAddress), address,
                                sizeof address));
    }
  }
  GENERAL_NAMES_free(names);
}

static void write_subject(X509 *certificate, struct buffer *out)
{
  BIO *text = BIO_new(BIO_s_mem());
  X509_NAME_print_ex(text, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char *bytes;
  long size = BIO_get_mem_data(text, &bytes);
  buffer_append(out, bytes, size > NAMES_BYTES ? NAMES_BYTES : (size_t)size);
  BIO_free(text);
}

static void write_time(const ASN1_TIME *time, struct buffer *out)
{
  struct tm parts;
  if (ASN1_TIME_to_tm(time, &parts))
    buffer_format(out, "%04d-%02d-%02d %02d:%02d UTC", parts.tm_year + 1900, parts.tm_mon + 1,
                  parts.tm_mday, parts.tm_hour, parts.tm_min);
}

static void refuse_with(struct tls *tls, struct buffer *text)
{
  snprintf(tls->refusal, sizeof tls->refusal, "%s", buffer_text(text));
  utf8_make_plain(tls->refusal, strlen(tls->refusal));
}

static void describe(struct tls *tls, X509_STORE_CTX *store)
{
  int fault = X509_STORE_CTX_get_error(store);
  X509 *certificate = X509_STORE_CTX_get_current_cert(store);
  struct buffer text = {0};
  switch (fault) {
  case X509_V_ERR_HOSTNAME_MISMATCH:
  case X509_V_ERR_IP_ADDRESS_MISMATCH: {
    struct buffer names = {0};
    list_names(certificate, &names);
    buffer_format(&text, "certificate of %s is for other names: ", tls->host);
    if (names.size_bytes)
      buffer_append(&text, names.data, names.size_bytes);
    else
      write_subject(certificate, &text);
    buffer_clear(&names);
    break;
  }
  case X509_V_ERR_CERT_HAS_EXPIRED:
    buffer_format(&text, "certificate of %s has expired: valid until ", tls->host);
    write_time(X509_get0_notAfter(certificate), &text);
    break;
  case X509_V_ERR_CERT_NOT_YET_VALID:
    buffer_format(&text, "certificate of %s is not valid yet (is the clock right?): from ",
                  tls->host);
    write_time(X509_get0_notBefore(certificate), &text);
    break;
  default:
    buffer_format(&text, "certificate of %s is not trusted: %s", tls->host,
                  X509_verify_cert_error_string(fault));
  }
  buffer_format(&text, " (depth %d", X509_STORE_CTX_get_error_depth(store));
  if (certificate) {
    buffer_append_text(&text, ", ");
    write_subject(certificate, &text);
  }
  buffer_append_char(&text, ')');
  refuse_with(tls, &text);
  buffer_clear(&text);
}

static int on_verify(int is_ok, X509_STORE_CTX *store)
{
  SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
  struct tls *tls = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
  if (!is_ok && !*tls->refusal)
    describe(tls, store);
  return is_ok;
}

/* OpenSSL would ask on the terminal. */
static int on_passphrase(char *out, int size, int writing, void *context)
{
  (void)out, (void)size, (void)writing, (void)context;
  return -1;
}

static int check_readable(const char *what, const char *file, struct error *error)
{
  FILE *stream = fopen(file, "re");
  if (!stream) {
    int code = errno;
    return error_set(error, -code, "cannot read %s %s: %s", what, file, strerror(code));
  }
  fclose(stream);
  return 0;
}

static int load_authorities(SSL_CTX *context, const char *ca_file, struct error *error)
{
  const char *file = ca_file ? ca_file : system_authorities;
  int rc = check_readable("the certificate authorities", file, error);
  if (!rc && SSL_CTX_load_verify_locations(context, file, NULL) != 1)
    rc = error_set(error, -EINVAL, "no certificate authority in %s: %s", file, last_reason());
  return rc;
}

static int load_identity(SSL_CTX *context, const char *cert_file, const char *key_file,
                         struct error *error)
{
  if (!cert_file && !key_file)
    return 0;
  if (!cert_file || !key_file)
    return error_set(error, -EINVAL, "a client certificate and its key go together: %s is missing",
                     cert_file ? "key_file" : "cert_file");
  int rc = check_readable("the client certificate", cert_file, error);
  if (!rc)
    rc = check_readable("the client key", key_file, error);
  if (rc)
    return rc;
  if (SSL_CTX_use_certificate_chain_file(context, cert_file) != 1)
    return error_set(error, -EINVAL, "no certificate in %s: %s", cert_file, last_reason());
  if (SSL_CTX_use_PrivateKey_file(context, key_file, SSL_FILETYPE_PEM) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH)
      return error_set(error, -EINVAL, "the key in %s does not belong to the certificate in %s",
                       key_file, cert_file);
    return error_set(error, -EINVAL, "no usable key in %s (a passphrase is not supported): %s",
                     key_file, last_reason());
  }
  return 0;
}

static int expect_host(SSL_CTX *context, const char *host, struct error *error)
{
  X509_VERIFY_PARAM *parameters = SSL_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_hostflags(parameters, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (X509_VERIFY_PARAM_set1_ip_asc(parameters, host) != 1 &&
      X509_VERIFY_PARAM_set1_host(parameters, host, 0) != 1)
    return error_set(error, -EINVAL, "%s is no host name", host);
  return 0;
}

static void set_defaults(struct tls *tls)
{
  SSL_CTX_set_app_data(tls->context, tls);
  SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
  SSL_CTX_set_options(tls->context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
#ifdef SSL_OP_IGNORE_UNEXPECTED_EOF
  /* A killed broker sends no close_notify; that is an end like any other. */
  SSL_CTX_set_options(tls->context, SSL_OP_IGNORE_UNEXPECTED_EOF);
#endif
  SSL_CTX_set_mode(tls->context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_verify(tls->context, SSL_VERIFY_PEER, on_verify);
  SSL_CTX_set_default_passwd_cb(tls->context, on_passphrase);
}

struct tls *tls_create(const struct tls_options *options, struct error *error)
{
  ERR_clear_error();
  struct tls *tls = memory_zeroed(1, sizeof *tls);
  tls->host = memory_text(options->host);
  tls->context = SSL_CTX_new(TLS_client_method());
  int rc;
  if (!tls->context) {
    rc = error_set(error, -ENOMEM, "no TLS context: %s", last_reason());
  } else {
    set_defaults(tls);
    rc = expect_host(tls->context, options->host, error);
    if (!rc)
      rc = load_authorities(tls->context, options->ca_file, error);
    if (!rc)
      rc = load_identity(tls->context, options->cert_file, options->key_file, error);
  }
  ERR_clear_error();
  if (rc) {
    tls_destroy(tls);
    return NULL;
  }
  return tls;
}

void *tls_context(const struct tls *tls)
{
  return tls->context;
}

void tls_destroy(struct tls *tls)
{
  if (!tls)
    return;
  SSL_CTX_free(tls->context);
  free(tls->host);
  free(tls);
}

static const char *sentence(int reason)
{
  switch (reason) {
  case SSL_R_WRONG_VERSION_NUMBER:
  case SSL_R_PACKET_LENGTH_TOO_LONG:
  case SSL_R_RECORD_LENGTH_MISMATCH:
  case SSL_R_BAD_RECORD_TYPE:
  case SSL_R_UNEXPECTED_MESSAGE:
  case SSL_R_UNEXPECTED_RECORD:
    return "the broker does not speak TLS here";
  case SSL_R_UNSUPPORTED_PROTOCOL:
  case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
    return "the broker offers no TLS version from 1.2 on";
  case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    return "the broker wants a client certificate";
  case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    return "the broker refused the TLS handshake (it may want a client certificate)";
  case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
    return "the broker does not know the authority of the client certificate";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
    return "the broker says that the client certificate has expired";
  case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
    return "the broker says that the client certificate was revoked";
  case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
  case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
    return "the broker refused the client certificate";
  default:
    return NULL;
  }
}

void tls_note(struct tls *tls, const char *line)
{
  const char *at = strstr(line, "error:");
  if (!at || *tls->refusal) /* the first cause counts, a refused certificate before all */
    return;
  unsigned long code = strtoul(at + strlen("error:"), NULL, 16);
  if (ERR_GET_LIB(code) != ERR_LIB_SSL)
    return;
  const char *known = sentence(ERR_GET_REASON(code));
  const char *said = ERR_reason_error_string(code);
  if (known)
    snprintf(tls->refusal, sizeof tls->refusal, "%s", known);
  else
    snprintf(tls->refusal, sizeof tls->refusal, "TLS failed: %s", said ? said : line);
}

const char *tls_refusal(const struct tls *tls)
{
  return tls->refusal;
}

bool tls_has_begun(const struct tls *tls)
{
  return SSL_CTX_sess_connect(tls->context) > 0;
}

bool tls_has_finished(const struct tls *tls)
{
  return SSL_CTX_sess_connect_good(tls->context) > 0;
}

bool tls_has_pending(void *ssl)
{
  return ssl && SSL_pending((SSL *)ssl) > 0;
}
