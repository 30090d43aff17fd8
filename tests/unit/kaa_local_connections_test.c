/* The plugin's table of connections. */
#include "connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Only compared, never followed. */
static const struct mosquitto *client(uintptr_t n)
{
  return (const struct mosquitto *)(n * 64);
}

static void are_numbered_anew_each_time(void **state)
{
  (void)state;
  struct connections *connections = connections_create();
  assert_int_equal(connections_any(connections), 0);
  assert_int_equal(connections_add(connections, client(1), "a"), 1);
  assert_int_equal(connections_add(connections, client(2), "a"), 2); /* takes the id over */
  assert_int_equal(connections_number(connections, client(1)), 1);
  assert_int_equal(connections_number(connections, client(3)), 0);
  connections_remove(connections, 1);
  connections_remove(connections, 1);
  assert_null(connections_id(connections, 1));
  assert_string_equal(connections_id(connections, 2), "a");
  assert_int_equal(connections_any(connections), 2);
  connections_destroy(connections);
}

static void forget_who_had_the_same_address_in_memory(void **state)
{
  (void)state;
  struct connections *connections = connections_create();
  connections_add(connections, client(1), "a");
  assert_int_equal(connections_add(connections, client(1), "b"), 2);
  assert_null(connections_id(connections, 1));
  assert_string_equal(connections_id(connections, 2), "b");
  connections_destroy(connections);
}

static void hold_many(void **state)
{
  (void)state;
  enum { MANY = 1000 };
  struct connections *connections = connections_create();
  for (uintptr_t i = 1; i <= MANY; i++)
    connections_add(connections, client(i), "x");
  for (int64_t i = 1; i <= MANY; i += 2)
    connections_remove(connections, i);
  for (uintptr_t i = 1; i <= MANY; i++)
    assert_int_equal(connections_number(connections, client(i)), i % 2 ? 0 : i);
  connections_destroy(connections);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(are_numbered_anew_each_time),
      cmocka_unit_test(forget_who_had_the_same_address_in_memory),
      cmocka_unit_test(hold_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
