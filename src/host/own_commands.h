/* The agent's own command types, answered by the host itself, with no worker; their life is
 * that of any command. They are asked for as those with a handler, over HTTP each 10 s and
 * never more often.
 *
 *   kaalua-status   200 and the document of `kaalua status --json`; its payload is ignored
 *   kaalua-cancel   {"type": …, "id": …}: cancels that command of the same endpoint, and is
 *                   answered when it has ended: 200 with {"state": "queued" | "running" |
 *                   "waiting"}, what it was. 200 also where it was cancelled before ({"state":
 *                   "done"}); 409 where it has ended otherwise, {"state", "statusCode",
 *                   "reasonPhrase"}; 404 where it is not known here; 400 for another payload,
 *                   and for a command of these types
 *
 * A command that is running, or was cut short by the host's end, is simply run again: they do
 * no harm twice. On the loop's thread.
 *
 *   own_commands_create → … own_commands_run …, own_commands_look in each turn →
 *   own_commands_close → journal_close → own_commands_destroy */
#ifndef KAALUA_HOST_OWN_COMMANDS_H
#define KAALUA_HOST_OWN_COMMANDS_H

#include "host/control_answers.h"

#include <stdbool.h>
#include <stddef.h>

enum { OWN_COMMANDS_POLL_MS = 10000 };

struct own_commands;

struct own_commands_ports {
  void *context;
  /* The command ended; the receiver takes what `result` owns. */
  void (*finished)(void *context, struct command *command, struct command_result *result);
  /* own_commands_room() has grown. */
  void (*room)(void *context, const char *type);
};

bool own_commands_has(const char *type);

/* Adds them to an array of `count` names, sorted; *types is reallocated. Returns how many
 * there are now. */
size_t own_commands_add_types(const char ***types, size_t count);

/* Returns owned. Copies the structs; what they name outlives it, but for what is closed. */
struct own_commands *own_commands_create(const struct control_sources *sources,
                                         struct handlers *handlers,
                                         const struct own_commands_ports *ports);

/* How many more of a type can be run now. */
size_t own_commands_room(const struct own_commands *own, const char *type);

/* So many were handed out: each is run, or was withdrawn. */
void own_commands_expect(struct own_commands *own, const char *type, size_t count);
void own_commands_withdrawn(struct own_commands *own, const char *type);

/* Runs a command of one of these types; the port finished tells its end, also from within. */
void own_commands_run(struct own_commands *own, struct command *command);

/* Looks whether what is to be cancelled has ended. */
void own_commands_look(struct own_commands *own);

/* Commands that run. */
size_t own_commands_busy(const struct own_commands *own);

/* Nothing more is answered; what runs is left to the next start. NULL is fine, as below. */
void own_commands_close(struct own_commands *own);

/* The journal is closed. */
void own_commands_destroy(struct own_commands *own);

#endif
