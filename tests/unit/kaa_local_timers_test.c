/* Timers: their order, their cancelling, and who gives a context back. */
#include "timers.h"

#include <poll.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct note {
  char *log; /* of NOTES characters */
  char letter;
};

enum { NOTES = 8 };

static void write_letter(void *context)
{
  struct note *note = context;
  note->log[strlen(note->log)] = note->letter;
}

static void write_cleared(void *context)
{
  struct note *note = context;
  note->log[strlen(note->log)] = '-';
}

static void run_all(struct timers *timers)
{
  for (int wait_ms; (wait_ms = timers_wait_ms(timers)) >= 0; timers_run(timers))
    poll(NULL, 0, wait_ms);
}

static void run_in_the_order_of_their_times(void **state)
{
  (void)state;
  char log[NOTES] = "";
  struct note notes[] = {{log, 'a'}, {log, 'b'}, {log, 'c'}, {log, 'd'}};
  struct timers *timers = timers_create();
  assert_int_equal(timers_wait_ms(timers), -1);
  timers_add(timers, 20, write_letter, write_cleared, &notes[2]);
  timers_add(timers, 0, write_letter, write_cleared, &notes[0]);
  timers_add(timers, 20, write_letter, write_cleared, &notes[3]);
  timers_add(timers, 10, write_letter, write_cleared, &notes[1]);
  run_all(timers);
  assert_string_equal(log, "abcd");
  timers_destroy(timers);
  assert_string_equal(log, "abcd");
}

static void are_cancelled_by_number(void **state)
{
  (void)state;
  char log[NOTES] = "";
  struct note notes[] = {{log, 'a'}, {log, 'b'}, {log, 'c'}};
  struct timers *timers = timers_create();
  uint64_t numbers[3];
  for (int i = 0; i < 3; i++)
    numbers[i] = timers_add(timers, 1, write_letter, NULL, &notes[i]);
  timers_cancel(timers, numbers[2]);
  timers_cancel(timers, numbers[0]);
  timers_add(timers, 1, write_letter, NULL, &notes[2]); /* behind the last that is left */
  run_all(timers);
  timers_cancel(timers, numbers[1]);
  assert_string_equal(log, "bc");
  timers_destroy(timers);
}

static void give_their_contexts_back_at_the_end(void **state)
{
  (void)state;
  char log[NOTES] = "";
  struct note notes[] = {{log, 'a'}, {log, 'b'}};
  struct timers *timers = timers_create();
  timers_add(timers, 60000, write_letter, write_cleared, &notes[0]);
  timers_add(timers, 60000, write_letter, NULL, &notes[1]);
  timers_destroy(timers);
  assert_string_equal(log, "-");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(run_in_the_order_of_their_times),
      cmocka_unit_test(are_cancelled_by_number),
      cmocka_unit_test(give_their_contexts_back_at_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
