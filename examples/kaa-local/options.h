/* The command line of kaa-local. */
#ifndef KAA_LOCAL_OPTIONS_H
#define KAA_LOCAL_OPTIONS_H

#include "switches.h"

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct option_token {
  char *token;
  char *endpoint_id; /* or NULL: one is made */
};

struct options {
  const char *http;        /* ADDRESS:PORT */
  bool is_http_given;      /* otherwise the port may move */
  int mqtt_port;           /* 0: a free one */
  bool is_mqtt_port_given; /* likewise */
  const char *app_version;
  const char *database; /* a file; NULL: in memory */
  const char *mosquitto; /* the broker's program */
  bool is_open, wants_help;
  struct option_token *tokens;
  size_t token_count;
  struct switches switches;
};

/* Reads the arguments, borrowed. Returns 0, or -EINVAL; `options` is to be cleared in both
 * cases. */
int options_read(struct options *options, int argc, char **argv, struct error *error);
void options_clear(struct options *options);

extern const char options_help[];

#endif
