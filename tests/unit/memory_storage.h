/* A storage in memory: what is confirmed or refused is remembered, within
 * bounds, so that a repeat is answered and not run again; nothing survives the
 * process. It copies what it keeps, and may be given to a later core. */
#ifndef KAALUA_CORE_MEMORY_STORAGE_H
#define KAALUA_CORE_MEMORY_STORAGE_H

#include "core/storage.h"

#include <stddef.h>
#include <stdint.h>

struct memory_storage;

struct memory_storage_options {
  size_t max_records;       /* 0: 10,000; the oldest is forgotten first */
  size_t max_payload_bytes; /* 0: 512 kB of result payloads; the oldest loses its payload first,
                               status and reason stay */
  int64_t (*wall_ms)(void); /* required: the wall clock */
};

/* Returns owned, memory_storage_destroy() it. */
struct memory_storage *memory_storage_create(const struct memory_storage_options *options);
void memory_storage_destroy(struct memory_storage *storage);

/* Carries the batch out at once; the caller then calls core_stored(). Has the
 * form of storage.submit with the memory_storage as context. */
void memory_storage_submit(void *storage, struct change *changes, size_t count);

#endif
