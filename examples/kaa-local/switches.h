/* What the real platform leaves undocumented, and trouble, as switches. The first
 * value of each is the default. README.md tells what each does. */
#ifndef KAA_LOCAL_SWITCHES_H
#define KAA_LOCAL_SWITCHES_H

#include "base/buffer.h"
#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum unknown_result { UNKNOWN_OK, UNKNOWN_404, UNKNOWN_409, UNKNOWN_SILENT };

struct switches {
  bool confirm_results;
  int64_t confirm_drop_every;  /* 0: never */
  int64_t deliver_twice_every; /* 0: never */
  int64_t reserialise_every;   /* 0: never */
  int64_t delay_ms;
  int64_t unknown_result; /* enum unknown_result */
  bool push_with_request_id;
  bool replay_on_connect;
  bool require_subscribe;
  int64_t http_success; /* 200 or 204 */
  int64_t refuse;       /* a status code from 400 to 599; 0: no */
  int64_t retry_after_s; /* told with a refusal over HTTP; 0: not told */
  bool silent;
  bool cut_connection;   /* an action: put back as soon as it is carried out */
  char credentials[256]; /* "user:password"; "": none are asked for */
  int64_t push_qos;      /* 1 or 0 */
  int64_t idle_cutoff_s; /* 0: never */
};

void switches_init(struct switches *switches);

/* Sets one from "NAME=VALUE", or "NAME" for true. Returns 0, or -EINVAL with what
 * would have been right. */
int switches_set_text(struct switches *switches, const char *text, struct error *error);

/* Sets all members of an object, or none where one of them is wrong. */
int switches_set_json(struct switches *switches, const json_t *object, struct error *error);

/* Appends them all as one object. */
void switches_write(const struct switches *switches, struct buffer *out);

#endif
