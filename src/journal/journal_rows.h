/* Rows of the journal as C structures: reading with their checksum, writing with a new
 * one. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_ROWS_H
#define KAALUA_IO_JOURNAL_ROWS_H

#include "core/command.h"
#include "journal/journal_database.h"

/* Numbers on disk: fixed for ever. */
enum journal_row_state {
  ROW_QUEUED = 1,
  ROW_RUNNING = 2,
  ROW_WAITING = 3,
  ROW_DONE = 4,
  ROW_CONFIRMED = 10,
  ROW_REFUSED = 11,
  ROW_DROPPED = 12,
};
enum journal_row_policy { ROW_REPORT = 0, ROW_RETRY = 1, ROW_RESUME = 2 };
enum journal_row_restart { ROW_NO_RESTART = 0, ROW_REBOOT = 1, ROW_AGENT_RESTART = 2 };

#define ROW_ABSENT INT64_MIN /* of a stamp */

struct journal_text {
  const void *bytes; /* NULL: none */
  size_t size;
};

/* A row of `command`; texts are borrowed from the statement or from the core. */
struct journal_row {
  int64_t sequence, endpoint, type, id;
  int64_t state;
  int64_t received, began, done, over; /* wall; the last three ROW_ABSENT until then */
  int64_t status, attempts, policy, resumes;
  int64_t received_boot, boot; /* the boot in which it was received, and its clock */
  int64_t restart, within, saved, saved_boot, saved_in; /* restart ROW_ABSENT: nothing saved */
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  struct journal_text reason, payload, saved_text, element;
};

/* A row of `past`. */
struct journal_past {
  int64_t sequence, endpoint, type, id;
  int64_t state, status;
  int64_t done; /* seconds since 1970 */
  uint8_t digest[JSONTEXT_DIGEST_BYTES];
  struct journal_text reason;
};

int journal_row_policy_of(enum command_policy policy);
int journal_row_restart_of(enum command_restart restart);

/* And back; unknown numbers (which a checksum keeps out) as the harmless one. */
enum command_state journal_row_to_state(int64_t state);
enum command_policy journal_row_to_policy(int64_t policy);
enum command_restart journal_row_to_restart(int64_t restart);

bool journal_row_is_over(int64_t state);

/* What it takes beyond what `past` keeps: payload and element. */
int64_t journal_row_bytes(const struct journal_row *row);

/* Reads the row that a statement over all columns of `command` stands on; false where
 * its checksum does not hold. */
bool journal_row_read(sqlite3_stmt *statement, struct journal_row *row);

/* Finds by sequence or by key: 0 where there is none; SQLITE_ROW, with `*statement` to be
 * reset once the texts are of no more use; or a fault. */
int journal_row_get(struct journal_database *database, int64_t sequence, struct journal_row *row,
                    sqlite3_stmt **statement);
int journal_row_find(struct journal_database *database, int64_t endpoint, int64_t type, int64_t id,
                     struct journal_row *row, sqlite3_stmt **statement);

int journal_row_add(struct journal_database *database, const struct journal_row *row);

/* Write the new sum with a part of the columns: of life, of what was saved, of the result
 * (which forgets what was saved). The statement that gave the row's texts is reset
 * in between: nothing is written under a row that is being read. */
int journal_row_put_life(struct journal_database *database, const struct journal_row *row,
                         sqlite3_stmt *read);
int journal_row_put_saved(struct journal_database *database, const struct journal_row *row,
                          sqlite3_stmt *read);
int journal_row_put_result(struct journal_database *database, const struct journal_row *row,
                           sqlite3_stmt *read);

bool journal_past_read(sqlite3_stmt *statement, struct journal_past *past);
int journal_past_find(struct journal_database *database, int64_t endpoint, int64_t type, int64_t id,
                      struct journal_past *past, sqlite3_stmt **statement);
int journal_past_add(struct journal_database *database, const struct journal_past *past);

/* Removes a row of `command` (`past`) and counts it. Of the row's texts only the sizes are read. */
int journal_row_remove(struct journal_database *database, const struct journal_row *row);
int journal_past_remove(struct journal_database *database, int64_t sequence);

/* The row of facts; false where the checksum does not hold. */
bool journal_facts_read(sqlite3_stmt *statement, struct journal_facts *facts);
int journal_facts_write(struct journal_database *database, const struct journal_facts *facts);

/* Checksums of the small tables. */
int64_t journal_message_sum(int64_t number, int64_t is_metadata, int64_t endpoint, int64_t received,
                            const void *body, size_t size);
int64_t journal_listed_sum(int64_t endpoint, int64_t type);
int64_t journal_stored_sum(int64_t owner, const void *key, size_t key_size, const void *value,
                           size_t value_size);

#endif
