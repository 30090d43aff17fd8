#include "journal/journal_store.h"

#include "base/memory.h"
#include "journal/journal_names.h"
#include "journal/journal_rows.h"

#include <stdio.h>
#include <string.h>

enum { DEVICE = 0 }; /* names begin with 1 */

struct found {
  int64_t one; /* 0: there is none */
  size_t bytes; /* of key and value */
};

static int find(struct journal_database *database, int64_t owner, const char *key,
                struct found *found, char **value, size_t *value_bytes)
{
  *found = (struct found){0};
  sqlite3_stmt *read = journal_database_statement(database, STATEMENT_STORED_READ);
  if (!read)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(read, &at, owner);
  journal_bind_bytes(read, &at, key, strlen(key));
  int rc = journal_database_step(database, read);
  if (rc != SQLITE_ROW)
    return rc;
  size_t size;
  const void *bytes = journal_column_bytes(read, 3, &size);
  rc = journal_stored_sum(owner, key, strlen(key), bytes, size) == sqlite3_column_int64(read, 4)
           ? 0
           : SQLITE_CORRUPT;
  if (rc)
    strcpy(database->fault, "the checksum of what a handler stored does not hold");
  *found = (struct found){sqlite3_column_int64(read, 0), strlen(key) + size};
  if (!rc && value) {
    *value = memory_copied(bytes, size);
    *value_bytes = size;
  }
  sqlite3_reset(read);
  return rc;
}

static int owner_of(struct journal_database *database, const char *owner, bool adds, int64_t *id)
{
  *id = DEVICE;
  if (!owner)
    return 0;
  return adds ? journal_names_put(database, owner, id) : journal_names_find(database, owner, id);
}

int journal_store_get(struct journal_database *database, const char *owner, const char *key,
                      char **value, size_t *value_bytes)
{
  int64_t id;
  struct found found;
  int rc = owner_of(database, owner, false, &id);
  if (rc || (owner && !id))
    return rc;
  return find(database, id, key, &found, value, value_bytes);
}

/* Whether `size` more bytes, in place of what was found, are within the owner's bounds. */
static int measure(struct journal_database *database, int64_t owner, const struct found *found,
                   size_t size, const char **failure)
{
  sqlite3_stmt *sizes = journal_database_statement(database, STATEMENT_STORED_SIZE);
  if (!sizes)
    return SQLITE_ERROR;
  sqlite3_bind_int64(sizes, 1, owner);
  int rc = journal_database_step(database, sizes);
  if (rc != SQLITE_ROW)
    return rc;
  int64_t keys = sqlite3_column_int64(sizes, 0) + !found->one;
  int64_t bytes = sqlite3_column_int64(sizes, 1) - (int64_t)found->bytes + (int64_t)size;
  sqlite3_reset(sizes);
  if (keys > JOURNAL_STORE_KEYS)
    *failure = "the store is full: at most 1000 keys";
  else if (bytes > JOURNAL_STORE_BYTES)
    *failure = "the store is full: at most 1048576 bytes in all";
  return 0;
}

static const char *refusal(const char *key, size_t value_bytes)
{
  size_t size = strlen(key);
  if (!size || size > JOURNAL_STORE_KEY_BYTES)
    return "a key of the store has 1 to 256 bytes";
  return value_bytes > JOURNAL_STORE_VALUE_BYTES ? "a value of the store has at most 65536 bytes"
                                                 : NULL;
}

static int put(struct journal_database *database, int64_t owner, const char *key,
               const char *value, size_t value_bytes, const struct found *found)
{
  sqlite3_stmt *write = journal_database_statement(database, STATEMENT_STORED_PUT);
  if (!write)
    return SQLITE_ERROR;
  size_t key_bytes = strlen(key);
  int at = 0;
  if (found->one)
    journal_bind_integer(write, &at, found->one);
  else
    journal_bind_null(write, &at);
  journal_bind_integer(write, &at, owner);
  journal_bind_bytes(write, &at, key, key_bytes);
  journal_bind_bytes(write, &at, value, value_bytes);
  journal_bind_integer(write, &at, journal_stored_sum(owner, key, key_bytes, value, value_bytes));
  int rc = journal_database_step(database, write);
  sqlite3_clear_bindings(write);
  if (!rc && !found->one)
    database->counts.stored++;
  return rc;
}

int journal_store_set(struct journal_database *database, const char *owner, const char *key,
                      const char *value, size_t value_bytes, const char **failure)
{
  int64_t id;
  struct found found;
  if ((*failure = refusal(key, value_bytes)))
    return 0;
  int rc = owner_of(database, owner, true, &id);
  if (!rc)
    rc = find(database, id, key, &found, NULL, NULL);
  if (!rc)
    rc = measure(database, id, &found, strlen(key) + value_bytes, failure);
  return rc || *failure ? rc : put(database, id, key, value, value_bytes, &found);
}

int journal_store_delete(struct journal_database *database, const char *owner, const char *key)
{
  int64_t id;
  struct found found;
  int rc = owner_of(database, owner, false, &id);
  if (rc || (owner && !id))
    return rc;
  rc = find(database, id, key, &found, NULL, NULL);
  if (rc || !found.one)
    return rc;
  sqlite3_stmt *remove = journal_database_statement(database, STATEMENT_STORED_REMOVE);
  if (!remove)
    return SQLITE_ERROR;
  sqlite3_bind_int64(remove, 1, found.one);
  rc = journal_database_step(database, remove);
  database->counts.stored -= !rc;
  return rc;
}
