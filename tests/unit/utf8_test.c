#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

/* What a decoder written from RFC 3629's table, by code point, says: the number of
 * bytes of the character that starts here, or 0. */
static size_t reference_length(const unsigned char *s, size_t size)
{
  static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (!size)
    return 0;
  size_t n = s[0] < 0x80 ? 1 : s[0] >> 5 == 6 ? 2 : s[0] >> 4 == 14 ? 3 : s[0] >> 3 == 30 ? 4 : 0;
  if (!n || n > size)
    return 0;
  uint32_t c = n == 1 ? s[0] : s[0] & (0x7fu >> n);
  for (size_t i = 1; i < n; i++) {
    if (s[i] >> 6 != 2)
      return 0;
    c = c << 6 | (s[i] & 0x3f);
  }
  return c < smallest[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : n;
}

static void length_agrees_with_the_rfc_for_all_leads(void **state)
{
  (void)state;
  static const unsigned char edges[] = {0x7f, 0x80, 0xbf, 0xc0};
  enum { EDGES = sizeof edges };
  for (int lead = 0; lead < 256; lead++)
    for (int second = 0; second < 256; second++)
      for (int i = 0; i < EDGES * EDGES; i++)
        for (size_t size = 0; size <= 4; size++) {
          unsigned char s[4] = {(unsigned char)lead, (unsigned char)second, edges[i / EDGES],
                                edges[i % EDGES]};
          size_t expected = reference_length(s, size);
          if (utf8_length((const char *)s, size) != expected)
            fail_msg("%02x %02x %02x %02x, %zu bytes: %zu, expected %zu", s[0], s[1], s[2], s[3],
                     size, utf8_length((const char *)s, size), expected);
        }
}

static void length_never_reads_past_the_size(void **state)
{
  (void)state;
  for (size_t size = 1; size <= 3; size++) {
    char *exact = malloc(size);
    memcpy(exact, "\xf0\x9f\x98", size);
    assert_int_equal(utf8_length(exact, size), 0);
    assert_int_equal(utf8_printable_length(exact, size), 0);
    free(exact);
  }
}

static void the_first_fault_is_named(void **state)
{
  (void)state;
  static const struct {
    const char *text;
    size_t position;
  } rows[] = {
      {"\xff", 0},
      {"a\x80", 1},
      {"ab\xc0\xaf", 2},
      {"é\xed\xa0\x80", 2},
      {"😀\xf4\x90\x80\x80", 4},
      {"a\xe2\x82", 1},
      {"\xc3(", 0},
      {"a\xf8\x88\x80\x80\x80", 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    size_t position = 99;
    assert_false(utf8_is_valid(rows[i].text, strlen(rows[i].text), &position));
    assert_int_equal(position, rows[i].position);
    assert_false(utf8_is_valid(rows[i].text, strlen(rows[i].text), NULL));
  }
  assert_true(utf8_is_valid(NULL, 0, NULL));
  assert_true(utf8_is_valid("\0aé€😀\xf4\x8f\xbf\xbf", 15, NULL));
}

static void a_cut_keeps_characters_whole(void **state)
{
  (void)state;
  const char *text = "aé€😀"; /* at 0, 1, 3, 6, ends at 10 */
  static const size_t expected[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
  for (size_t limit = 0; limit < sizeof expected / sizeof *expected; limit++)
    assert_int_equal(utf8_cut(text, 10, limit), expected[limit]);
  assert_int_equal(utf8_cut(NULL, 0, 5), 0);
  assert_int_equal(utf8_cut("\x80\x80\x80\x80\x80\x80\x80", 7, 6), 6); /* no characters at all */
}

static void control_characters_are_not_printable(void **state)
{
  (void)state;
  static const char *const controls[] = {"\x01", "\t",       "\n",       "\x1b",     "\x1f",
                                         "\x7f", "\xc2\x80", "\xc2\x9b", "\xc2\x9f", "\xff"};
  for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
    assert_int_equal(utf8_printable_length(controls[i], strlen(controls[i])), 0);
  assert_int_equal(utf8_printable_length("\0", 1), 0);
  static const char *const printable[] = {" ", "~", "\xc2\xa0", "é", "€", "😀"};
  for (size_t i = 0; i < sizeof printable / sizeof *printable; i++)
    assert_int_equal(utf8_printable_length(printable[i], strlen(printable[i])),
                     strlen(printable[i]));
}

static void made_plain_a_text_is_one_printable_line(void **state)
{
  (void)state;
  char text[] = "a\n\xff\xc2\x9b"
                "é\x7f😀\xf0\x9f";
  utf8_make_plain(text, sizeof text - 1);
  assert_string_equal(text, "a????é?😀??");
  utf8_make_plain(NULL, 0);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(length_agrees_with_the_rfc_for_all_leads),
      cmocka_unit_test(length_never_reads_past_the_size),
      cmocka_unit_test(the_first_fault_is_named),
      cmocka_unit_test(a_cut_keeps_characters_whole),
      cmocka_unit_test(control_characters_are_not_printable),
      cmocka_unit_test(made_plain_a_text_is_one_printable_line),
  };
  return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
