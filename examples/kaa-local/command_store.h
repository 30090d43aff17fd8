/* The commands in the database: a command is (endpoint, type, id). */
#ifndef KAA_LOCAL_COMMAND_STORE_H
#define KAA_LOCAL_COMMAND_STORE_H

#include "database.h"

#include <stdbool.h>
#include <stdint.h>

enum command_state { COMMAND_PENDING, COMMAND_EXECUTED, COMMAND_EXPIRED };

struct stored_command {
  char *endpoint_id;
  char *type;
  int64_t id;
  enum command_state state;
  bool is_kept;    /* requests list it while it is pending; false: retention 0 */
  char *payload;   /* JSON, or NULL: none */
  int64_t status_code; /* of the result, where it is executed */
  char *reason;    /* of the result, or NULL */
  char *response;  /* the result's payload as JSON, or NULL: none */
  int64_t created_ms, updated_ms, expires_ms; /* since 1970 UTC */
};

void stored_command_destroy(struct stored_command *command); /* NULL: nothing */

/* Called with each command found, borrowed for the call, in which the store may
 * not be asked. */
typedef void command_store_each(void *context, const struct stored_command *command);

/* Stores a new pending command and sets its id: the current Unix second, or one more
 * than the last of this endpoint and type. */
void command_store_add(struct database *database, struct stored_command *command);

/* Returns owned, or NULL: there is none. */
struct stored_command *command_store_find(struct database *database, const char *endpoint_id,
                                          const char *type, int64_t id);

/* The newest of a type; returns owned, or NULL. */
struct stored_command *command_store_last(struct database *database, const char *endpoint_id,
                                          const char *type);

/* Stores state, result and updated_ms of a command. */
void command_store_update(struct database *database, const struct stored_command *command);

/* Returns whether there was one to remove. */
bool command_store_remove(struct database *database, const char *endpoint_id, const char *type,
                          int64_t id);

/* The commands of a type that a request lists, oldest first. */
void command_store_outstanding(struct database *database, const char *endpoint_id,
                               const char *type, int64_t now_ms, command_store_each *each,
                               void *context);

/* The types that an endpoint has outstanding commands of: a JSON array, owned. */
char *command_store_outstanding_types(struct database *database, const char *endpoint_id,
                                      int64_t now_ms);

/* The first pending command whose time is over; returns owned, or NULL. */
struct stored_command *command_store_overdue(struct database *database, int64_t now_ms);

enum command_order {
  COMMAND_ORDER_CREATED,
  COMMAND_ORDER_UPDATED,
  COMMAND_ORDER_TYPE,
  COMMAND_ORDER_ID,
  COMMAND_ORDER_STATE,
  COMMAND_ORDER_ENDPOINT,
};

struct command_filter {
  const char *endpoint_ids; /* a JSON array of texts; NULL: all */
  const char *types;        /* likewise */
  bool only_last;           /* the newest of each endpoint and type */
  enum command_order order;
  bool is_ascending;
  int64_t limit; /* 0: no limit */
  int64_t offset;
};

void command_store_list(struct database *database, const struct command_filter *filter,
                        command_store_each *each, void *context);

int64_t command_store_count(struct database *database, const struct command_filter *filter);

#endif
