#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void put_sample(struct buffer *out, uint8_t kind, const char *text)
{
  size_t place = frame_begin(out, kind);
  frame_put_u8(out, 0xff);
  frame_put_u32(out, UINT32_MAX);
  frame_put_i64(out, INT64_MIN);
  frame_put_bytes(out, "a\0b", 3);
  frame_put_text(out, text);
  frame_put_text(out, NULL);
  frame_end(out, place);
}

static void assert_sample(struct frame *frame, uint8_t kind, const char *text)
{
  assert_int_equal(frame->kind, kind);
  assert_int_equal(frame_get_u8(frame), 0xff);
  assert_int_equal(frame_get_u32(frame), UINT32_MAX);
  assert_true(frame_get_i64(frame) == INT64_MIN);
  size_t size;
  const char *bytes = frame_get_bytes(frame, &size);
  assert_int_equal(size, 3);
  assert_memory_equal(bytes, "a\0b", 3);
  char *got = frame_get_text(frame);
  assert_string_equal(got, text);
  free(got);
  got = frame_get_text(frame);
  assert_string_equal(got, "");
  free(got);
  assert_false(frame->bad);
  assert_int_equal(frame->at, frame->size_bytes);
}

static void the_layout_is_length_kind_body_little_endian(void **state)
{
  (void)state;
  struct buffer out = {0};
  size_t place = frame_begin(&out, 'K');
  frame_put_u32(&out, 0x01020304);
  frame_put_text(&out, "hi");
  frame_end(&out, place);
  static const char expected[] = "\x0a\0\0\0K\x04\x03\x02\x01\x02\0\0\0hi";
  assert_int_equal(out.size_bytes, sizeof expected - 1);
  assert_memory_equal(out.data, expected, sizeof expected - 1);
  buffer_clear(&out);
}

static void many_frames_in_one_feed_come_out_in_order(void **state)
{
  (void)state;
  struct buffer out = {0};
  for (int i = 0; i < 300; i++)
    put_sample(&out, (uint8_t)i, i % 2 ? "odd" : "");
  struct frame_reader reader = {0};
  frame_feed(&reader, out.data, out.size_bytes);
  struct frame frame;
  for (int i = 0; i < 300; i++) {
    assert_int_equal(frame_next(&reader, &frame), 1);
    assert_sample(&frame, (uint8_t)i, i % 2 ? "odd" : "");
  }
  assert_int_equal(frame_next(&reader, &frame), 0);
  frame_reader_clear(&reader);
  buffer_clear(&out);
}

static void bytes_one_by_one_make_the_same_frames(void **state)
{
  (void)state;
  struct buffer out = {0};
  put_sample(&out, 1, "first");
  frame_end(&out, frame_begin(&out, 2)); /* an empty body */
  put_sample(&out, 3, "third");
  struct frame_reader reader = {0};
  struct frame frame;
  int frames = 0;
  for (size_t i = 0; i < out.size_bytes; i++) {
    char *one = malloc(1); /* so that a sanitizer sees a read past it */
    *one = out.data[i];
    frame_feed(&reader, one, 1);
    free(one);
    while (frame_next(&reader, &frame) == 1) {
      frames++;
      assert_int_equal(frame.kind, frames);
      if (frame.kind == 2)
        assert_int_equal(frame.size_bytes, 0);
      else
        assert_sample(&frame, frame.kind, frame.kind == 1 ? "first" : "third");
    }
  }
  assert_int_equal(frames, 3);
  frame_reader_clear(&reader);
  buffer_clear(&out);
}

static void a_field_that_is_not_there_is_bad_and_empty(void **state)
{
  (void)state;
  struct frame empty = {.body = "", .size_bytes = 0};
  assert_int_equal(frame_get_u8(&empty), 0);
  assert_true(empty.bad);

  struct frame three = {.body = "\x01\x02\x03", .size_bytes = 3};
  assert_int_equal(frame_get_u32(&three), 0);
  assert_true(three.bad);
  assert_int_equal(frame_get_u8(&three), 0); /* bad stays bad */

  struct frame eight = {.body = "\1\2\3\4\5\6\7", .size_bytes = 7};
  assert_true(frame_get_i64(&eight) == 0);
  assert_true(eight.bad);
}

static void a_field_longer_than_the_frame_is_bad(void **state)
{
  (void)state;
  static const char *const bodies[] = {"\x04\0\0\0abc",
                                       "\xff\xff\xff\xff"
                                       "abc",
                                       "\xfc\xff\xff\xff"
                                       "abc"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    char *exact = malloc(7);
    memcpy(exact, bodies[i], 7);
    struct frame frame = {.body = exact, .size_bytes = 7};
    size_t size = 99;
    assert_string_equal(frame_get_bytes(&frame, &size), "");
    assert_int_equal(size, 0);
    assert_true(frame.bad);
    char *text = frame_get_text(&frame);
    assert_string_equal(text, "");
    free(text);
    free(exact);
  }
}

static void a_frame_is_announced_by_its_head(void **state)
{
  (void)state;
  static const char head[] = {0x10, 0x27, 0, 0, 'T'};
  struct frame_reader reader = {0};
  uint8_t kind;
  size_t size;
  for (size_t i = 0; i < sizeof head; i++) {
    assert_false(frame_is_announced(&reader, &kind, &size));
    frame_feed(&reader, head + i, 1);
  }
  assert_true(frame_is_announced(&reader, &kind, &size));
  assert_int_equal(kind, 'T');
  assert_int_equal(size, 10000);
  frame_reader_clear(&reader);
}

static void a_frame_over_the_limit_is_no_frame(void **state)
{
  (void)state;
  struct frame_reader reader = {0};
  struct frame frame;
  frame_feed(&reader, "\x01\0\0\x04K", 5); /* one byte over 64 MiB */
  assert_int_equal(frame_next(&reader, &frame), -EPROTO);
  assert_int_equal(frame_next(&reader, &frame), -EPROTO);
  frame_reader_clear(&reader);
  frame_feed(&reader, "\0\0\0\x04K", 5); /* just 64 MiB: waits for them */
  assert_int_equal(frame_next(&reader, &frame), 0);
  frame_reader_clear(&reader);
}

static void a_large_frame_in_pieces_is_whole_and_its_memory_is_given_back(void **state)
{
  (void)state;
  enum { LARGE = 1024 * 1024, PIECE = 1000 };
  char *body = malloc(LARGE);
  for (int i = 0; i < LARGE; i++)
    body[i] = (char)(i * 31 >> 3);
  struct buffer out = {0};
  size_t place = frame_begin(&out, 'L');
  buffer_append(&out, body, LARGE);
  frame_end(&out, place);
  struct frame_reader reader = {0};
  struct frame frame;
  for (size_t i = 0; i < out.size_bytes; i += PIECE) {
    size_t n = out.size_bytes - i < PIECE ? out.size_bytes - i : PIECE;
    assert_int_equal(frame_next(&reader, &frame), 0);
    frame_feed(&reader, out.data + i, n);
  }
  assert_int_equal(frame_next(&reader, &frame), 1);
  assert_int_equal(frame.size_bytes, LARGE);
  assert_memory_equal(frame.body, body, LARGE);
  frame_feed(&reader, "x", 1);
  assert_true(reader.bytes.capacity_bytes < 1024);
  frame_reader_clear(&reader);
  buffer_clear(&out);
  free(body);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_layout_is_length_kind_body_little_endian),
      cmocka_unit_test(many_frames_in_one_feed_come_out_in_order),
      cmocka_unit_test(bytes_one_by_one_make_the_same_frames),
      cmocka_unit_test(a_field_that_is_not_there_is_bad_and_empty),
      cmocka_unit_test(a_field_longer_than_the_frame_is_bad),
      cmocka_unit_test(a_frame_is_announced_by_its_head),
      cmocka_unit_test(a_frame_over_the_limit_is_no_frame),
      cmocka_unit_test(a_large_frame_in_pieces_is_whole_and_its_memory_is_given_back),
  };
  return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
