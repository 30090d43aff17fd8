/* A fault of the loaded file, as an object of LOADED's JSON. */
#ifndef KAALUA_WORKER_FAULT_H
#define KAALUA_WORKER_FAULT_H

#include "base/buffer.h"

#include <stdbool.h>

struct version;
struct source_file;

struct fault {
  int line, column; /* from 1, in bytes; 0: none */
  const char *message;
  const char *setting; /* the setting that does not fit, or NULL */
  bool is_secret;      /* the source line may hold a secret: it is left out */
};

/* Appends {"file", "line", "column"?, "message", "setting"?, "source"?}. */
void fault_write(struct buffer *out, const struct source_file *file, const struct fault *fault);

/* The same of a Lua error: the place is taken from its beginning, "park.lua:3: …";
 * without one it is the version's first file. Of a configuration nothing is
 * quoted: any of its lines may hold a token. */
void fault_write_error(struct buffer *out, const struct version *version, const char *message);

#endif
