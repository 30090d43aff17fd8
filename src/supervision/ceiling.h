/* What the configuration lets handlers need at most, and how the host holds them to it: a
 * worker checks its handler's `needs` itself (lua/kaa/ceiling.lua), but one whose handler has
 * broken out may report anything. */
#ifndef KAALUA_SUPERVISION_CEILING_H
#define KAALUA_SUPERVISION_CEILING_H

#include <jansson.h>

/* What a type may need, of the configuration's {"all"?: …, "handlers": {type: …}}: an object as
 * a contract's needs; its own takes the place of that for all. NULL: everything. Borrowed. */
const json_t *ceiling_of(const json_t *ceiling, const char *type);

/* The needs that lie within the limit (NULL: all of them): true becomes the limit's list, and
 * of a list stays what the limit names or, for writing, what lies beneath it, links followed
 * where they are there, and of servers those under a name "*.example.org". Returns an object,
 * owned. */
json_t *ceiling_cut(const json_t *needs, const json_t *limit);

/* Cuts the needs of the contract in a WORKER_LOADED report. */
void ceiling_apply(json_t *report, const json_t *limit);

#endif
