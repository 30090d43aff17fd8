#include "base/buffer.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *buffer_room(struct buffer *buffer, size_t more)
{
  size_t needed = buffer->size_bytes + more + 1; /* one for the NUL of buffer_text */
  if (needed > buffer->capacity_bytes) {
    size_t capacity = buffer->capacity_bytes ? buffer->capacity_bytes : 64;
    while (capacity < needed)
      capacity *= 2;
    buffer->data = memory_resized(buffer->data, capacity);
    buffer->capacity_bytes = capacity;
  }
  return buffer->data + buffer->size_bytes;
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
  if (!size)
    return;
  memcpy(buffer_room(buffer, size), bytes, size);
  buffer->size_bytes += size;
}

void buffer_append_text(struct buffer *buffer, const char *text)
{
  buffer_append(buffer, text, strlen(text));
}

void buffer_append_char(struct buffer *buffer, char c)
{
  buffer_append(buffer, &c, 1);
}

void buffer_format(struct buffer *buffer, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  int needed = vsnprintf(NULL, 0, format, arguments);
  va_end(arguments);
  if (needed <= 0)
    return;
  char *room = buffer_room(buffer, (size_t)needed);
  va_start(arguments, format);
  vsnprintf(room, (size_t)needed + 1, format, arguments);
  va_end(arguments);
  buffer->size_bytes += (size_t)needed;
}

const char *buffer_text(struct buffer *buffer)
{
  *buffer_room(buffer, 0) = '\0';
  return buffer->data;
}

char *buffer_take(struct buffer *buffer)
{
  buffer_text(buffer);
  char *data = buffer->data;
  *buffer = (struct buffer){0};
  return data;
}

void buffer_drop_front(struct buffer *buffer, size_t size)
{
  if (size >= buffer->size_bytes) {
    buffer->size_bytes = 0;
    return;
  }
  if (!size) /* the common case of a frame that arrives in many pieces */
    return;
  memmove(buffer->data, buffer->data + size, buffer->size_bytes - size);
  buffer->size_bytes -= size;
}

void buffer_reset(struct buffer *buffer)
{
  buffer->size_bytes = 0;
}

void buffer_clear(struct buffer *buffer)
{
  free(buffer->data);
  *buffer = (struct buffer){0};
}
