/* What the storage in memory remembers, and for how long. */
#include "memory_storage.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int64_t wall(void)
{
  return 1234567;
}

static struct command make(const char *type, int64_t id, const char *payload)
{
  struct command command = {.key = {"E1", type, id}};
  command.digest[0] = (uint8_t)id;
  command.result.status = 200;
  command.result.reason = memory_text("OK");
  command.result.payload = memory_text(payload);
  command.result.payload_bytes = payload ? strlen(payload) : 0;
  return command;
}

static struct storage_record *submit(struct memory_storage *storage, enum change_kind kind,
                                     struct command *command)
{
  struct change change = {.kind = kind, .command = command};
  memory_storage_submit(storage, &change, 1);
  return change.found;
}

static void confirm(struct memory_storage *storage, const char *type, int64_t id,
                    const char *payload)
{
  struct command command = make(type, id, payload);
  assert_null(submit(storage, CHANGE_CONFIRM, &command));
  command_result_clear(&command.result);
}

static struct storage_record *look(struct memory_storage *storage, const char *type, int64_t id)
{
  struct command command = {.key = {"E1", type, id}};
  return submit(storage, CHANGE_ACCEPT, &command);
}

static bool knows(struct memory_storage *storage, const char *type, int64_t id)
{
  struct storage_record *record = look(storage, type, id);
  storage_record_destroy(record);
  return record != NULL;
}

static void it_finds_what_is_confirmed_or_refused(void **unused)
{
  (void)unused;
  struct memory_storage *storage =
      memory_storage_create(&(struct memory_storage_options){.wall_ms = wall});
  assert_false(knows(storage, "a", 1));
  confirm(storage, "a", 1, "{}");
  struct command command = make("a", 2, NULL);
  assert_null(submit(storage, CHANGE_RUN, &command));
  assert_null(submit(storage, CHANGE_REQUEUE, &command));
  assert_null(submit(storage, CHANGE_DONE, &command));
  assert_false(knows(storage, "a", 2)); /* not over yet */
  assert_null(submit(storage, CHANGE_REFUSE, &command));
  command_result_clear(&command.result);

  struct storage_record *record = look(storage, "a", 1);
  assert_int_equal(record->state, COMMAND_CONFIRMED);
  assert_int_equal(record->digest[0], 1);
  assert_int_equal(record->done_wall_ms, 1234567);
  assert_int_equal(record->result.status, 200);
  assert_string_equal(record->result.reason, "OK");
  assert_string_equal(record->result.payload, "{}");
  assert_int_equal(record->result.payload_bytes, 2);
  storage_record_destroy(record);
  record = look(storage, "a", 2);
  assert_int_equal(record->state, COMMAND_REFUSED);
  assert_null(record->result.payload);
  storage_record_destroy(record);
  assert_false(knows(storage, "b", 1));
  memory_storage_destroy(storage);
  memory_storage_destroy(NULL);
  storage_record_destroy(NULL);
}

static void keys_are_compared_as_text(void **unused)
{
  (void)unused;
  struct memory_storage *storage =
      memory_storage_create(&(struct memory_storage_options){.wall_ms = wall});
  confirm(storage, "RESET", 1, NULL);
  char type[] = "RESET";
  assert_true(knows(storage, type, 1));
  assert_false(knows(storage, "RESET_ALL", 1));
  assert_false(knows(storage, "RESET", -1));
  memory_storage_destroy(storage);
}

static void replacing_forgets(void **unused)
{
  (void)unused;
  struct memory_storage *storage =
      memory_storage_create(&(struct memory_storage_options){.wall_ms = wall});
  confirm(storage, "a", 1, "1");
  struct command command = {.key = {"E1", "a", 1}};
  assert_null(submit(storage, CHANGE_REPLACE, &command));
  assert_null(submit(storage, CHANGE_REPLACE, &command));
  assert_false(knows(storage, "a", 1));
  confirm(storage, "a", 1, "2");
  confirm(storage, "a", 1, "3"); /* the last one counts */
  struct storage_record *record = look(storage, "a", 1);
  assert_string_equal(record->result.payload, "3");
  storage_record_destroy(record);
  memory_storage_destroy(storage);
}

static void the_oldest_record_goes_first(void **unused)
{
  (void)unused;
  struct memory_storage *storage =
      memory_storage_create(&(struct memory_storage_options){.wall_ms = wall, .max_records = 3});
  for (int id = 1; id <= 5; id++)
    confirm(storage, "a", id, "1");
  for (int id = 1; id <= 5; id++)
    assert_int_equal(knows(storage, "a", id), id >= 3);
  memory_storage_destroy(storage);
}

static void the_oldest_payload_goes_first(void **unused)
{
  (void)unused;
  struct memory_storage *storage = memory_storage_create(
      &(struct memory_storage_options){.wall_ms = wall, .max_payload_bytes = 10});
  confirm(storage, "a", 1, "1111");
  confirm(storage, "a", 2, NULL);
  confirm(storage, "a", 3, "3333");
  confirm(storage, "a", 4, "4444");
  for (int id = 1; id <= 4; id++) {
    struct storage_record *record = look(storage, "a", id);
    assert_int_equal(record->result.payload != NULL, id >= 3);
    assert_string_equal(record->result.reason, "OK");
    storage_record_destroy(record);
  }
  confirm(storage, "a", 5, "55555555555555"); /* more than there is room for */
  struct storage_record *record = look(storage, "a", 5);
  assert_null(record->result.payload);
  storage_record_destroy(record);
  confirm(storage, "a", 6, "6");
  record = look(storage, "a", 6);
  assert_non_null(record->result.payload);
  storage_record_destroy(record);
  memory_storage_destroy(storage);
}

static void the_bounds_hold_over_ten_thousands(void **unused)
{
  (void)unused;
  struct memory_storage *storage =
      memory_storage_create(&(struct memory_storage_options){.wall_ms = wall});
  for (int id = 0; id < 30000; id++)
    confirm(storage, "a", id % 25000, "0123456789012345678901234567890123456789"
                                      "0123456789012345678901234567890123456789");
  size_t known = 0, payloads = 0;
  for (int id = 0; id < 25000; id++) {
    struct storage_record *record = look(storage, "a", id);
    known += record != NULL;
    payloads += record && record->result.payload;
    storage_record_destroy(record);
  }
  assert_int_equal(known, 10000);
  assert_int_equal(payloads, 512 * 1024 / 80);
  memory_storage_destroy(storage);
}

static void states_have_names(void **unused)
{
  (void)unused;
  assert_string_equal(command_state_name(COMMAND_RECEIVED), "received");
  assert_string_equal(command_state_name(COMMAND_QUEUED), "queued");
  assert_string_equal(command_state_name(COMMAND_RUNNING), "running");
  assert_string_equal(command_state_name(COMMAND_DONE), "done");
  assert_string_equal(command_state_name(COMMAND_CONFIRMED), "confirmed");
  assert_string_equal(command_state_name(COMMAND_REFUSED), "refused");
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(it_finds_what_is_confirmed_or_refused),
      cmocka_unit_test(keys_are_compared_as_text),
      cmocka_unit_test(replacing_forgets),
      cmocka_unit_test(the_oldest_record_goes_first),
      cmocka_unit_test(the_oldest_payload_goes_first),
      cmocka_unit_test(the_bounds_hold_over_ten_thousands),
      cmocka_unit_test(states_have_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
