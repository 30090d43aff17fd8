/* The table of handlers: which version serves each command type, the workers
 * that run it, and what is wrong with the files that do not load. It watches the
 * handler directories (handlers/sources.h), loads a new or changed file in a worker of
 * its own, and makes it current only when its contract holds; a faulty file
 * leaves the last good version in service. A handler's tick is called at its
 * interval, from the moment its version is in service.
 *
 *   handlers_create → handlers_start → … handlers_run for each command …
 *   → handlers_stop (nothing new is started) → handlers_interrupt → handlers_destroy */
#ifndef KAALUA_HANDLERS_HANDLERS_H
#define KAALUA_HANDLERS_HANDLERS_H

#include "core/core.h"
#include "supervision/worker.h"
#include "supervision/workplace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct handlers;

struct handlers_ports {
  void *context;
  /* Another set of types is served, or the first look at all files has ended. */
  void (*changed)(void *context);
  /* How many commands the type can take has changed, or what its handler says. */
  void (*room)(void *context, const char *type);
  /* The command ended; the receiver takes what `result` owns. */
  void (*finished)(void *context, struct command *command, struct command_result *result);
  /* The command ended without a result: it waits for the restart that it asked for. */
  void (*waits)(void *context, struct command *command);
  /* The disk has no room for what a worker needs; it is tried again each second. */
  void (*lacks_disk)(void *context);
  /* The command had not begun when its worker ended, or another version would run it than the
   * one whose on_interrupt was kept with it: it is handed out again. */
  void (*put_back)(void *context, struct command *command);
  /* A handler asks to keep something; as the port of struct worker_ports. */
  void (*keep)(void *context, const char *type, struct command *command,
               const struct worker_keep *keep, struct worker_ticket *ticket);
  /* How far a command is (kaa.progress): `percent` below 0 and "" where that was not said. May
   * be NULL. */
  void (*progress)(void *context, const struct command *command, double percent, const char *text);
  void (*telemetry)(void *context, const char *endpoint, const char *samples, size_t size);
  /* A JSON object of metadata keys. */
  void (*metadata)(void *context, const char *endpoint, const char *keys, size_t size);
};

struct handlers_options {
  const char *const *directories;
  size_t directory_count;
  const json_t *settings; /* object: type → settings; NULL: none. Kept by reference */
  const json_t *ceiling;  /* struct config's, and */
  const json_t *places;   /* this too; each may be NULL. Kept by reference */
  int64_t idle_ms;        /* how long a worker stays without work; 0: 60,000 */
  const char *const *endpoints; /* tokens, for ticks; borrowed for the table's life */
  size_t endpoint_count;
  const char *state; /* directory, for the last good versions (handlers/last_good.h); NULL: they are
                        not kept */
};

/* Returns owned. The workplace outlives it. */
struct handlers *handlers_create(const struct workplace *workplace,
                                 const struct handlers_options *options,
                                 const struct handlers_ports *ports);
void handlers_destroy(struct handlers *handlers);

/* Looks at the files now, and from now on whenever something changes. */
void handlers_start(struct handlers *handlers);

/* Looks at the files now, waits for none to settle (one that is being written is not taken),
 * and tries those again that were found faulty. */
void handlers_rescan(struct handlers *handlers);

/* Likewise, at once, and loads each of these types in a fresh worker also where its file is as it
 * was. handlers_are_settled() tells when it is over. Returns 0, or -ESHUTDOWN after
 * handlers_stop(). */
int handlers_reload(struct handlers *handlers, const char *const *types, size_t count);

/* Whether nothing is being loaded or about to be, and no file is missing that may be just being
 * replaced. */
bool handlers_are_settled(const struct handlers *handlers);

/* Whether there is a file of the type, faulty or not. */
bool handlers_have(const struct handlers *handlers, const char *type);

/* Whether every file seen at the start was loaded or found faulty. */
bool handlers_are_ready(const struct handlers *handlers);

/* The types that are asked for, sorted: those with a handler that runs commands, or with
 * a file that is broken. Returns how many; *types is owned by the caller (free() the
 * array, the names are borrowed). */
size_t handlers_types(const struct handlers *handlers, const char ***types);

/* How many more commands of a type may be handed out now. A type without a
 * handler always takes some: they are answered at once. */
size_t handlers_room(const struct handlers *handlers, const char *type);

/* How many commands of a type may come that have not been received yet: its worker is
 * there and has room, and needs no other transaction than the one that accepts them. */
size_t handlers_room_ahead(const struct handlers *handlers, const char *type);

/* Whether one of this endpoint (borrowed until it ends) can be taken. CORE_TAKE: it comes to
 * handlers_run() once it is durable as running, and takes room until then. CORE_PASS: not as
 * long as others of its endpoint have not ended. */
enum core_answer handlers_offer(struct handlers *handlers, const char *type, const char *endpoint);

/* One of them does not come: it is queued again. */
void handlers_withdrawn(struct handlers *handlers, const char *type, const char *endpoint);

/* The order that a type's handler keeps. */
enum core_order handlers_order(const struct handlers *handlers, const char *type);

/* What becomes of a type's command that was interrupted: its handler's on_interrupt. */
enum command_policy handlers_policy(const struct handlers *handlers, const char *type);

/* The pace of polling that a type's handler asks for, in seconds; 0: none. */
double handlers_poll_s(const struct handlers *handlers, const char *type);

/* Runs a command, or answers in its handler's place: 501 without one (or with one
 * that only ticks), 503 for one that does not load or is in quarantine, or where no
 * worker can be started. One that has begun before and cannot go on: 500, interrupted. What
 * may still be run waits: there is no room while a first version may load at another try;
 * and where the disk has no room for a worker's marks the command is put back, and there
 * is none until a worker can be started. */
void handlers_run(struct handlers *handlers, struct command *command);

/* From now on no command and no tick is begun: handlers_room() is 0, and what a worker has
 * not begun is put back once it is through with what it runs. Before
 * handlers_start(): the files are loaded, once, and that is all. */
void handlers_stop(struct handlers *handlers);

/* The commands and ticks that workers have. */
size_t handlers_busy(const struct handlers *handlers);

/* Ends what runs: answered as interrupted, or where its handler's on_interrupt says
 * otherwise left as it is for the next start. What had not begun is put back. */
void handlers_interrupt(struct handlers *handlers);

#endif
