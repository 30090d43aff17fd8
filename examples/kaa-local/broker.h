/* The private mosquitto: a child process with our plugin, on 127.0.0.1. It ends with
 * kaa-local, however that ends; its configuration is gone from the disk once it runs. */
#ifndef KAA_LOCAL_BROKER_H
#define KAA_LOCAL_BROKER_H

#include "base/error.h"

#include <stdbool.h>
#include <sys/types.h>

struct broker;

struct broker_options {
  const char *program; /* borrowed for the call, as is all of this */
  int port;            /* 0: a free one */
  const char *client_id, *password; /* of kaa-local's own client */
};

/* Starts it; that it is ready is known when the link has connected. Returns 0 with `*broker`
 * owned, or a negative code. */
int broker_start(const struct broker_options *options, struct broker **broker,
                 struct error *error);

/* Ends it and waits for that. */
void broker_stop(struct broker *broker); /* NULL: nothing */

int broker_port(const struct broker *broker);

/* Whether it has ended by itself; to be asked after a SIGCHLD. */
bool broker_has_ended(struct broker *broker);

/* Removes its configuration, which it has read. */
void broker_is_ready(struct broker *broker);

/* Whether something could listen on this port of 127.0.0.1 now. */
bool broker_is_port_free(int port);

#endif
