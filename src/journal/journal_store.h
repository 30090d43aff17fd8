/* What handlers keep, by owner and key. On the journal's thread. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_STORE_H
#define KAALUA_IO_JOURNAL_STORE_H

#include "journal/journal_database.h"

#include <stddef.h>

enum {
  JOURNAL_STORE_KEY_BYTES = 256,
  JOURNAL_STORE_VALUE_BYTES = 64 * 1024,
  JOURNAL_STORE_KEYS = 1000,
  JOURNAL_STORE_BYTES = 1024 * 1024,
};

/* `owner` NULL: the device. A refusal for its size sets `*failure`, one line, constant, and
 * returns 0. */
int journal_store_get(struct journal_database *database, const char *owner, const char *key,
                      char **value, size_t *value_bytes);
int journal_store_set(struct journal_database *database, const char *owner, const char *key,
                      const char *value, size_t value_bytes, const char **failure);
int journal_store_delete(struct journal_database *database, const char *owner, const char *key);

#endif
