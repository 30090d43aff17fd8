/* The journal: commands, the outbox, and what handlers store, durable in an SQLite
 * database (state/journal.db). One thread of its own alone touches SQLite; the loop
 * hands it one transaction at a time with all that has gathered, and is told when
 * it is durable.
 *
 *   journal_open → journal_each_command, journal_each_message, journal_each_listed →
 *   journal_start → journal_submit … events.stored …, journal_store …, journal_query … →
 *   journal_close
 *
 * Everything is called from the loop's thread, and every callback comes there.
 *
 * Rows carry a checksum; each transaction has a number, which also stands in a small
 * mapped file (journal.mark), so that a log whose end was lost is noticed. Bad days:
 *   disk full      ACCEPTs and KEEPs come back `is_left`, what is done is stored with the room of a
 *                  ballast file; what still does not fit waits; it recovers by itself once
 *                  there is room for the ballast and as much again, to which it adds each
 *                  second by taking the oldest of its history to id and status. A start needs
 *                  room for the ballast and 256 kB; one that has not even room to open it is
 *                  read-only, and ends by events.failed once there is
 *   failed write   events.failed: the process is to end with 75 and to be started again
 *   read-only      the file system says so, or refuses a write while it is opened (EROFS):
 *                  journal_open() succeeds with JOURNAL_READ_ONLY: nothing is accepted or
 *                  stored, what is done can be reported
 *   damaged        set aside as journal.db.damaged-<date>; what can be read of it is taken over
 *                  into a new one, which is_lost
 *   a newer schema journal_open() fails with -EPROTONOSUPPORT and names the version
 *                  that can read it */
#ifndef KAALUA_IO_JOURNAL_H
#define KAALUA_IO_JOURNAL_H

#include "base/error.h"
#include "core/storage.h"
#include "io/loop.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal;

enum journal_condition { JOURNAL_GOOD, JOURNAL_FULL, JOURNAL_READ_ONLY };

struct journal_events {
  void *context;
  /* The batch that was submitted is durable. */
  void (*stored)(void *context);
  /* The condition has changed, or is JOURNAL_FULL from the start; `text` is one line for
   * the log. */
  void (*changed)(void *context, enum journal_condition condition, const char *text);
  /* A write failed in a way that leaves unknown what is on the disk: nothing that was
   * submitted since is stored, nothing more will be. Or it was read-only for want of room
   * (journal_start.is_full), and there is some. End the process. */
  void (*failed)(void *context, const char *text);
};

struct journal_options {
  const char *directory; /* the state directory */
  const char *boot_id;   /* of the kernel */
  const char *version;   /* of this program, for a newer schema's message */
  bool is_read_only;     /* the directory is known to take no writes; else that is found out */
  bool is_normal;        /* durability "normal": a commit survives a killed process, not a power cut */
  size_t max_history;    /* commands whose life is over that are kept whole; 0: 10,000 */
  int64_t max_history_ms; /* and for how long; 0: 30 days */
  size_t max_history_bytes; /* and of how many bytes of payloads and elements; 0: 16 MB */
  size_t max_ids;        /* remembered with status and reason after that; 0: 1,000,000 */
  size_t ballast_bytes;  /* 0: 2 MB */
};

/* What was found at the start. */
struct journal_start {
  bool is_lost;        /* core_options.is_lost */
  bool was_answered;
  bool is_full;        /* it is JOURNAL_READ_ONLY because the disk has no room to open it */
  bool is_new_boot;    /* the machine was started since the journal was written last */
  int64_t last_sequence;
  int64_t last_message;
  bool is_missing;     /* there was none, where there had been one */
  char set_aside[256]; /* name of the damaged file, or, where it is missing, of one that was damaged
                          earlier; "" for none */
  char why[200];       /* what was wrong with it; "" for nothing */
};

/* Opens and checks it, on the caller's thread: reads all of it once. Returns 0 with
 * `*journal` owned; JOURNAL_READ_ONLY is told by journal_condition(). Options' texts are
 * copied. */
int journal_open(struct journal **journal, struct loop *loop, const struct journal_options *options,
                 const struct journal_events *events, struct journal_start *found,
                 struct error *error);

enum journal_condition journal_condition(const struct journal *journal);

/* Between open and start, in the order of sequences or numbers. */
void journal_each_command(struct journal *journal,
                          void (*row)(void *context, const struct storage_row *row), void *context);
void journal_each_message(struct journal *journal,
                          void (*message)(void *context, const struct storage_message *message),
                          void *context);
void journal_each_listed(struct journal *journal,
                         void (*listed)(void *context, const char *endpoint, const char *type),
                         void *context);

/* Starts the thread. */
int journal_start(struct journal *journal, struct error *error);

/* struct storage's submit; `context` is the journal. */
void journal_submit(void *context, struct change *changes, size_t count);

/* Whether a batch is with the thread. */
bool journal_is_busy(const struct journal *journal);

/* Another part has found the disk full: so it is for the journal, unless there is room for its
 * own needs, and its ballast is given up. */
void journal_lack_room(struct journal *journal);

/* Something small that a handler keeps: get, set or delete of a key. `owner` is the
 * handler's type, NULL: for all handlers of the device. Copies. `done` comes once it is
 * durable: `failure` NULL, or one line; `value` JSON, NULL where there is none. A key has 1 to
 * 256 bytes, a value at most 64 kB, an owner at most 1,000 keys and 1 MB. */
enum journal_store_kind { JOURNAL_GET, JOURNAL_SET, JOURNAL_DELETE };
typedef void journal_store_done(void *context, const char *failure, const char *value,
                                size_t value_bytes);
void journal_store(struct journal *journal, enum journal_store_kind kind, const char *owner,
                   const char *key, const char *value, size_t value_bytes, journal_store_done *done,
                   void *context);

/* Commands for people, the newest first. Where a field is NULL or 0 it does not select. */
struct journal_query {
  const char *endpoint;
  const char *type;
  int64_t id;
  bool has_id;
  bool is_whole;  /* with element, payload and saved; else without */
  int64_t before; /* sequence: only older ones, to go on from there */
  size_t limit;   /* 0: 20, at most 1,000 */
};

/* `answer`, an array of objects, borrowed: {"endpoint", "type", "id", "sequence", "state",
 * "received", "began", "done", "over" (milliseconds since 1970 or absent), "attempts",
 * "status", "reason" (from done on)} and, where is_whole, {"command": the element's
 * text, "payload": text, "saved": text}. NULL with `failure` where it could not be read. */
typedef void journal_query_done(void *context, const json_t *answer, const char *failure);
void journal_query(struct journal *journal, const struct journal_query *query,
                   journal_query_done *done, void *context);

/* Forgets a command whose life is over: delivered again, it runs again. `found` is false where
 * there is none. (What is alive is the core's: core_forget().) */
typedef void journal_forget_done(void *context, bool found, const char *failure);
void journal_forget(struct journal *journal, const char *endpoint, const char *type, int64_t id,
                    journal_forget_done *done, void *context);

/* Numbers for `kaalua status`: {"file_bytes", "wal_bytes", "commands", "ids", "messages",
 * "stored_keys", "transactions", "condition", "free_bytes", "last_commit_us", "mean_commit_us"}; owned.
 * Taken from what the thread wrote down last; does not wait. */
json_t *journal_numbers(const struct journal *journal);

/* Waits for what was submitted (its `stored` is called from here, other `done`s too; neither
 * where it failed, nor where a full disk has no room for it), writes back and closes.
 * NULL is fine. */
void journal_close(struct journal *journal);

#endif
