#include "supervision/library.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

void source_clear(struct source *source)
{
  free(source->module);
  free(source->chunk);
  free(source->text);
  *source = (struct source){0};
}

uint64_t source_hash(uint64_t seed, const void *bytes, size_t size)
{
  uint64_t hash = seed ^ 0xcbf29ce484222325u;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ ((const unsigned char *)bytes)[i]) * 0x00000100000001b3u;
  return hash;
}

struct library *library_create(void)
{
  struct library *library = memory_zeroed(1, sizeof *library);
  library->references = 1;
  return library;
}

struct library *library_keep(struct library *library)
{
  library->references++;
  return library;
}

void library_drop(struct library *library)
{
  if (!library || --library->references > 0)
    return;
  for (size_t i = 0; i < library->count; i++)
    source_clear(&library->sources[i]);
  free(library->sources);
  free(library);
}

void library_add(struct library *library, const char *module, const char *chunk, const char *text,
                 size_t text_bytes)
{
  library->sources =
      memory_resized(library->sources, (library->count + 1) * sizeof *library->sources);
  library->sources[library->count++] = (struct source){
      .module = memory_text(module),
      .chunk = memory_text(chunk),
      .text = memory_copied(text, text_bytes),
      .text_bytes = text_bytes,
  };
  library->hash = source_hash(library->hash, module, strlen(module) + 1);
  library->hash = source_hash(library->hash, text, text_bytes);
}
