#include "base/frame.h"

#include "base/memory.h"

#include <errno.h>
#include <string.h>

enum { KEPT_MAX_BYTES = 256 * 1024 };

static void put_little(struct buffer *out, uint64_t value, size_t bytes)
{
  for (size_t i = 0; i < bytes; i++)
    buffer_append_char(out, (char)(value >> (8 * i) & 0xff));
}

static uint64_t get_little(const char *bytes, size_t size)
{
  uint64_t value = 0;
  for (size_t i = 0; i < size; i++)
    value |= (uint64_t)(unsigned char)bytes[i] << (8 * i);
  return value;
}

size_t frame_begin(struct buffer *out, uint8_t kind)
{
  size_t place = out->size_bytes;
  put_little(out, 0, 4);
  buffer_append_char(out, (char)kind);
  return place;
}

void frame_put_u8(struct buffer *out, uint8_t value)
{
  put_little(out, value, 1);
}

void frame_put_u32(struct buffer *out, uint32_t value)
{
  put_little(out, value, 4);
}

void frame_put_i64(struct buffer *out, int64_t value)
{
  put_little(out, (uint64_t)value, 8);
}

void frame_put_bytes(struct buffer *out, const void *bytes, size_t size)
{
  frame_put_u32(out, (uint32_t)size);
  buffer_append(out, bytes, size);
}

void frame_put_text(struct buffer *out, const char *text)
{
  frame_put_bytes(out, text, text ? strlen(text) : 0);
}

void frame_end(struct buffer *out, size_t place)
{
  size_t size = out->size_bytes - place - FRAME_HEAD_BYTES;
  for (size_t i = 0; i < 4; i++)
    out->data[place + i] = (char)(size >> (8 * i) & 0xff);
}

static const char *take(struct frame *frame, size_t size)
{
  if (frame->bad || frame->size_bytes - frame->at < size) {
    frame->bad = true;
    return NULL;
  }
  const char *bytes = frame->body + frame->at;
  frame->at += size;
  return bytes;
}

static uint64_t take_little(struct frame *frame, size_t size)
{
  const char *bytes = take(frame, size);
  return bytes ? get_little(bytes, size) : 0;
}

uint8_t frame_get_u8(struct frame *frame)
{
  return (uint8_t)take_little(frame, 1);
}

uint32_t frame_get_u32(struct frame *frame)
{
  return (uint32_t)take_little(frame, 4);
}

int64_t frame_get_i64(struct frame *frame)
{
  return (int64_t)take_little(frame, 8);
}

const char *frame_get_bytes(struct frame *frame, size_t *size)
{
  *size = frame_get_u32(frame);
  const char *bytes = take(frame, *size);
  if (!bytes)
    *size = 0;
  return bytes ? bytes : "";
}

char *frame_get_text(struct frame *frame)
{
  size_t size;
  const char *bytes = frame_get_bytes(frame, &size);
  return memory_copied(bytes, size);
}

void frame_feed(struct frame_reader *reader, const void *bytes, size_t size)
{
  buffer_drop_front(&reader->bytes, reader->at);
  reader->at = 0;
  if (!reader->bytes.size_bytes && reader->bytes.capacity_bytes > KEPT_MAX_BYTES)
    buffer_clear(&reader->bytes); /* one large frame is no reason to keep its memory for ever */
  buffer_append(&reader->bytes, bytes, size);
}

int frame_next(struct frame_reader *reader, struct frame *frame)
{
  size_t left = reader->bytes.size_bytes - reader->at;
  if (left < FRAME_HEAD_BYTES)
    return 0;
  const char *head = reader->bytes.data + reader->at;
  size_t size = (size_t)get_little(head, 4);
  if (size > FRAME_MAX_BYTES)
    return -EPROTO;
  if (left - FRAME_HEAD_BYTES < size)
    return 0;
  *frame = (struct frame){
      .kind = (uint8_t)head[4], .body = head + FRAME_HEAD_BYTES, .size_bytes = size};
  reader->at += FRAME_HEAD_BYTES + size;
  return 1;
}

bool frame_is_announced(const struct frame_reader *reader, uint8_t *kind, size_t *size_bytes)
{
  if (reader->bytes.size_bytes - reader->at < FRAME_HEAD_BYTES)
    return false;
  const char *head = reader->bytes.data + reader->at;
  *size_bytes = (size_t)get_little(head, 4);
  *kind = (uint8_t)head[4];
  return true;
}

void frame_reader_clear(struct frame_reader *reader)
{
  buffer_clear(&reader->bytes);
  reader->at = 0;
}
