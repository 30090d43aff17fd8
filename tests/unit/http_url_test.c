/* Which server a URL names, and which entries of needs.net name it. */
#include "base/http_url.h"

#include "base/http_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void reads_scheme_host_and_port(void **state)
{
  static const struct {
    const char *text, *host;
    bool is_tls;
    int port;
  } cases[] = {
      {"http://example.org", "example.org", false, 80},
      {"https://Example.ORG/a?b=c#d", "example.org", true, 443},
      {"HTTPS://a-b_c.example:8443?x", "a-b_c.example", true, 8443},
      {"http://127.0.0.1:1#f", "127.0.0.1", false, 1},
      {"http://[::1]:65535/", "[::1]", false, 65535},
      {"https://[FE80::1]/", "[fe80::1]", true, 443},
      {"http://example.org/a@b:c", "example.org", false, 80},
  };
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct http_url url;
    assert_null(http_url_read(cases[i].text, &url));
    assert_string_equal(url.host, cases[i].host);
    assert_int_equal(url.is_tls, cases[i].is_tls);
    assert_int_equal(url.port, cases[i].port);
  }
}

static void refuses_what_could_be_read_in_two_ways(void **state)
{
  static const char *const texts[] = {
      "",
      "example.org",
      "ftp://example.org/",
      "file:///etc/passwd",
      "http:/example.org",
      "http://",
      "http:///path",
      "http://:80/",
      "http://me@example.org/",
      "http://me:secret@example.org/",
      "http://good.org@evil.org/",
      "http://good.org\\@evil.org/",
      "http://good.org%2eevil.org/",
      "http://good.org;evil.org/",
      "http://good.org:80:81/",
      "http://example.org:/",
      "http://example.org:0/",
      "http://example.org:65536/",
      "http://example.org:080808/",
      "http://example.org:8a/",
      "http://example.org:-1/",
      "http://[::1/",
      "http://::1/",
      "http://[::1]evil.org/",
      "http://[]/",
      "http://[fe80::1%25eth0]/",
      "http://example.org/a b",
      "http://example.org/\n",
      "http://example.org/\x7f",
      "http://ex\xc3\xa4mple.org/",
      " http://example.org/",
  };
  struct http_url url;
  (void)state;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (!http_url_read(texts[i], &url))
      fail_msg("read: %s", texts[i]);
}

static void refuses_what_is_too_long(void **state)
{
  char text[HTTP_URL_MAX_BYTES + 2];
  struct http_url url;
  (void)state;
  memset(text, 'a', sizeof text);
  memcpy(text, "http://a/", 9);
  text[HTTP_URL_MAX_BYTES] = '\0';
  assert_null(http_url_read(text, &url));
  text[HTTP_URL_MAX_BYTES] = 'a';
  text[HTTP_URL_MAX_BYTES + 1] = '\0';
  assert_non_null(http_url_read(text, &url));
  snprintf(text, sizeof text, "http://%0256d/", 0);
  assert_non_null(http_url_read(text, &url));
}

static bool is_named(const char *text, const char *entry)
{
  struct http_url url;
  assert_null(http_url_read(text, &url));
  return http_url_is_named(&url, entry);
}

static void names_a_server_by_host_and_port(void **state)
{
  (void)state;
  assert_true(is_named("https://example.org/", "example.org"));
  assert_true(is_named("http://EXAMPLE.org/", "Example.Org"));
  assert_true(is_named("https://example.org:8443/", "example.org:8443"));
  assert_true(is_named("http://[::1]/", "[::1]"));
  assert_true(is_named("http://[::1]:81/", "[::1]:81"));
  assert_false(is_named("https://example.org:8443/", "example.org"));
  assert_false(is_named("https://example.org:80/", "example.org"));
  assert_false(is_named("https://example.org/", "example.org:8443"));
  assert_false(is_named("https://example.org.evil.net/", "example.org"));
  assert_false(is_named("https://notexample.org/", "example.org"));
  assert_false(is_named("https://example.org./", "example.org"));
  assert_false(is_named("https://example.org/", ""));
  assert_false(is_named("https://example.org/", "example.org:x"));
}

static void names_all_below_a_host(void **state)
{
  (void)state;
  assert_true(is_named("https://a.example.org/", "*.example.org"));
  assert_true(is_named("https://a.b.example.org/", "*.example.org"));
  assert_true(is_named("http://a.example.org:81/", "*.example.org:81"));
  assert_false(is_named("https://example.org/", "*.example.org"));
  assert_false(is_named("https://notexample.org/", "*.example.org"));
  assert_false(is_named("https://a.example.org.evil.net/", "*.example.org"));
  assert_false(is_named("https://a.example.org:81/", "*.example.org"));
}

static void writes_the_entry_that_names_it(void **state)
{
  static const char *const cases[][2] = {{"https://Example.org/", "example.org"},
                                         {"http://example.org:443/", "example.org:443"},
                                         {"http://[::1]:81/", "[::1]:81"}};
  (void)state;
  for (size_t i = 0; i < 3; i++) {
    struct http_url url;
    char entry[HTTP_URL_ENTRY_BYTES];
    assert_null(http_url_read(cases[i][0], &url));
    http_url_write_entry(&url, entry);
    assert_string_equal(entry, cases[i][1]);
    assert_true(http_url_is_named(&url, entry));
  }
}

static void shows_no_query(void **state)
{
  char text[400], *place = http_url_place("GET", "http://a/b?key=secret#c");
  (void)state;
  assert_string_equal(place, "GET http://a/b");
  free(place);
  snprintf(text, sizeof text, "http://a/%0300d", 0);
  place = http_url_place("PUT", text);
  assert_int_equal(strlen(place), 4 + 200 + 3);
  free(place);
}

static const char *header_fault(const char *name, const char *value)
{
  return http_text_header_fault(name, strlen(name), value, strlen(value));
}

static void takes_headers_that_are_the_handlers(void **state)
{
  (void)state;
  assert_null(header_fault("X-Api_Key.1", "a: b\t\xc3\xa4"));
  assert_null(header_fault("Accept", ""));
  assert_non_null(header_fault("", "a"));
  assert_non_null(header_fault("A B", "a"));
  assert_non_null(header_fault("A:", "a"));
  assert_non_null(header_fault("A\r\nB", "a"));
  assert_non_null(header_fault("A", "b\r\nHost: c"));
  assert_non_null(http_text_header_fault("A", 1, "b\0c", 3));
  assert_non_null(header_fault("host", "a"));
  assert_non_null(header_fault("Content-Length", "1"));
  assert_non_null(header_fault("TRANSFER-ENCODING", "chunked"));
  assert_non_null(header_fault("Proxy-Authorization", "a"));
}

static void takes_methods(void **state)
{
  (void)state;
  assert_true(http_text_is_method("GET"));
  assert_true(http_text_is_method("PROPFIND"));
  assert_false(http_text_is_method(""));
  assert_false(http_text_is_method("get"));
  assert_false(http_text_is_method("GET /x HTTP"));
  assert_false(http_text_is_method("CONNECT"));
  assert_false(http_text_is_method("TRACE"));
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reads_scheme_host_and_port),
      cmocka_unit_test(refuses_what_could_be_read_in_two_ways),
      cmocka_unit_test(refuses_what_is_too_long),
      cmocka_unit_test(names_a_server_by_host_and_port),
      cmocka_unit_test(names_all_below_a_host),
      cmocka_unit_test(writes_the_entry_that_names_it),
      cmocka_unit_test(shows_no_query),
      cmocka_unit_test(takes_headers_that_are_the_handlers),
      cmocka_unit_test(takes_methods),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
