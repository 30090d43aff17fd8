/* Memory that is there: each function returns what was asked for or ends the
 * process with status 75 (try again) after one line on standard error. A
 * device without memory for a few bytes is served best by a restart. */
#ifndef KAALUA_BASE_MEMORY_H
#define KAALUA_BASE_MEMORY_H

#include <stddef.h>

/* `count` zeroed objects of `size` bytes; returns owned, free() it. */
void *memory_zeroed(size_t count, size_t size);

/* realloc() that does not fail. */
void *memory_resized(void *old, size_t size);

/* A NUL-terminated copy of `size` bytes; returns owned, free() it. */
char *memory_copied(const char *text, size_t size);

/* A copy of a C string; NULL gives NULL. Returns owned, free() it. */
char *memory_text(const char *text);

/* A formatted C string; returns owned, free() it. */
char *memory_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
