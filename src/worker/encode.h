/* Lua to JSON, exact: integers stay integers, 3.0 stays 3.0, a table with the
 * keys 1 to n is an array, an empty one an object unless it carries the mark of
 * kaa.values. Raw access only: no metamethod runs. */
#ifndef KAALUA_WORKER_ENCODE_H
#define KAALUA_WORKER_ENCODE_H

#include "base/buffer.h"

#include <lua.h>
#include <stddef.h>

enum { ENCODE_COUNTED_BYTES = 64 * 1024 * 1024 }; /* how far what is too large is counted */

struct encode_fault {
  char text[400];    /* "payload.list[3].x: a function has no JSON form" */
  size_t size_bytes; /* of the whole text, also where it is over the limit */
  int depth;         /* of the value's tables within each other */
};

/* Appends the value at `index` as JSON of at most `limit_bytes`. `root` names it
 * in messages. Does not raise. Returns 0, -EINVAL where it has no JSON form, or
 * -EMSGSIZE where it is too large; then `out` is as it was. */
int encode_json(lua_State *L, int index, struct buffer *out, const char *root,
                size_t limit_bytes, struct encode_fault *fault);

#endif
