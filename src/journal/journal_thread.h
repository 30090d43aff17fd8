/* The thread that alone touches SQLite: takes what waits, makes one transaction of it,
 * and gives it back. Private to the journal.
 *
 *   journal_thread_create → journal_thread_start → journal_thread_put …, and at each wake
 *   journal_thread_take → journal_thread_stop → journal_thread_take → journal_thread_destroy */
#ifndef KAALUA_IO_JOURNAL_THREAD_H
#define KAALUA_IO_JOURNAL_THREAD_H

#include "journal/journal_files.h"
#include "journal/journal_prune.h"
#include "journal/journal_work.h"

struct journal_thread;

struct journal_thread_options {
  struct journal_files *files; /* the thread's own from start to stop */
  struct journal_bounds bounds;
  const char *directory;
  const char *boot_id; /* outlives the thread */
  size_t ballast_bytes;
  void (*wake)(void *context); /* called on the thread: something is to be taken */
  void *context;
};

struct journal_numbers {
  struct journal_counts counts;
  int64_t transactions, file_bytes, wal_bytes, free_bytes, last_commit_us, mean_commit_us;
};

/* What the loop has to be told, beside works. */
struct journal_news {
  bool has_changed;
  enum journal_condition condition;
  char text[200];
  bool has_failed; /* once */
  char failure[240];
};

/* Tries for the ballast; without room for it the journal is full, which is told and woken
 * for like any change. Returns owned. */
struct journal_thread *journal_thread_create(const struct journal_thread_options *options);
void journal_thread_destroy(struct journal_thread *thread);

int journal_thread_start(struct journal_thread *thread, struct error *error);

/* Takes `work`. */
void journal_thread_put(struct journal_thread *thread, struct journal_work *work);

/* See journal_lack_room(). */
void journal_thread_lack_room(struct journal_thread *thread);

/* Moves what is finished to `works`, in order, and tells what is new. */
void journal_thread_take(struct journal_thread *thread, struct journal_works *works,
                         struct journal_news *news);

/* Waits until all that was put is finished, or cannot be: the disk is full, or it failed. */
void journal_thread_stop(struct journal_thread *thread);

enum journal_condition journal_thread_condition(struct journal_thread *thread);
struct journal_numbers journal_thread_numbers(struct journal_thread *thread);

#endif
