/* kaa.telemetry. */
#ifndef KAALUA_WORKER_TELEMETRY_H
#define KAALUA_WORKER_TELEMETRY_H

#include <lua.h>

/* kaa.telemetry(sample) or kaa.telemetry { sample, … }: hands samples, objects
 * for JSON, to the host for the command's endpoint. Raises where they are none. */
int telemetry_send(lua_State *L);

#endif
