/* kaa.metadata. */
#ifndef KAALUA_WORKER_METADATA_H
#define KAALUA_WORKER_METADATA_H

#include <lua.h>

/* kaa.metadata { key = value, … }: hands metadata keys (10/EPMP: letters, digits
 * and _) with any JSON values to the host, to be merged into those of the
 * command's endpoint. Raises where they are none. */
int metadata_send(lua_State *L);

#endif
