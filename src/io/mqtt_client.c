#include "io/mqtt_client.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "io/mqtt_reason.h"
#include "io/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <mosquitto.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum {
  MAX_IN_FLIGHT = 256,
  BATCH_FILTERS = 64,
  MAX_BATCHES = 8, /* SUBSCRIBEs without SUBACK */
  SUBACK_MS = 5000,
  MISC_MS = 1000,
  MAX_PASSWORD_BYTES = 65535, /* MQTT 3.1.1, 3.1.3.5 */
};

struct batch {
  int mid;
  size_t first, count; /* filters */
};

struct flight {
  int mid;
  uint32_t cookie;
  size_t payload_bytes;
};

struct mqtt_client {
  const struct mqtt_options *options;
  struct mqtt_client_ports ports;
  struct mosquitto *library;
  struct tls *tls;
  enum mqtt_phase phase;
  int connack;
  int64_t opened_ms;   /* start of the attempt, then of the handshake */
  int64_t deadline_ms; /* of CONNACK, then of the last SUBACK */
  int64_t next_misc_ms;
  struct batch batches[MAX_BATCHES];
  size_t batch_count;
  size_t next_filter;
  bool has_all_filters, is_suback_late;
  struct flight flights[MAX_IN_FLIGHT]; /* oldest first: PUBACKs come in that order */
  size_t flight_count;
};

static void on_connect(struct mosquitto *library, void *context, int code)
{
  (void)library;
  struct mqtt_client *client = context;
  client->connack = code;
  if (code == 0)
    client->phase = MQTT_PHASE_SUBSCRIBING;
}

static void report_refused(struct mqtt_client *client, size_t n)
{
  struct buffer filter = {0};
  if (client->ports.filter(client->ports.context, n, &filter))
    client->ports.refused(client->ports.context, buffer_text(&filter));
  buffer_clear(&filter);
}

/* A SUBACK may hold fewer codes than filters were sent, none even; what it leaves
 * out counts as refused. */
static void on_subscribe(struct mosquitto *library, void *context, int mid, int code_count,
                         const int *codes)
{
  (void)library;
  struct mqtt_client *client = context;
  for (size_t i = 0; i < client->batch_count; i++) {
    if (client->batches[i].mid != mid)
      continue;
    struct batch batch = client->batches[i];
    client->batches[i] = client->batches[--client->batch_count];
    for (size_t n = 0; n < batch.count; n++)
      if (n >= (size_t)code_count || codes[n] > 2)
        report_refused(client, batch.first + n);
    return;
  }
}

static void on_message(struct mosquitto *library, void *context,
                       const struct mosquitto_message *message)
{
  (void)library;
  struct mqtt_client *client = context;
  if (message->retain)
    return;
  if (message->payloadlen > MQTT_MAX_PAYLOAD_BYTES) {
    log_warn("mqtt", "dropped a message over 16 MB", "bytes",
             LOG_NUMBER(message->payloadlen));
    return;
  }
  client->ports.message(client->ports.context, message->topic,
                        message->payload ? message->payload : "", (size_t)message->payloadlen);
}

static void on_publish(struct mosquitto *library, void *context, int mid)
{
  (void)library;
  struct mqtt_client *client = context;
  for (size_t i = 0; i < client->flight_count; i++) {
    struct flight flight = client->flights[i];
    if (flight.mid != mid)
      continue;
    memmove(client->flights + i, client->flights + i + 1,
            (--client->flight_count - i) * sizeof *client->flights);
    client->ports.published(client->ports.context, flight.cookie, flight.payload_bytes);
    return;
  }
}

static void on_log(struct mosquitto *library, void *context, int level, const char *line)
{
  (void)library;
  struct mqtt_client *client = context;
  if (level == MOSQ_LOG_ERR && client->tls)
    tls_note(client->tls, line);
}

/* Returns owned, or NULL with `error`. It stays in memory no longer than needed. */
static char *read_password(const char *file, struct error *error)
{
  FILE *stream = fopen(file, "re");
  if (!stream) {
    int code = errno;
    error_set(error, -code, "cannot read password_file %s: %s", file, strerror(code));
    return NULL;
  }
  setvbuf(stream, NULL, _IONBF, 0); /* leaves no copy in a freed buffer */
  char *password = memory_zeroed(1, MAX_PASSWORD_BYTES + 2);
  size_t size = fread(password, 1, MAX_PASSWORD_BYTES + 1, stream);
  bool is_bad = ferror(stream) || size > MAX_PASSWORD_BYTES || memchr(password, '\0', size);
  fclose(stream);
  if (is_bad) {
    explicit_bzero(password, size);
    free(password);
    error_set(error, -EINVAL, "password_file %s holds no password", file);
    return NULL;
  }
  if (size && password[size - 1] == '\n') {
    password[--size] = '\0';
    if (size && password[size - 1] == '\r')
      password[--size] = '\0';
  }
  return password;
}

static int set_credentials(struct mqtt_client *client, struct error *error)
{
  const struct mqtt_options *options = client->options;
  if (!options->username)
    return 0;
  char *password = NULL;
  if (options->password_file && !(password = read_password(options->password_file, error)))
    return error ? error->code : -EINVAL;
  int rc = mosquitto_username_pw_set(client->library, options->username, password);
  if (password)
    explicit_bzero(password, strlen(password));
  free(password);
  return rc ? error_set(error, -EINVAL, "the user name is not valid UTF-8, or too long") : 0;
}

static int set_tls(struct mqtt_client *client, struct error *error)
{
  const struct mqtt_options *options = client->options;
  if (!options->tls)
    return 0;
  client->tls = tls_create(&(struct tls_options){.host = options->host,
                                                 .ca_file = options->ca_file,
                                                 .cert_file = options->cert_file,
                                                 .key_file = options->key_file},
                           error);
  if (!client->tls)
    return error ? error->code : -EINVAL;
  mosquitto_int_option(client->library, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
  mosquitto_void_option(client->library, MOSQ_OPT_SSL_CTX, tls_context(client->tls));
  return 0;
}

static void set_callbacks(struct mosquitto *library)
{
  mosquitto_connect_callback_set(library, on_connect);
  mosquitto_subscribe_callback_set(library, on_subscribe);
  mosquitto_message_callback_set(library, on_message);
  mosquitto_publish_callback_set(library, on_publish);
  mosquitto_log_callback_set(library, on_log);
}

struct mqtt_client *mqtt_client_create(const struct mqtt_options *options,
                                       const struct mqtt_client_ports *ports, struct error *error)
{
  struct mqtt_client *client = memory_zeroed(1, sizeof *client);
  client->options = options;
  client->ports = *ports;
  client->library = mosquitto_new(options->client_id, true, client);
  if (!client->library) {
    error_set(error, -EINVAL, "the client id is not valid UTF-8, or too long");
    free(client);
    return NULL;
  }
  set_callbacks(client->library);
  mosquitto_int_option(client->library, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V311);
  mosquitto_int_option(client->library, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_max_inflight_messages_set(client->library, MAX_IN_FLIGHT);
  if (set_credentials(client, error) || set_tls(client, error)) {
    mqtt_client_destroy(client);
    return NULL;
  }
  return client;
}

void mqtt_client_destroy(struct mqtt_client *client)
{
  if (!client)
    return;
  mosquitto_destroy(client->library);
  tls_destroy(client->tls);
  free(client);
}

/* Up to CONNACK the handshake runs behind the library's own calls. */
static enum mqtt_phase phase_of(const struct mqtt_client *client)
{
  if (!client->tls || client->phase >= MQTT_PHASE_SUBSCRIBING || !tls_has_begun(client->tls))
    return client->phase;
  return tls_has_finished(client->tls) ? MQTT_PHASE_CONNACK : MQTT_PHASE_HANDSHAKE;
}

static int fail(struct mqtt_client *client, int rc, int system_error, struct error *error)
{
  const struct mqtt_options *options = client->options;
  return mqtt_reason(error, &(struct mqtt_failure){
                                .phase = phase_of(client),
                                .rc = rc,
                                .system_error = system_error,
                                .connack = client->connack,
                                .tls = client->tls ? tls_refusal(client->tls) : "",
                                .expects_tls = options->tls,
                                .has_certificate = options->cert_file != NULL,
                                .host = options->host,
                                .port = options->port,
                                .keepalive_s = options->keepalive_s,
                                .waited_ms = clock_monotonic_ms() - client->opened_ms,
                            });
}

int mqtt_client_open(struct mqtt_client *client, struct error *error)
{
  const struct mqtt_options *options = client->options;
  client->opened_ms = clock_monotonic_ms();
  errno = 0;
  int rc = mosquitto_connect(client->library, options->host, options->port, options->keepalive_s);
  if (rc)
    return fail(client, rc, errno, error);
  fcntl(mosquitto_socket(client->library), F_SETFD, FD_CLOEXEC);
  client->phase = MQTT_PHASE_CONNACK;
  client->opened_ms = clock_monotonic_ms();
  client->deadline_ms = client->opened_ms + options->attempt_ms;
  return 0;
}

int mqtt_client_fd(const struct mqtt_client *client)
{
  return mosquitto_socket(client->library);
}

short mqtt_client_events(const struct mqtt_client *client, bool may_read)
{
  return (short)((may_read ? POLLIN : 0) | (mosquitto_want_write(client->library) ? POLLOUT : 0));
}

int mqtt_client_timeout_ms(const struct mqtt_client *client, bool may_read, int64_t now_ms)
{
  if (may_read && tls_has_pending(mosquitto_ssl_get(client->library)))
    return 0;
  int64_t due = now_ms + MISC_MS;
  if (client->phase >= MQTT_PHASE_SUBSCRIBING && client->next_misc_ms < due)
    due = client->next_misc_ms;
  if (client->phase < MQTT_PHASE_READY && client->deadline_ms < due)
    due = client->deadline_ms;
  return due > now_ms ? (int)(due - now_ms) : 0;
}

/* Sends filters n … of one SUBSCRIBE; the texts stay in `texts` until it is sent. */
static int subscribe_batch(struct mqtt_client *client, int64_t now_ms, struct error *error)
{
  struct buffer texts = {0};
  size_t places[BATCH_FILTERS];
  char *filters[BATCH_FILTERS];
  size_t count = 0;
  for (; count < BATCH_FILTERS; count++) {
    places[count] = texts.size_bytes;
    if (!client->ports.filter(client->ports.context, client->next_filter + count, &texts)) {
      client->has_all_filters = true;
      break;
    }
    buffer_append_char(&texts, '\0');
  }
  for (size_t i = 0; i < count; i++)
    filters[i] = texts.data + places[i];
  int rc = 0, mid = 0;
  errno = 0;
  if (count)
    rc = mosquitto_subscribe_multiple(client->library, &mid, (int)count, filters, 1, 0, NULL);
  int system_error = errno;
  buffer_clear(&texts);
  if (rc)
    return fail(client, rc, system_error, error);
  if (count && !client->is_suback_late)
    client->batches[client->batch_count++] =
        (struct batch){.mid = mid, .first = client->next_filter, .count = count};
  client->next_filter += count;
  client->deadline_ms = now_ms + SUBACK_MS;
  return 0;
}

static int subscribe(struct mqtt_client *client, int64_t now_ms, struct error *error)
{
  if (client->batch_count && now_ms >= client->deadline_ms) {
    client->is_suback_late = true; /* a platform may push to those who did not subscribe */
    client->batch_count = 0;
  }
  while (!client->has_all_filters && client->batch_count < MAX_BATCHES) {
    int rc = subscribe_batch(client, now_ms, error);
    if (rc)
      return rc;
  }
  if (client->has_all_filters && !client->batch_count) {
    client->phase = MQTT_PHASE_READY;
    client->ports.ready(client->ports.context);
  }
  return 0;
}

/* libmosquitto takes an end of the connection in the middle of the handshake for a
 * handshake that waits, and would be called again at once until the deadline. */
static bool has_lost_handshake(const struct mqtt_client *client)
{
  if (!client->tls || tls_has_finished(client->tls))
    return false;
  char byte;
  ssize_t n = recv(mosquitto_socket(client->library), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static int read_and_write(struct mqtt_client *client, short events, bool may_read,
                          struct error *error)
{
  if (has_lost_handshake(client))
    return fail(client, MOSQ_ERR_CONN_LOST, 0, error);
  bool has_pending = tls_has_pending(mosquitto_ssl_get(client->library));
  int rc = 0;
  errno = 0;
  if (may_read && (events & (POLLIN | POLLHUP | POLLERR) || has_pending))
    rc = mosquitto_loop_read(client->library, 1);
  if (!rc && mosquitto_socket(client->library) >= 0 && mosquitto_want_write(client->library)) {
    errno = 0;
    rc = mosquitto_loop_write(client->library, 1);
  }
  int system_error = errno;
  if (!rc && mosquitto_socket(client->library) < 0)
    rc = MOSQ_ERR_CONN_LOST;
  return rc ? fail(client, rc, system_error, error) : 0;
}

int mqtt_client_turn(struct mqtt_client *client, short events, bool may_read, int64_t now_ms,
                     struct error *error)
{
  int rc = read_and_write(client, events, may_read, error);
  if (rc)
    return rc;
  if (client->phase < MQTT_PHASE_SUBSCRIBING)
    return now_ms < client->deadline_ms ? 0 : fail(client, 0, 0, error);
  if (client->phase == MQTT_PHASE_SUBSCRIBING && (rc = subscribe(client, now_ms, error)))
    return rc;
  if (now_ms < client->next_misc_ms)
    return 0;
  client->next_misc_ms = now_ms + MISC_MS;
  errno = 0;
  rc = mosquitto_loop_misc(client->library);
  return rc ? fail(client, rc, errno, error) : 0;
}

int mqtt_client_publish(struct mqtt_client *client, const char *topic, const void *payload,
                        size_t size, uint32_t cookie, struct error *error)
{
  int mid;
  errno = 0;
  int rc = mosquitto_publish(client->library, &mid, topic, (int)size, payload, 1, false);
  if (rc)
    return fail(client, rc, errno, error);
  client->flights[client->flight_count++] =
      (struct flight){.mid = mid, .cookie = cookie, .payload_bytes = size};
  return 0;
}

bool mqtt_client_is_settled(const struct mqtt_client *client)
{
  return !client->flight_count && !mosquitto_want_write(client->library);
}

void mqtt_client_say_goodbye(struct mqtt_client *client)
{
  mosquitto_disconnect(client->library);
}

bool mqtt_client_is_topic(const char *topic)
{
  size_t size = strlen(topic);
  return size && size <= 65535 && mosquitto_pub_topic_check(topic) == MOSQ_ERR_SUCCESS &&
         mosquitto_validate_utf8(topic, (int)size) == MOSQ_ERR_SUCCESS;
}

void mqtt_client_begin_library(void)
{
  mosquitto_lib_init();
}

void mqtt_client_end_library(void)
{
  mosquitto_lib_cleanup();
}
