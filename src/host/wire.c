#include "host/wire.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>

static void set_connected(struct wire *wire, bool is_connected)
{
  wire->is_connected = is_connected;
  wire->changed_ms = clock_monotonic_ms();
}

static void on_failed(void *context, const char *why)
{
  struct wire *wire = context;
  snprintf(wire->reason, sizeof wire->reason, "%s", why);
}

static void on_connected(void *context)
{
  struct wire *wire = context;
  set_connected(wire, true);
  core_connected(wire->core, clock_monotonic_ms());
}

static void on_disconnected(void *context)
{
  struct wire *wire = context;
  set_connected(wire, false);
  core_disconnected(wire->core, clock_monotonic_ms());
}

static void on_writable(void *context)
{
  struct wire *wire = context;
  core_writable(wire->core);
}

static void on_published(void *context, uint32_t request_id)
{
  struct wire *wire = context;
  core_published(wire->core, request_id, clock_monotonic_ms());
}

static void on_commands(void *context, const char *endpoint, const char *type, uint32_t request_id,
                        const char *text, size_t size)
{
  struct wire *wire = context;
  log_debug("agent", "commands", "type", type, "endpoint", LOG_TOKEN(endpoint), "bytes",
            LOG_NUMBER(size));
  core_commands(wire->core, endpoint, type, request_id, text, size, clock_wall_ms(),
                clock_boot_ms(), clock_monotonic_ms());
}

static void on_hold(void *context, enum core_message kind, uint32_t request_id, int64_t wait_ms)
{
  struct wire *wire = context;
  core_hold(wire->core, kind, request_id, wait_ms);
}

static void on_answered(void *context, enum core_message kind, const char *endpoint,
                        const char *type, uint32_t request_id, int status, const char *reason)
{
  struct wire *wire = context;
  core_answered(wire->core, kind, endpoint, type, request_id, status, reason,
                clock_monotonic_ms());
}

int wire_open(struct wire *wire, const struct config *config, const struct state *state,
              const struct workplace *workplace)
{
  const struct transport_events events = {
      .context = wire,
      .connected = on_connected,
      .disconnected = on_disconnected,
      .failed = on_failed,
      .writable = on_writable,
      .published = on_published,
      .commands = on_commands,
      .hold = on_hold,
      .answered = on_answered,
  };
  struct error error = {0};
  bool is_http = config->wire == CONFIG_HTTP;
  int rc = is_http
               ? http_transport_open(&wire->transport, workplace, config, &events, &error)
               : mqtt_transport_open(&wire->transport, workplace->loop, config, state, &events, &error);
  wire->is_open = rc == 0;
  if (rc < 0)
    log_error(is_http ? "http" : "mqtt", error.text);
  return rc;
}

int wire_send(struct wire *wire, enum core_message kind, const char *endpoint, const char *type,
              uint32_t request_id, const char *body, size_t size)
{
  if (!wire->is_open)
    return -EAGAIN;
  return wire->transport.send(wire->transport.context, kind, endpoint, type, request_id, body, size);
}

void wire_close(struct wire *wire, int64_t patience_ms)
{
  if (wire->is_open)
    wire->transport.close(wire->transport.context, patience_ms);
  wire->is_open = false;
}
