#include "memory_storage.h"

#include "base/memory.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { DEFAULT_MAX_RECORDS = 10000, DEFAULT_MAX_PAYLOAD_BYTES = 512 * 1024 };

/* Small on purpose: ten thousand of them are at rest in a device. */
struct record {
  struct command_key key; /* first: the tree compares through it; texts behind the reason */
  TAILQ_ENTRY(record) age;
  int64_t over_wall_ms;
  char *payload;
  uint32_t payload_bytes;
  int16_t status;
  uint8_t state;
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  char reason[];
};

TAILQ_HEAD(record_list, record);

struct memory_storage {
  struct memory_storage_options options;
  void *tree;
  struct record_list by_age; /* the oldest first */
  struct record *payloads;   /* the oldest that may have a payload; NULL: none has */
  size_t records;
  size_t payload_bytes;
};

static int compare(const void *a, const void *b)
{
  return command_key_compare(a, b);
}

struct memory_storage *memory_storage_create(const struct memory_storage_options *options)
{
  struct memory_storage *storage = memory_zeroed(1, sizeof *storage);
  storage->options = *options;
  if (!storage->options.max_records)
    storage->options.max_records = DEFAULT_MAX_RECORDS;
  if (!storage->options.max_payload_bytes)
    storage->options.max_payload_bytes = DEFAULT_MAX_PAYLOAD_BYTES;
  TAILQ_INIT(&storage->by_age);
  return storage;
}

static void drop_payload(struct memory_storage *storage, struct record *record)
{
  storage->payload_bytes -= record->payload_bytes;
  free(record->payload);
  record->payload = NULL;
  record->payload_bytes = 0;
}

static void forget(struct memory_storage *storage, struct record *record)
{
  if (storage->payloads == record)
    storage->payloads = TAILQ_NEXT(record, age);
  drop_payload(storage, record);
  tdelete(record, &storage->tree, compare);
  TAILQ_REMOVE(&storage->by_age, record, age);
  storage->records--;
  free(record);
}

static void free_record(void *node)
{
  struct record *record = node;
  free(record->payload);
  free(record);
}

void memory_storage_destroy(struct memory_storage *storage)
{
  if (!storage)
    return;
  tdestroy(storage->tree, free_record);
  free(storage);
}

static struct record *find(struct memory_storage *storage, const struct command_key *key)
{
  void *node = tfind(key, &storage->tree, compare);
  return node ? *(struct record **)node : NULL;
}

static struct storage_record *copy_out(const struct record *record)
{
  struct storage_record *out = memory_zeroed(1, sizeof *out);
  out->state = (enum command_state)record->state;
  memcpy(out->digest, record->digest, sizeof out->digest);
  out->done_wall_ms = record->over_wall_ms;
  out->result.status = record->status;
  out->result.reason = memory_text(record->reason);
  if (record->payload) {
    out->result.payload = memory_copied(record->payload, record->payload_bytes);
    out->result.payload_bytes = record->payload_bytes;
  }
  return out;
}

static void keep_bounds(struct memory_storage *storage)
{
  while (storage->records > storage->options.max_records)
    forget(storage, TAILQ_FIRST(&storage->by_age));
  while (storage->payloads && storage->payload_bytes > storage->options.max_payload_bytes) {
    drop_payload(storage, storage->payloads);
    storage->payloads = TAILQ_NEXT(storage->payloads, age);
  }
}

static void remember(struct memory_storage *storage, const struct command *command,
                     enum command_state state)
{
  struct record *old = find(storage, &command->key);
  if (old)
    forget(storage, old);
  const struct command_result *result = &command->result;
  const char *reason = result->reason ? result->reason : "";
  const struct command_key *key = &command->key;
  size_t reason_size = strlen(reason) + 1;
  size_t endpoint_size = strlen(key->endpoint) + 1, type_size = strlen(key->type) + 1;
  struct record *record =
      memory_zeroed(1, sizeof *record + reason_size + endpoint_size + type_size);
  char *endpoint = record->reason + reason_size, *type = endpoint + endpoint_size;
  memcpy(endpoint, key->endpoint, endpoint_size);
  memcpy(type, key->type, type_size);
  record->key = (struct command_key){.endpoint = endpoint, .type = type, .id = key->id};
  memcpy(record->digest, command->digest, sizeof record->digest);
  record->over_wall_ms = storage->options.wall_ms();
  record->status = (int16_t)result->status;
  record->state = (uint8_t)state;
  memcpy(record->reason, reason, reason_size);
  if (result->payload) {
    record->payload = memory_copied(result->payload, result->payload_bytes);
    record->payload_bytes = (uint32_t)result->payload_bytes;
    storage->payload_bytes += result->payload_bytes;
  }
  tsearch(record, &storage->tree, compare);
  TAILQ_INSERT_TAIL(&storage->by_age, record, age);
  if (!storage->payloads)
    storage->payloads = record;
  storage->records++;
  keep_bounds(storage);
}

void memory_storage_submit(void *context, struct change *changes, size_t count)
{
  struct memory_storage *storage = context;
  for (size_t i = 0; i < count; i++) {
    struct command *command = changes[i].command;
    struct record *record;
    switch (changes[i].kind) {
    case CHANGE_ACCEPT:
      record = find(storage, &command->key);
      changes[i].found = record ? copy_out(record) : NULL;
      changes[i].is_left = changes[i].is_left && !record;
      break;
    case CHANGE_REPLACE:
      if (!changes[i].is_left && (record = find(storage, &command->key)))
        forget(storage, record);
      break;
    case CHANGE_CONFIRM: remember(storage, command, COMMAND_CONFIRMED); break;
    case CHANGE_REFUSE: remember(storage, command, COMMAND_REFUSED); break;
    case CHANGE_DROP: remember(storage, command, COMMAND_DROPPED); break;
    case CHANGE_RUN:
    case CHANGE_REQUEUE:
    case CHANGE_DONE:
    case CHANGE_SAVE:
    case CHANGE_WAIT:
    case CHANGE_WAKE: break; /* the core holds what is alive */
    case CHANGE_LISTED:
    case CHANGE_ANSWERED:
    case CHANGE_KEEP:
    case CHANGE_RELEASE: break;
    }
  }
}
