/* supervision/ceiling.c: which limit is whose, and what of needs lies within it. */
#include "supervision/ceiling.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* JSON with ' for ". */
static json_t *parse(const char *text)
{
  char json[512];
  size_t size = 0;
  for (; text[size] && size + 1 < sizeof json; size++)
    json[size] = text[size] == '\'' ? '"' : text[size];
  json[size] = '\0';
  json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
  assert_non_null(value);
  return value;
}

static void expect_cut(const char *needs, const char *limit, const char *expected)
{
  json_t *given = parse(needs), *most = parse(limit), *wanted = parse(expected);
  json_t *left = ceiling_cut(given, json_is_null(most) ? NULL : most);
  if (!json_equal(left, wanted)) {
    char *shown = json_dumps(left, JSON_SORT_KEYS);
    fail_msg("%s within %s: %s", needs, limit, shown);
  }
  json_decref(left);
  json_decref(wanted);
  json_decref(most);
  json_decref(given);
}

static void needs_are_cut_to_the_limit(void **state)
{
  (void)state;
  expect_cut("{'exec':true,'write':['/srv']}", "null", "{'exec':true,'write':['/srv']}");
  expect_cut("{'exec':true}", "{}", "{}");
  expect_cut("{'exec':true}", "{'write':true}", "{}");
  expect_cut("{'exec':true}", "{'exec':true}", "{'exec':true}");
  expect_cut("{'exec':true}", "{'exec':['/bin/x']}", "{'exec':['/bin/x']}");
  expect_cut("{'exec':['/bin/x','/bin/y']}", "{'exec':['/bin/y','/bin/z']}", "{'exec':['/bin/y']}");
  expect_cut("{'exec':['/bin/x']}", "{'exec':['/bin/y']}", "{}");
  expect_cut("{'exec':['/bin/x/y']}", "{'exec':['/bin/x']}", "{}");
  expect_cut("{'write':['/var/nowhere/x','/var/nowherex']}", "{'write':['/var/nowhere']}",
             "{'write':['/var/nowhere/x']}");
  expect_cut("{'write':['/var']}", "{'write':['/var/tmp']}", "{}");
  expect_cut("{'net':['a.b.org','b.org','xb.org','*.c.b.org','*.org']}", "{'net':['*.b.org']}",
             "{'net':['a.b.org','*.c.b.org']}");
  expect_cut("{'write':['/nowhere']}", "{'write':['/']}", "{'write':['/nowhere']}");
}

static void what_a_worker_makes_up_is_nothing(void **state)
{
  (void)state;
  expect_cut("{'exec':[1,null,{}]}", "{'exec':['/bin/x']}", "{}");
  expect_cut("{'exec':'/bin/x'}", "{'exec':['/bin/x']}", "{}");
  expect_cut("{'exec':{'a':1}}", "{'exec':['/bin/x']}", "{}");
  expect_cut("{'root':true}", "{'exec':true}", "{}");
  expect_cut("[]", "{'exec':true}", "{}");
}

static void a_link_out_of_the_limit_is_nothing(void **state)
{
  char root[] = "/tmp/ceiling-XXXXXX", inside[64], link[80], outside[64], needs[200], limit[200];
  (void)state;
  assert_non_null(mkdtemp(root));
  snprintf(inside, sizeof inside, "%s/in", root);
  snprintf(outside, sizeof outside, "%s/out", root);
  snprintf(link, sizeof link, "%s/link", inside);
  assert_int_equal(mkdir(inside, 0700), 0);
  assert_int_equal(mkdir(outside, 0700), 0);
  assert_int_equal(symlink(outside, link), 0);
  snprintf(needs, sizeof needs, "{'write':['%s']}", link);
  snprintf(limit, sizeof limit, "{'write':['%s']}", inside);
  expect_cut(needs, limit, "{}");
  snprintf(limit, sizeof limit, "{'write':['%s','%s']}", inside, outside);
  expect_cut(needs, limit, needs);
  unlink(link);
  rmdir(inside);
  rmdir(outside);
  rmdir(root);
}

static void expect_limit(const char *ceiling, const char *type, const char *expected)
{
  json_t *all = parse(ceiling), *wanted = parse(expected);
  const json_t *limit = ceiling_of(all, type);
  if (json_is_null(wanted))
    assert_null(limit);
  else
    assert_true(json_equal(limit, wanted));
  json_decref(wanted);
  json_decref(all);
}

static void a_types_own_limit_takes_the_place_of_the_one_for_all(void **state)
{
  static const char ceiling[] =
      "{'all':{'write':true},'handlers':{'reboot':{'exec':true},'none':{},'flash':true}}";
  (void)state;
  expect_limit(ceiling, "reboot", "{'exec':true}");
  expect_limit(ceiling, "none", "{}");
  expect_limit(ceiling, "flash", "null");
  expect_limit(ceiling, "other", "{'write':true}");
  expect_limit("{'handlers':{'reboot':{}}}", "other", "null");
  expect_limit("{'all':true,'handlers':{}}", "other", "null");
  assert_null(ceiling_of(NULL, "other"));
}

static void a_report_is_cut_in_place(void **state)
{
  (void)state;
  json_t *report = parse("{'faults':[],'contract':{'needs':{'exec':true},'run':true}}");
  json_t *limit = parse("{'exec':['/bin/x']}");
  json_t *expected = parse("{'faults':[],'contract':{'needs':{'exec':['/bin/x']},'run':true}}");
  ceiling_apply(report, NULL);
  assert_false(json_equal(report, expected));
  ceiling_apply(report, limit);
  assert_true(json_equal(report, expected));
  json_t *faulty = parse("{'faults':[{}]}");
  ceiling_apply(faulty, limit);
  assert_int_equal(json_object_size(faulty), 1);
  json_decref(faulty);
  json_decref(expected);
  json_decref(limit);
  json_decref(report);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(needs_are_cut_to_the_limit),
      cmocka_unit_test(what_a_worker_makes_up_is_nothing),
      cmocka_unit_test(a_link_out_of_the_limit_is_nothing),
      cmocka_unit_test(a_types_own_limit_takes_the_place_of_the_one_for_all),
      cmocka_unit_test(a_report_is_cut_in_place),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
