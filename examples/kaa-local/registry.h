/* The endpoints, and over which connection each can be reached. */
#ifndef KAA_LOCAL_REGISTRY_H
#define KAA_LOCAL_REGISTRY_H

#include <stdbool.h>
#include <stdint.h>

/* What an endpoint's connection said of one command type. */
struct interest {
  struct interest *next;
  char *type;
  bool is_unwanted;    /* {"observe":false}: 11/CEP forbids pushes then */
  uint32_t request_id; /* of its last request; 0: it had none */
};

struct endpoint {
  char *token; /* what the device calls it */
  char *id;    /* what the operator calls it */
  int64_t last_seen_ms;   /* since 1970 UTC; 0: never */
  int64_t mqtt_seen_ms;   /* by the clock that only goes forward */
  int64_t http_seen_ms;   /* likewise; 0: never */
  uint64_t connection;    /* that last used the token over MQTT; 0: none */
  struct interest *interests; /* of this connection */
  bool is_touched;        /* seen since it was last told of */
  const char *announced;  /* the transport that was last told of, or NULL */
};

struct registry;

struct registry *registry_create(void);
void registry_destroy(struct registry *registry); /* NULL: nothing */

/* Copies the texts; returns the endpoint, the registry's. Neither is there yet. */
struct endpoint *registry_add(struct registry *registry, const char *token, const char *id);

struct endpoint *registry_by_token(const struct registry *registry, const char *token);
struct endpoint *registry_by_id(const struct registry *registry, const char *id);

/* The n-th from 0, in the order they were added; NULL behind the last. */
struct endpoint *registry_at(const struct registry *registry, unsigned n);

/* Takes note of the connection (0: none); what the one before said is forgotten. */
void endpoint_route(struct endpoint *endpoint, uint64_t connection);

/* What is known of a type, or NULL. */
struct interest *endpoint_interest(const struct endpoint *endpoint, const char *type);

/* The same, made where it is missing. */
struct interest *endpoint_make_interest(struct endpoint *endpoint, const char *type);

#endif
