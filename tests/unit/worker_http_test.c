/* kaa.http in the real program, with a host that answers as the tests want: the frame, what the
 * handler gets, and what else happens while it waits. */
#include "worker_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define GET "return { needs = { 'net', 'write' }, run = function(c)\n" \
            "  local r, m, x = kaa.http(c.payload)\n" \
            "  local got = r or x\n" \
            "  return r and 200 or 502, m, got and { got.status, got.body, got.headers.x } end }"

static void expect_answer(struct peer *peer, int64_t job, int64_t status, const char *reason,
                          const char *payload)
{
  struct finished finished = peer_expect_finished(peer);
  assert_string_equal(finished.reason, reason);
  assert_int_equal(finished.status, status);
  assert_int_equal(finished.job, job);
  assert_string_equal(finished.payload ? finished.payload : "(none)",
                      payload ? payload : "(none)");
  finished_clear(&finished);
}

static void expect_text(struct frame *frame, const char *expected)
{
  char *text = frame_get_text(frame);
  assert_string_equal(text, expected);
  free(text);
}

static uint32_t expect_request(struct peer *peer)
{
  struct frame frame = peer_expect(peer, WORKER_HTTP);
  return frame_get_u32(&frame);
}

static void put_fields(struct buffer *out, uint32_t call, const char *failure, uint32_t status)
{
  frame_put_u32(out, call);
  frame_put_text(out, failure);
  frame_put_text(out, "GET http://a");
  frame_put_u32(out, status);
  frame_put_text(out, status ? "Fine" : "");
  frame_put_u32(out, 1);
  frame_put_text(out, "x");
  frame_put_text(out, "y");
  frame_put_i64(out, 4);
  frame_put_bytes(out, "bo\0y", 4);
}

static void answer(struct peer *peer, uint32_t call, const char *failure, uint32_t status,
                   size_t left_out)
{
  struct buffer out = {0};
  size_t at = frame_begin(&out, WORKER_FETCHED);
  put_fields(&out, call, failure, status);
  out.size_bytes -= left_out;
  frame_end(&out, at);
  peer_send(peer, &out);
  buffer_clear(&out);
}

static void tells_the_host_what_is_asked(void **state)
{
  struct peer peer;
  size_t size;
  (void)state;
  peer_load(&peer, GET, "{}");
  peer_send_command(&peer, 7,
                    "{\"id\":7,\"payload\":{\"url\":\"https://a/b?c\",\"method\":\"PUT\","
                    "\"headers\":{\"X-A\":\"b\"},\"body\":\"text\",\"timeout_s\":1.5,"
                    "\"max_bytes\":9}}");
  struct frame frame = peer_expect(&peer, WORKER_HTTP);
  frame_get_u32(&frame);
  assert_int_equal(frame_get_i64(&frame), 7);
  expect_text(&frame, "PUT");
  expect_text(&frame, "https://a/b?c");
  assert_int_equal(frame_get_u32(&frame), 1);
  expect_text(&frame, "X-A: b");
  assert_int_equal(frame_get_u8(&frame), 1);
  assert_memory_equal(frame_get_bytes(&frame, &size), "text", 4);
  assert_int_equal(size, 4);
  expect_text(&frame, "");
  expect_text(&frame, "");
  assert_int_equal(frame_get_i64(&frame), 9);
  assert_int_equal(frame_get_i64(&frame), 1500);
  assert_int_equal(frame_get_u8(&frame), 0);
  assert_false(frame.bad);
  assert_int_equal(frame.at, frame.size_bytes);
  peer_stop(&peer);
}

static void runs_the_next_command_after_it_and_takes_its_own_answer(void **state)
{
  struct peer peer;
  (void)state;
  peer_load(&peer, GET, "{}");
  peer_send_command(&peer, 7, "{\"id\":7,\"payload\":{\"url\":\"http://a\"}}");
  uint32_t call = expect_request(&peer);
  peer_send_command(&peer, 8, "{\"id\":8,\"payload\":{}}");
  answer(&peer, call - 1, "of a call before", 0, 0);
  answer(&peer, call + 1, "of none", 0, 0);
  answer(&peer, call, "", 299, 0);
  expect_answer(&peer, 7, 200, "OK",
                "[299,\"bo\\u0000y\",\"y\"]");
  struct finished finished = peer_expect_finished(&peer);
  assert_int_equal(finished.job, 8);
  assert_int_equal(finished.status, 500);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void gives_nil_and_a_message_for_all_else(void **state)
{
  struct peer peer;
  (void)state;
  peer_load(&peer, GET, "{}");
  for (int i = 0; i < 3; i++) {
    peer_send_command(&peer, 7, "{\"id\":7,\"payload\":{\"url\":\"http://a\"}}");
    uint32_t call = expect_request(&peer);
    answer(&peer, call, i ? "" : "no route", i ? 300 : 0, i == 2 ? 5 : 0);
    if (i == 0)
      expect_answer(&peer, 7, 502, "GET http://a: no route", NULL);
    else if (i == 1)
      expect_answer(&peer, 7, 502, "GET http://a answered 300 Fine",
                    "[300,\"bo\\u0000y\",\"y\"]");
    else
      expect_answer(&peer, 7, 502, "kaa.http: the host's answer is broken", NULL);
  }
  peer_stop(&peer);
}

static void asks_nobody_where_its_file_cannot_be_handed_over(void **state)
{
  struct peer peer; /* gives no WORKER_DESCRIPTORS_FD */
  (void)state;
  peer_load(&peer, GET, "{}");
  peer_send_command(&peer, 7,
                    "{\"id\":7,\"payload\":{\"url\":\"http://a\",\"file\":\"/tmp/worker_http\"}}");
  struct finished finished = peer_expect_finished(&peer);
  assert_int_equal(finished.status, 502);
  assert_memory_equal(finished.reason, "/tmp/worker_http: ", 18);
  finished_clear(&finished);
  peer_stop(&peer);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tells_the_host_what_is_asked),
      cmocka_unit_test(runs_the_next_command_after_it_and_takes_its_own_answer),
      cmocka_unit_test(gives_nil_and_a_message_for_all_else),
      cmocka_unit_test(asks_nobody_where_its_file_cannot_be_handed_over),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
