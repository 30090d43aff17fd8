/* A growing run of bytes. Embedded: `struct buffer b = {0};` is an empty one,
 * buffer_clear() gives its memory back. `data` is NULL while nothing was put
 * in; after buffer_text() it is NUL-terminated. */
#ifndef KAALUA_BASE_BUFFER_H
#define KAALUA_BASE_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct buffer {
  char *data;
  size_t size_bytes;
  size_t capacity_bytes;
};

/* Makes room for `more` bytes behind what is there; returns where they go.
 * The caller writes there and raises size_bytes. */
char *buffer_room(struct buffer *buffer, size_t more);

void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_append_text(struct buffer *buffer, const char *text);
void buffer_append_char(struct buffer *buffer, char c);
void buffer_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What is there as a C string; borrowed, valid until the next change. */
const char *buffer_text(struct buffer *buffer);

/* Hands the bytes over, NUL-terminated, and leaves the buffer empty; returns
 * owned, free() it. */
char *buffer_take(struct buffer *buffer);

/* Drops the first `size` bytes. */
void buffer_drop_front(struct buffer *buffer, size_t size);

/* Forgets what is there, keeps the memory. */
void buffer_reset(struct buffer *buffer);

/* Gives the memory back; the buffer is empty and can be used again. */
void buffer_clear(struct buffer *buffer);

#endif
