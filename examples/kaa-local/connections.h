/* The connections that the plugin knows, each with a number of its own: a client id comes
 * again, and an address in the broker's memory too. */
#ifndef KAA_LOCAL_CONNECTIONS_H
#define KAA_LOCAL_CONNECTIONS_H

#include <stdint.h>

struct mosquitto;
struct connections;

struct connections *connections_create(void);
void connections_destroy(struct connections *connections); /* NULL: nothing */

/* A client that connects anew: numbered from 1. `id` is copied. Returns its number. */
int64_t connections_add(struct connections *connections, const struct mosquitto *client,
                        const char *id);

/* The number of a client; 0 where it is not known. */
int64_t connections_number(const struct connections *connections, const struct mosquitto *client);

/* The client id behind a number, borrowed; NULL where it has gone. */
const char *connections_id(const struct connections *connections, int64_t number);

/* Any connection that is there: its number, or 0. */
int64_t connections_any(const struct connections *connections);

void connections_remove(struct connections *connections, int64_t number);

#endif
