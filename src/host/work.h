/* The work itself: commands on their way from the core to the handlers and back, and
 * what handlers keep on its way to the journal. Fills the ports of both sides; decides
 * nothing but when a command may be handed out: not before work_open(), not after
 * work_stop(). On the loop's thread.
 *
 *   work_init, work_fill_core_ports → core_create, work_fill_handlers_ports →
 *   handlers_create, the three pointers → work_open → … → work_stop → work_end → work_clear */
#ifndef KAALUA_HOST_WORK_H
#define KAALUA_HOST_WORK_H

#include "core/core.h"
#include "handlers/handlers.h"
#include "host/own_commands.h"
#include "journal/journal.h"

#include <stdbool.h>
#include <sys/queue.h>

struct saving;

/* The ports that are not the work's own; as in struct core_ports and handlers_ports. */
struct work_owner {
  void *context;
  int (*send)(void *context, enum core_message kind, const char *endpoint, const char *type,
              uint32_t request_id, const char *body, size_t body_bytes);
  void (*changed)(void *context);
  void (*news)(void *context); /* what a handler is, or how it fares, may have changed; or NULL */
  void (*progress)(void *context, const struct command *command, double percent,
                   const char *text); /* may be NULL */
};

struct work {
  struct work_owner owner;
  struct core *core;         /* borrowed, as the others; set before the first turn */
  struct handlers *handlers; /* NULL once they are gone */
  struct journal *journal;
  struct own_commands *own;
  bool is_open, is_stopped;
  json_t *waiting; /* object: types that could take commands before work_open() */
  LIST_HEAD(, saving) savings;
};

void work_init(struct work *work, const struct work_owner *owner);

void work_fill_core_ports(struct work *work, struct core_ports *ports);
void work_fill_handlers_ports(struct work *work, struct handlers_ports *ports);

/* Commands are handed out from now on. */
void work_open(struct work *work);

/* What comes to be run is put back. */
void work_stop(struct work *work);

/* As struct own_commands_ports. */
void work_fill_own_ports(struct work *work, struct own_commands_ports *ports);

/* The handlers are about to be destroyed. */
void work_end(struct work *work);

/* What a type's handler says may have changed: tells the core its pace and policy. */
void work_tell_type(struct work *work, const char *type);

/* The journal and the core are gone. */
void work_clear(struct work *work);

#endif
