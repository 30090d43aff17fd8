/* Frames between the host and its helper processes over a socket pair: length
 * of the body (4 bytes, little endian), kind (1 byte), body. Many frames go in
 * one write. A body is a run of fields, written and read in the same order;
 * base/worker_frames.h lists them.
 *
 * Writing:  size_t at = frame_begin(&out, kind); frame_put_…(&out, …); frame_end(&out, at);
 * Reading:  frame_feed(&reader, bytes, n);
 *           while ((rc = frame_next(&reader, &frame)) > 0) { frame_get_…(&frame) … }
 *           A get past the end gives 0 or "" and sets frame.bad; check it once. */
#ifndef KAALUA_BASE_FRAME_H
#define KAALUA_BASE_FRAME_H

#include "base/buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { FRAME_MAX_BYTES = 64 * 1024 * 1024, FRAME_HEAD_BYTES = 5 };

/* Starts a frame in `out`; returns its place for frame_end(). */
size_t frame_begin(struct buffer *out, uint8_t kind);
void frame_put_u8(struct buffer *out, uint8_t value);
void frame_put_u32(struct buffer *out, uint32_t value);
void frame_put_i64(struct buffer *out, int64_t value);
void frame_put_bytes(struct buffer *out, const void *bytes, size_t size);
void frame_put_text(struct buffer *out, const char *text); /* NULL counts as "" */
void frame_end(struct buffer *out, size_t place);

struct frame {
  uint8_t kind;
  const char *body; /* borrowed from the reader until its next feed */
  size_t size_bytes;
  size_t at; /* of the next field */
  bool bad;  /* a field was asked for that is not there */
};

uint8_t frame_get_u8(struct frame *frame);
uint32_t frame_get_u32(struct frame *frame);
int64_t frame_get_i64(struct frame *frame);

/* Returns the field's first byte, borrowed and not NUL-terminated. */
const char *frame_get_bytes(struct frame *frame, size_t *size);

/* Returns the field as a C string, owned, free() it. */
char *frame_get_text(struct frame *frame);

struct frame_reader {
  struct buffer bytes;
  size_t at;
};

/* Appends received bytes; frames given out before are no longer valid. */
void frame_feed(struct frame_reader *reader, const void *bytes, size_t size);

/* Returns 1 with the next whole frame, 0 where more bytes are needed, -EPROTO
 * where the other side does not speak frames. */
int frame_next(struct frame_reader *reader, struct frame *frame);

/* What the next frame is to be, once its head is there: its kind and the size of its body,
 * of which not all needs to have come. */
bool frame_is_announced(const struct frame_reader *reader, uint8_t *kind, size_t *size_bytes);

void frame_reader_clear(struct frame_reader *reader);

#endif
