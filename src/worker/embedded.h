/* The text of lua/kaa/, compiled into the program by embed.cmake. */
#ifndef KAALUA_WORKER_EMBEDDED_H
#define KAALUA_WORKER_EMBEDDED_H

#include <stddef.h>

struct embedded_module {
  const char *name;  /* "kaa.contract" */
  const char *chunk; /* "@kaa/contract.lua" */
  const char *source;
  size_t size_bytes;
};

extern const struct embedded_module embedded_modules[];
extern const size_t embedded_module_count;

#endif
