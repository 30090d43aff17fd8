/* What the running machine enforces against handlers, for people: how workers are
 * confined (worker/confine.h) and what of it the kernel does not offer here. */
#ifndef KAALUA_SUPERVISION_CONFINEMENT_H
#define KAALUA_SUPERVISION_CONFINEMENT_H

#include "supervision/workplace.h"

#include <jansson.h>

/* Asks the kernel. Returns owned:
 *   {"landlock": 7,             its ABI, or 0
 *    "seccomp": true,
 *    "no_new_privs": true,
 *    "user": "kaalua-handler",  that handlers run as
 *    "user_is_own": false,      whether that is the one that kaalua runs as
 *    "missing": ["files: this kernel has no Landlock: needs.write is held by …", …]}
 * "missing" has a line, without a full stop, for each thing that is not enforced here. */
json_t *confinement_report(const struct workplace *workplace);

/* Logs a line for each thing that is not enforced; at the start. */
void confinement_log(const struct workplace *workplace);

#endif
