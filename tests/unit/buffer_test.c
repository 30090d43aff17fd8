#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buffer.h"

#include <stdlib.h>
#include <string.h>

static void an_empty_buffer_holds_an_empty_text(void **state)
{
  (void)state;
  struct buffer b = {0};
  assert_null(b.data);
  buffer_append(&b, NULL, 0);
  assert_null(b.data);
  assert_string_equal(buffer_text(&b), "");
  assert_int_equal(b.size_bytes, 0);
  buffer_clear(&b);
  assert_null(b.data);
  buffer_clear(&b);
}

static void appended_bytes_stand_in_order_across_growth(void **state)
{
  (void)state;
  struct buffer b = {0};
  for (int i = 0; i < 10000; i++)
    buffer_append_char(&b, (char)(i & 0xff));
  assert_int_equal(b.size_bytes, 10000);
  for (int i = 0; i < 10000; i++)
    assert_int_equal((unsigned char)b.data[i], i & 0xff);
  buffer_clear(&b);
}

static void format_appends_whatever_its_length(void **state)
{
  (void)state;
  struct buffer b = {0};
  buffer_format(&b, "%s", "");
  assert_int_equal(b.size_bytes, 0);
  for (int width = 1; width < 300; width++) {
    buffer_reset(&b);
    buffer_append_text(&b, "x=");
    buffer_format(&b, "%*d", width, 7);
    assert_int_equal(b.size_bytes, width + 2);
    assert_int_equal(strlen(buffer_text(&b)), width + 2);
    assert_int_equal(b.data[width + 1], '7');
  }
  buffer_clear(&b);
}

static void room_is_there_to_be_written(void **state)
{
  (void)state;
  struct buffer b = {0};
  buffer_append_text(&b, "ab");
  memset(buffer_room(&b, 100000), 'z', 100000);
  b.size_bytes += 100000;
  assert_memory_equal(b.data, "abzz", 4);
  assert_int_equal(strlen(buffer_text(&b)), 100002);
  buffer_clear(&b);
}

static void take_hands_over_and_empties(void **state)
{
  (void)state;
  struct buffer b = {0};
  buffer_append(&b, "a\0b", 3);
  char *taken = buffer_take(&b);
  assert_memory_equal(taken, "a\0b", 4);
  free(taken);
  assert_null(b.data);
  assert_int_equal(b.size_bytes, 0);
  taken = buffer_take(&b);
  assert_string_equal(taken, "");
  free(taken);
}

static void drop_front_keeps_the_rest(void **state)
{
  (void)state;
  struct buffer b = {0};
  buffer_drop_front(&b, 0);
  buffer_drop_front(&b, 5);
  buffer_append_text(&b, "hello");
  buffer_drop_front(&b, 0);
  assert_string_equal(buffer_text(&b), "hello");
  buffer_drop_front(&b, 2);
  assert_string_equal(buffer_text(&b), "llo");
  buffer_drop_front(&b, 3);
  assert_string_equal(buffer_text(&b), "");
  buffer_append_text(&b, "x");
  buffer_drop_front(&b, 9);
  assert_int_equal(b.size_bytes, 0);
  buffer_clear(&b);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_buffer_holds_an_empty_text),
      cmocka_unit_test(appended_bytes_stand_in_order_across_growth),
      cmocka_unit_test(format_appends_whatever_its_length),
      cmocka_unit_test(room_is_there_to_be_written),
      cmocka_unit_test(take_hands_over_and_empties),
      cmocka_unit_test(drop_front_keeps_the_rest),
  };
  return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
