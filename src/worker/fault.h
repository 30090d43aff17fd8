/* A fault of the loaded file, as an object of LOADED's JSON. */
#ifndef KAALUA_WORKER_FAULT_H
#define KAALUA_WORKER_FAULT_H

#include "base/buffer.h"

#include <stdbool.h>

struct version;
struct source_file;

/* Appends {"file", "line", "message", "source"}. `line` 0: none. The source line
 * is left out where it may hold a secret. */
void fault_write(struct buffer *out, const struct source_file *file, int line, const char *message,
                 bool is_secret);

/* The same of a Lua error: the place is taken from its beginning, "park.lua:3: …";
 * without one it is the version's first file. Of a configuration nothing is
 * quoted: any of its lines may hold a token. */
void fault_write_error(struct buffer *out, const struct version *version, const char *message);

#endif
