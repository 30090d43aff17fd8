/* A fault of the loaded file, as an object of LOADED's JSON. */
#ifndef KAALUA_WORKER_FAULT_H
#define KAALUA_WORKER_FAULT_H

#include "base/buffer.h"

struct version;
struct source_file;

/* Appends {"file", "line", "message", "source"}. `line` 0: none. */
void fault_write(struct buffer *out, const struct source_file *file, int line, const char *message);

/* The same of a Lua error: the place is taken from its beginning, "park.lua:3: …";
 * without one it is the version's first file. */
void fault_write_error(struct buffer *out, const struct version *version, const char *message);

#endif
