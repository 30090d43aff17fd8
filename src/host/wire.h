/* The wire: the transport that the configuration names, with what comes over it given
 * to the core. Opened once the handlers are known; what is sent before waits. */
#ifndef KAALUA_HOST_WIRE_H
#define KAALUA_HOST_WIRE_H

#include "core/core.h"
#include "host/transport.h"
#include "supervision/workplace.h"

#include <stdbool.h>
#include <stdint.h>

struct wire {
  struct core *core; /* borrowed, set before wire_open() */
  struct transport transport;
  bool is_open, is_connected;
  int64_t changed_ms; /* clock_monotonic_ms() when is_connected changed last; 0: not yet */
  char reason[256];   /* why there was no connection last; "" for none */
};

/* Config, state and workplace outlive it. Returns 0, or a negative errno, logged. */
int wire_open(struct wire *wire, const struct config *config, const struct state *state,
              const struct workplace *workplace);

/* As core_ports.send. */
int wire_send(struct wire *wire, enum core_message kind, const char *endpoint, const char *type,
              uint32_t request_id, const char *body, size_t size);

/* Sends what was taken, for at most `patience_ms`. Also of one that is not open. */
void wire_close(struct wire *wire, int64_t patience_ms);

#endif
