/* What a command leaves for after a restart. */
#ifndef KAALUA_WORKER_RESTART_H
#define KAALUA_WORKER_RESTART_H

#include <lua.h>

/* kaa.checkpoint(saved): keeps what `resume` is given where the agent is killed while the
 * command runs. true when that is durable, else nil, message. */
int restart_checkpoint(lua_State *L);

/* kaa.resume_after("reboot" | "restart", saved, { within_s = 900 }): true when it is
 * durable that the command waits for the restart, else nil, message. From then on a
 * normal return leaves it waiting (worker->command.waits); an error, kaa.fail and
 * `nil, message` cancel that and are the answer. */
int restart_resume_after(lua_State *L);

#endif
