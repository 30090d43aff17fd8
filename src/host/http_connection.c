#include "host/http_connection.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
  FAILURES_MAX = 3,      /* of requests that began after the last answer: disconnected */
  PROBES_MAX = 4,
  RETRY_MIN_MS = 5000,   /* doubling */
  RETRY_MAX_MS = 300000,
};

enum stage {
  STAGE_TRIES, /* the core may send; nothing was answered yet */
  STAGE_UP,
  STAGE_DOWN,  /* only the probe is sent */
};

struct poll {
  char *endpoint, *type;
};

struct http_connection {
  struct http_connection_ports ports;
  const char *url;
  struct loop_timer *probe; /* tries again, and in the beginning: begins */
  struct loop_timer *hold;  /* it is over */
  int64_t held_until_ms;
  enum stage stage;
  bool has_told_down;   /* since the last answer */
  uint64_t answers;
  unsigned failures;    /* of requests that began after the last answer */
  unsigned retries;     /* since the last answer */
  struct poll probes[PROBES_MAX]; /* one of them is tried while down */
  size_t probes_kept;   /* so far; those beyond PROBES_MAX took the places of the oldest */
  bool has_answered_poll; /* and `probes` holds none but such */
};

static bool is_held(const struct http_connection *connection)
{
  return clock_monotonic_ms() < connection->held_until_ms;
}

bool http_connection_is_down(const struct http_connection *connection)
{
  return connection->stage == STAGE_DOWN;
}

bool http_connection_is_open(const struct http_connection *connection)
{
  return connection->stage != STAGE_DOWN && !is_held(connection);
}

/* ---- probes ---- */

static void forget_probes(struct http_connection *connection)
{
  for (size_t i = 0; i < PROBES_MAX; i++) {
    free(connection->probes[i].endpoint);
    free(connection->probes[i].type);
    connection->probes[i] = (struct poll){0};
  }
  connection->probes_kept = 0;
}

static size_t probe_count(const struct http_connection *connection)
{
  return connection->probes_kept < PROBES_MAX ? connection->probes_kept : PROBES_MAX;
}

static void keep_probe(struct http_connection *connection, const char *endpoint, const char *type)
{
  for (size_t i = 0; i < probe_count(connection); i++)
    if (!strcmp(connection->probes[i].endpoint, endpoint) &&
        !strcmp(connection->probes[i].type, type))
      return;
  struct poll *place = &connection->probes[connection->probes_kept++ % PROBES_MAX];
  free(place->endpoint);
  free(place->type);
  *place = (struct poll){memory_text(endpoint), memory_text(type)};
}

void http_connection_poll_sent(struct http_connection *connection, const char *endpoint,
                               const char *type)
{
  if (!connection->has_answered_poll && connection->probes_kept < PROBES_MAX)
    keep_probe(connection, endpoint, type);
}

void http_connection_poll_answered(struct http_connection *connection, const char *endpoint,
                                   const char *type)
{
  if (!connection->has_answered_poll)
    forget_probes(connection);
  connection->has_answered_poll = true;
  keep_probe(connection, endpoint, type);
}

/* They take turns, so that one that hangs for ever does not keep it down; the newest
 * is first. */
static struct poll next_probe(const struct http_connection *connection)
{
  size_t count = probe_count(connection);
  if (!count)
    return (struct poll){0};
  size_t turn = (connection->retries - 1) % count;
  return connection->probes[(connection->probes_kept - 1 - turn) % PROBES_MAX];
}

/* ---- up and down ---- */

static int64_t jittered(int64_t ms)
{
  uint16_t random = UINT16_MAX / 2;
  if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
    random = UINT16_MAX / 2;
  return ms * 8 / 10 + ms * 4 * random / (10 * UINT16_MAX);
}

static int64_t arm_probe(struct http_connection *connection)
{
  int64_t delay_ms = RETRY_MIN_MS;
  for (unsigned i = 0; i < connection->retries && delay_ms < RETRY_MAX_MS; i++)
    delay_ms *= 2;
  connection->retries++;
  delay_ms = jittered(delay_ms < RETRY_MAX_MS ? delay_ms : RETRY_MAX_MS);
  int64_t now_ms = clock_monotonic_ms();
  int64_t at_ms = now_ms + delay_ms;
  if (at_ms < connection->held_until_ms)
    at_ms = connection->held_until_ms;
  loop_timer_set(connection->probe, at_ms);
  return at_ms - now_ms;
}

void http_connection_answered(struct http_connection *connection)
{
  enum stage before = connection->stage;
  connection->stage = STAGE_UP;
  connection->answers++;
  connection->failures = 0;
  connection->retries = 0;
  connection->has_told_down = false;
  if (before == STAGE_UP)
    return;
  loop_timer_set(connection->probe, INT64_MAX);
  log_info("http", "connected", "url", connection->url);
  if (before == STAGE_DOWN)
    connection->ports.connected(connection->ports.context);
}

uint64_t http_connection_answers(const struct http_connection *connection)
{
  return connection->answers;
}

static void go_down(struct http_connection *connection, const char *why)
{
  enum stage before = connection->stage;
  connection->stage = STAGE_DOWN;
  int64_t retry_ms = arm_probe(connection);
  if (before == STAGE_UP)
    log_warn("http", "disconnected", "reason", why, "retry_ms", LOG_NUMBER(retry_ms));
  else if (!connection->has_told_down)
    log_warn("http", "cannot connect, and keeps trying", "url", connection->url, "reason", why,
             "retry_ms", LOG_NUMBER(retry_ms));
  else
    log_debug("http", "cannot connect", "reason", why, "retry_ms", LOG_NUMBER(retry_ms));
  connection->has_told_down = true;
  connection->ports.failed(connection->ports.context, why);
  if (before != STAGE_DOWN)
    connection->ports.disconnected(connection->ports.context);
}

/* While others are answered, one connection that could not be made is a failure like
 * any other. */
bool http_connection_failed(struct http_connection *connection, const struct http_failure *failure)
{
  bool is_lost = failure->is_unreachable && connection->stage != STAGE_UP;
  connection->failures += failure->answers == connection->answers;
  if (connection->stage == STAGE_DOWN) {
    if (failure->is_probe)
      go_down(connection, failure->why);
  } else if (is_lost || connection->failures >= FAILURES_MAX) {
    go_down(connection, failure->why);
  }
  return connection->stage != STAGE_DOWN;
}

void http_connection_lost(struct http_connection *connection, const char *why)
{
  go_down(connection, why);
}

/* Has the core send, which tells whether it is answered. */
static void try(struct http_connection *connection)
{
  connection->stage = STAGE_TRIES;
  connection->failures = 0;
  connection->ports.connected(connection->ports.context);
}

/* While down, one poll is tried again and again, so that the core need not send
 * everything in vain; where there is no type to poll, the core tries. */
static void on_probe(void *context)
{
  struct http_connection *connection = context;
  struct error error = {0};
  struct poll probe = next_probe(connection);
  if (connection->ports.probe(connection->ports.context, probe.endpoint, probe.type, &error) < 0)
    go_down(connection, error.text);
  else if (!probe.endpoint)
    try(connection);
}

/* ---- holds ---- */

static void on_hold(void *context)
{
  struct http_connection *connection = context;
  if (is_held(connection)) /* the timer was early, or the hold was prolonged */
    loop_timer_set(connection->hold, connection->held_until_ms);
  else
    connection->ports.open(connection->ports.context);
}

void http_connection_hold(struct http_connection *connection, int64_t wait_ms)
{
  int64_t until_ms = clock_monotonic_ms() + wait_ms;
  if (!is_held(connection))
    log_warn("http", "the platform asks to wait", "wait_ms", LOG_NUMBER(wait_ms));
  if (until_ms <= connection->held_until_ms)
    return;
  connection->held_until_ms = until_ms;
  loop_timer_set(connection->hold, until_ms);
}

/* ---- life ---- */

struct http_connection *http_connection_create(struct loop *loop, const char *url,
                                               const struct http_connection_ports *ports)
{
  struct http_connection *connection = memory_zeroed(1, sizeof *connection);
  connection->ports = *ports;
  connection->url = url;
  connection->probe = loop_timer_create(loop, on_probe, connection);
  connection->hold = loop_timer_create(loop, on_hold, connection);
  connection->stage = STAGE_DOWN;
  return connection;
}

void http_connection_begin(struct http_connection *connection)
{
  loop_timer_set(connection->probe, 0);
}

void http_connection_destroy(struct http_connection *connection)
{
  if (!connection)
    return;
  loop_timer_destroy(connection->probe);
  loop_timer_destroy(connection->hold);
  forget_probes(connection);
  free(connection);
}
