/* The module `kaa` as a handler sees it. */
#ifndef KAALUA_WORKER_BINDING_H
#define KAALUA_WORKER_BINDING_H

#include <lua.h>

/* Pushes the table `kaa`; may raise.
 *
 *   kaa.telemetry(sample | {samples})   to the platform, for the command's endpoint
 *   kaa.log.debug|info|warn|error(…)    a line for the log
 *   kaa.sleep(seconds)                  waits
 *   kaa.now()                           seconds since 1970 UTC, with milliseconds
 *   kaa.settings                        the configuration's values, with defaults
 *   kaa.endpoint                        the command's endpoint token; nil outside one
 *   kaa.exec(argv, options)             runs a program (worker/programs.h)
 *   kaa.http { url = …, … }             asks a server (worker/transfers.h)
 *   kaa.store.get|set|delete            durable, of this handler (worker/store.h)
 *   kaa.shared.get|set|delete           durable, of the device
 *   kaa.checkpoint(saved)               what resume is given after a kill (worker/restart.h)
 *   kaa.resume_after(what, saved, options)   the command waits for a restart
 *   kaa.fail(status, reason, payload)   answers from any depth
 *   kaa.json.encode(value), .decode(text)   exact; decode: nil, message where it is no JSON
 *   kaa.null, kaa.array(table)          what JSON has and Lua has not
 *
 * Any other name raises with the nearest one. */
void binding_push(lua_State *L);

#endif
