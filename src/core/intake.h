/* What the platform delivers: arrays of commands, cut into their elements.
 * Private to src/core. */
#ifndef KAALUA_CORE_INTAKE_H
#define KAALUA_CORE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct endpoint;
struct type;

/* One message. Borrows the text. */
struct intake {
  struct endpoint *endpoint;
  struct type *type;
  const char *text;
  size_t size_bytes;
  int64_t received_wall_ms;
  int64_t received_boot_ms;
  uint32_t request_id; /* of the command request that it replies to; 0: a push */
};

void intake_message(struct core *core, const struct intake *intake);

/* A command whose result is being settled was delivered again meanwhile (its
 * life is over by now): takes that delivery as one that comes now. */
void intake_again(struct core *core, const struct intake *intake);

/* Counts and notes what cannot be read. */
void intake_malformed(struct core *core, const char *endpoint, const char *type, const char *why);

#endif
