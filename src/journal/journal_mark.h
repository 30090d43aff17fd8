/* journal.mark: the number of the last transaction, in a small mapped file: it outlives
 * a killed process, and after a power cut it may be older than the database, never
 * newer. A database behind it has lost transactions. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_MARK_H
#define KAALUA_IO_JOURNAL_MARK_H

#include <stdbool.h>
#include <stdint.h>

struct journal_mark;

struct journal_mark_numbers {
  int64_t transaction; /* 0: none is known */
  int64_t sequence;
  int64_t message;
};

/* Maps the file, making it where it is missing; what is damaged reads as 0. Returns owned,
 * or NULL with *rc a negative errno. */
struct journal_mark *journal_mark_open(const char *path, int *rc);

struct journal_mark_numbers journal_mark_get(const struct journal_mark *mark);
void journal_mark_set(struct journal_mark *mark, const struct journal_mark_numbers *numbers);

/* The log is being copied into the file. That it is over is synced. */
void journal_mark_set_copying(struct journal_mark *mark, bool is_copying);
bool journal_mark_is_copying(const struct journal_mark *mark);

void journal_mark_close(struct journal_mark *mark); /* NULL is fine */

#endif
