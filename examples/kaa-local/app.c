#include "app.h"

#include "answer.h"
#include "api.h"
#include "broker.h"
#include "device_http.h"
#include "device_mqtt.h"
#include "events.h"
#include "http.h"
#include "link.h"
#include "listener.h"
#include "page.h"
#include "rest.h"
#include "service.h"
#include "timers.h"

#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EXPIRE_MS = 250, TICK_MS = 1000, BROKER_TRIES = 10, CONNECT_TRIES = 500, STEP_US = 10000 };

struct app {
  const struct options *options;
  struct switches switches;
  struct timers *timers;
  struct database *database;
  struct service *service;
  struct events *events;
  struct rest *rest;
  struct http *http;
  struct broker *broker;
  struct link *link;
  struct device_mqtt mqtt;
  struct api api;
  char *mqtt_url;
  int signals; /* a signalfd */
  bool is_over;
};

static void on_message(void *context, uint64_t connection, int qos, const char *topic,
                       const char *payload, size_t size)
{
  struct app *app = context;
  device_mqtt_take(&app->mqtt, connection, qos, topic, payload, size);
}

static void on_gone(void *context, uint64_t connection)
{
  struct app *app = context;
  service_connection_ended(app->service, connection);
}

static void on_push(void *context, uint64_t connection, const char *topic, const char *body,
                    size_t size)
{
  struct app *app = context;
  device_mqtt_push(&app->mqtt, connection, topic, body, size);
}

static void on_event(void *context, const char *endpoint_id, const char *name, const char *json)
{
  struct app *app = context;
  events_send(app->events, endpoint_id, name, json);
}

static void on_settled(void *context, const struct stored_command *command, bool is_deleted)
{
  struct app *app = context;
  rest_settled(app->rest, command, is_deleted);
}

static void on_switched(void *context)
{
  struct app *app = context;
  link_settings(app->link, app->switches.require_subscribe, app->switches.credentials);
  if (app->switches.cut_connection)
    link_cut(app->link);
  app->switches.cut_connection = false;
}

/* Whether a page of another site sent it: a browser says so, and such a page could start
 * commands behind the operator's back. */
static bool is_foreign(const struct http_request *request)
{
  static const char scheme[] = "http://";
  const char *origin = http_header(request, "Origin"), *host = http_header(request, "Host");
  return origin && (!host || strncmp(origin, scheme, strlen(scheme)) != 0 ||
                    strcmp(origin + strlen(scheme), host) != 0);
}

static void on_request(void *context, struct http_request *request)
{
  struct app *app = context;
  const char *path = http_path(request);
  const char *host = http_header(request, "Host");
  if (!host || !listener_is_plain_host(host)) /* a foreign page's own name, pointed at us */
    answer_fault(request, 403, "The Host is to be an IP address or localhost");
  else if (is_foreign(request))
    answer_fault(request, 403, "A page of another site may not ask this");
  else if (!strncmp(path, DEVICE_HTTP_ROOT, strlen(DEVICE_HTTP_ROOT)))
    device_http_handle(app->service, &app->switches, app->timers, request);
  else if (!strncmp(path, REST_ROOT, strlen(REST_ROOT)))
    rest_handle(app->rest, request);
  else if (!strncmp(path, API_ROOT, strlen(API_ROOT)))
    api_handle(&app->api, request);
  else
    page_handle(request);
}

static void expire(void *context)
{
  struct app *app = context;
  service_expire(app->service);
  timers_add(app->timers, EXPIRE_MS, expire, NULL, app);
}

static void tick(void *context)
{
  struct app *app = context;
  service_tick(app->service);
  timers_add(app->timers, TICK_MS, tick, NULL, app);
}

static int start_service(struct app *app, struct error *error)
{
  const struct options *options = app->options;
  int rc = database_open(options->database, &app->database, error);
  if (rc)
    return rc;
  app->timers = timers_create();
  app->events = events_create(app->timers);
  app->service = service_create(&(struct service_options){
      .database = app->database,
      .switches = &app->switches,
      .app_version = options->app_version,
      .is_open = options->is_open,
      .outputs = {app, on_push, on_event, on_settled},
  });
  app->rest = rest_create(app->service, app->timers, options->app_version);
  for (size_t i = 0; i < options->token_count; i++)
    if (!service_add_endpoint(app->service, options->tokens[i].token,
                              options->tokens[i].endpoint_id, error))
      return error_prefix(error, "--token: ");
  expire(app);
  tick(app);
  return 0;
}

static void make_secret(char text[33])
{
  unsigned char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
    abort();
  for (size_t i = 0; i < sizeof bytes; i++)
    snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}

/* Whether the broker on this port is there and ours. */
static bool await_broker(struct app *app)
{
  for (int i = 0; i < CONNECT_TRIES && !broker_has_ended(app->broker); i++) {
    if (!link_connect(app->link, broker_port(app->broker)))
      return true;
    usleep(STEP_US);
  }
  return false;
}

/* A free port may be taken by another before the broker has it: then the next is tried. */
static int start_broker(struct app *app, struct error *error)
{
  const struct options *options = app->options;
  char client_id[33], password[33];
  make_secret(client_id);
  make_secret(password);
  app->link = link_create(client_id, password, &(struct link_handlers){app, on_message, on_gone});
  int port = options->mqtt_port;
  if (!options->is_mqtt_port_given && !broker_is_port_free(port))
    port = 0;
  for (int i = 0; i < (port ? 1 : BROKER_TRIES); i++) {
    int rc = broker_start(&(struct broker_options){.program = options->mosquitto, .port = port,
                                                   .client_id = client_id, .password = password},
                          &app->broker, error);
    if (rc)
      return rc;
    if (await_broker(app)) {
      broker_is_ready(app->broker);
      return 0;
    }
    broker_stop(app->broker);
    app->broker = NULL;
  }
  return error_set(error, -EIO, "the broker does not start");
}

static int start(struct app *app, struct error *error)
{
  int rc = start_service(app, error);
  if (!rc)
    rc = http_start(app->options->http, !app->options->is_http_given, on_request, app, &app->http,
                    error);
  if (!rc)
    rc = start_broker(app, error);
  if (rc)
    return rc;
  app->mqtt_url = memory_format("mqtt://127.0.0.1:%d", broker_port(app->broker));
  app->mqtt = (struct device_mqtt){app->service, &app->switches, app->timers, app->link};
  app->api = (struct api){.service = app->service, .events = app->events,
                          .switches = &app->switches,
                          .app_version = app->options->app_version,
                          .http_url = http_url(app->http), .mqtt_url = app->mqtt_url,
                          .is_open = app->options->is_open,
                          .switched = on_switched, .context = app};
  on_switched(app);
  return 0;
}

static void print_addresses(const struct app *app)
{
  printf("kaa-local  not made by Kaa; stands in for the platform's command service on this "
         "machine\n"
         "page       %s/\n"
         "device     %s     %s\n"
         "app        %s\n",
         http_url(app->http), http_url(app->http), app->mqtt_url, app->options->app_version);
  const struct endpoint *endpoint;
  for (unsigned i = 0; (endpoint = registry_at(service_endpoints(app->service), i)); i++)
    printf("endpoint   %s  (id %s)\n", endpoint->token, endpoint->id);
  printf("ready\n");
  fflush(stdout);
}

static int nearer(int a_ms, int b_ms)
{
  return a_ms < 0 ? b_ms : b_ms < 0 || a_ms < b_ms ? a_ms : b_ms;
}

static void take_signals(struct app *app)
{
  struct signalfd_siginfo info;
  while (read(app->signals, &info, sizeof info) == sizeof info)
    if (info.ssi_signo != SIGCHLD)
      app->is_over = true;
}

/* One turn of the loop. HTTP comes last: it takes up the answers that the others made. */
static int turn(struct app *app, struct error *error)
{
  struct pollfd polled[] = {
      {.fd = app->signals, .events = POLLIN},
      {.fd = http_fd(app->http), .events = POLLIN},
      {.fd = link_fd(app->link),
       .events = (short)(POLLIN | (link_wants_write(app->link) ? POLLOUT : 0))},
  };
  poll(polled, 3, nearer(timers_wait_ms(app->timers), http_wait_ms(app->http)));
  take_signals(app);
  int rc = link_turn(app->link, polled[2].revents & (POLLIN | POLLHUP | POLLERR));
  if (!app->is_over && (rc || broker_has_ended(app->broker)))
    return error_set(error, -EIO, "the broker has ended");
  timers_run(app->timers);
  http_turn(app->http);
  if (database_has_failed(app->database))
    return error_set(error, -EIO, "the database has failed");
  return 0;
}

static void stop(struct app *app)
{
  http_stop(app->http);
  if (app->service)
    service_tick(app->service); /* when the endpoints were last seen */
  link_destroy(app->link);
  broker_stop(app->broker);
  rest_destroy(app->rest);
  timers_destroy(app->timers);
  service_destroy(app->service);
  events_destroy(app->events);
  database_close(app->database);
  free(app->mqtt_url);
  if (app->signals >= 0)
    close(app->signals);
}

int app_run(const struct options *options, struct error *error)
{
  struct app app = {.options = options, .switches = options->switches, .signals = -1};
  sigset_t handled;
  sigemptyset(&handled);
  sigaddset(&handled, SIGTERM);
  sigaddset(&handled, SIGINT);
  sigaddset(&handled, SIGCHLD);
  sigprocmask(SIG_BLOCK, &handled, NULL);
  signal(SIGPIPE, SIG_IGN);
  app.signals = signalfd(-1, &handled, SFD_CLOEXEC | SFD_NONBLOCK);
  int rc = start(&app, error);
  if (!rc)
    print_addresses(&app);
  while (!rc && !app.is_over)
    rc = turn(&app, error);
  stop(&app);
  return rc;
}
