#include "journal/journal_thread.h"

#include "base/memory.h"
#include "base/thread.h"
#include "journal/journal_space.h"
#include "journal/journal_transaction.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
  STACK_BYTES = 256 * 1024,
  SECOND_US = 1000000,
  IDLE_S = 5, /* then SQLite's page cache is freed */
  RELIEFS = 16, /* transactions in a second */
  START_BYTES = 256 * 1024, /* beside the ballast, or a start finds the disk full */
};

struct journal_thread {
  struct journal_thread_options options;
  struct journal_database *database;
  pthread_t thread;
  bool is_started;

  /* The thread's own. */
  struct journal_space space;
  struct journal_works held; /* what did not fit */
  bool is_full;
  bool has_failed;
  int64_t space_tried_us;
  int64_t relieved_us;
  bool has_worked; /* since its memory was freed */
  bool is_short;   /* the disk, as others say */

  pthread_mutex_t mutex; /* all below */
  pthread_cond_t cond;
  struct journal_works waiting, finished;
  bool is_stopping, is_said_short;
  struct journal_news news;
  enum journal_condition condition;
  struct journal_numbers numbers;
};

static int64_t now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * SECOND_US + now.tv_nsec / 1000;
}

static void set_condition(struct journal_thread *thread, enum journal_condition condition,
                          const char *text)
{
  pthread_mutex_lock(&thread->mutex);
  if (thread->condition != condition) {
    thread->condition = condition;
    thread->news.has_changed = true;
    thread->news.condition = condition;
    snprintf(thread->news.text, sizeof thread->news.text, "%s", text);
  }
  pthread_mutex_unlock(&thread->mutex);
}

static int64_t file_bytes(const struct journal_thread *thread, const char *name)
{
  char path[4096];
  struct stat status;
  snprintf(path, sizeof path, "%s/%s", thread->options.directory, name);
  return stat(path, &status) < 0 ? 0 : status.st_size;
}

static void note_numbers(struct journal_thread *thread, int64_t commit_us)
{
  struct journal_numbers numbers = {
      .counts = thread->database->counts,
      .transactions = thread->database->facts.transaction,
      .file_bytes = file_bytes(thread, "journal.db"),
      .wal_bytes = file_bytes(thread, "journal.db-wal"),
      .free_bytes = journal_space_free_bytes(&thread->space),
      .last_commit_us = commit_us,
  };
  pthread_mutex_lock(&thread->mutex);
  int64_t mean = thread->numbers.mean_commit_us;
  numbers.mean_commit_us = mean ? mean + (commit_us - mean) / 16 : commit_us;
  thread->numbers = numbers;
  pthread_mutex_unlock(&thread->mutex);
}

static void finish(struct journal_thread *thread, struct journal_works *works)
{
  pthread_mutex_lock(&thread->mutex);
  TAILQ_CONCAT(&thread->finished, works, place);
  pthread_mutex_unlock(&thread->mutex);
  thread->options.wake(thread->options.context);
}

/* What was put stays unanswered from here on. */
static void give_up(struct journal_thread *thread, const char *why, const char *fault)
{
  thread->has_failed = true;
  pthread_mutex_lock(&thread->mutex);
  thread->news.has_failed = true;
  snprintf(thread->news.failure, sizeof thread->news.failure, "%s%s", why, fault);
  pthread_mutex_unlock(&thread->mutex);
  thread->options.wake(thread->options.context);
}

/* Nothing is known of the disk any more. */
static void fail(struct journal_thread *thread)
{
  give_up(thread, "the journal failed: ", thread->database->fault);
}

/* Beside the ballast. A disk that was full is full again soon unless more is free. */
static size_t spare_bytes(const struct journal_thread *thread)
{
  return thread->is_full ? thread->space.bytes : 0;
}

/* Once a second, and before each transaction while the disk is full. */
static void mind_space(struct journal_thread *thread)
{
  int64_t now = now_us();
  if (!thread->is_full && now - thread->space_tried_us < SECOND_US)
    return;
  thread->space_tried_us = now;
  bool is_taken = journal_space_take(&thread->space, spare_bytes(thread));
  if (thread->is_full && is_taken) {
    thread->is_full = false;
    set_condition(thread, JOURNAL_GOOD, "the disk has room again: commands are accepted");
    thread->options.wake(thread->options.context);
  }
}

/* Of one that was opened without room to write: the next process can. */
static void look_for_room(struct journal_thread *thread)
{
  size_t wanted = thread->space.bytes + spare_bytes(thread);
  if (thread->is_full && journal_space_free_bytes(&thread->space) >= (int64_t)wanted)
    give_up(thread, "the disk has room again: the journal is opened anew", "");
}

static void become_full(struct journal_thread *thread)
{
  char text[160];
  thread->is_full = true;
  journal_space_give(&thread->space);
  snprintf(text, sizeof text,
           "the disk is full: no commands are accepted until %lld kB are free, %lld kB are",
           (long long)(thread->space.bytes + spare_bytes(thread)) / 1024,
           (long long)journal_space_free_bytes(&thread->space) / 1024);
  set_condition(thread, JOURNAL_FULL, text);
  thread->options.wake(thread->options.context);
}

static void take_short(struct journal_thread *thread)
{
  int64_t enough = 2 * (int64_t)thread->space.bytes;
  if (thread->is_short && !thread->is_full && journal_space_free_bytes(&thread->space) < enough)
    become_full(thread);
}

static int commit(struct journal_thread *thread, struct journal_works *works,
                  const struct journal_bounds *bounds)
{
  int64_t began = now_us();
  struct journal_database *database = thread->database;
  int rc = journal_transaction_run(database, works, bounds, thread->options.boot_id,
                                   thread->is_full);
  if (rc)
    return rc;
  if (thread->options.files->mark)
    journal_mark_set(thread->options.files->mark,
                     &(struct journal_mark_numbers){database->facts.transaction,
                                                    database->facts.sequence,
                                                    database->facts.message});
  note_numbers(thread, now_us() - began);
  return 0;
}

/* Stores are for workers that wait, and may fail; a batch waits until it fits. */
static void hold(struct journal_thread *thread, struct journal_works *works)
{
  struct journal_works answered = TAILQ_HEAD_INITIALIZER(answered);
  for (struct journal_work *work; (work = TAILQ_FIRST(works));) {
    TAILQ_REMOVE(works, work, place);
    if (work->kind != WORK_BATCH)
      work->failure = "no room on the disk";
    struct journal_works *to = work->kind == WORK_BATCH ? &thread->held : &answered;
    TAILQ_INSERT_TAIL(to, work, place);
  }
  finish(thread, &answered);
}

static void write_works(struct journal_thread *thread, struct journal_works *works)
{
  mind_space(thread);
  const struct journal_bounds *bounds = &thread->options.bounds;
  int rc = commit(thread, works, bounds);
  if ((rc & 0xff) == SQLITE_FULL && !thread->is_full) {
    become_full(thread);
    rc = commit(thread, works, bounds);
  }
  if (!rc)
    finish(thread, works);
  else if ((rc & 0xff) == SQLITE_FULL)
    hold(thread, works);
  else
    fail(thread);
  if (!rc && journal_files_checkpoint(thread->options.files))
    fail(thread);
}

/* Once a second while the disk is full, which may be by the journal's own history. Apart from
 * what waits, which may fit where this does not. */
static void relieve(struct journal_thread *thread)
{
  int64_t now = now_us();
  if (!thread->is_full || thread->has_failed || now - thread->relieved_us < SECOND_US)
    return;
  thread->relieved_us = now;
  const struct journal_bounds tight = journal_prune_tight(&thread->options.bounds);
  struct journal_works none = TAILQ_HEAD_INITIALIZER(none);
  /* Then the log begins anew, in the room that it has. */
  int rc = journal_files_write_back(thread->options.files), count = 0;
  while (!rc && count < RELIEFS && journal_prune_is_due(thread->database, &tight)) {
    rc = commit(thread, &none, &tight);
    count++;
  }
  if (!rc && count)
    rc = journal_files_write_back(thread->options.files); /* which makes the file smaller */
  if (rc && (rc & 0xff) != SQLITE_FULL)
    fail(thread);
}

static void answer_queries(struct journal_thread *thread, struct journal_works *works)
{
  struct journal_works one;
  for (struct journal_work *work; !thread->has_failed && (work = TAILQ_FIRST(works));) {
    TAILQ_REMOVE(works, work, place);
    int rc = journal_transaction_query(thread->database, work);
    TAILQ_INIT(&one);
    TAILQ_INSERT_TAIL(&one, work, place);
    finish(thread, &one);
    if (rc)
      fail(thread);
  }
}

static void discard(struct journal_works *works)
{
  for (struct journal_work *work; (work = TAILQ_FIRST(works));) {
    TAILQ_REMOVE(works, work, place);
    journal_work_destroy(work);
  }
}

static void work_on(struct journal_thread *thread, struct journal_works *works)
{
  struct journal_works queries = TAILQ_HEAD_INITIALIZER(queries);
  struct journal_work *next;
  for (struct journal_work *work = TAILQ_FIRST(works); work; work = next) {
    next = TAILQ_NEXT(work, place);
    if (work->kind != WORK_QUERY)
      continue;
    TAILQ_REMOVE(works, work, place);
    TAILQ_INSERT_TAIL(&queries, work, place);
  }
  if (!TAILQ_EMPTY(works))
    write_works(thread, works);
  answer_queries(thread, &queries);
  discard(works); /* after a failure nothing is answered */
  discard(&queries);
}

static void wait_for_work(struct journal_thread *thread)
{
  struct timespec until;
  bool looks_at_space = thread->is_full && !thread->has_failed;
  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += looks_at_space ? 1 : IDLE_S;
  if (looks_at_space || thread->has_worked)
    pthread_cond_timedwait(&thread->cond, &thread->mutex, &until);
  else
    pthread_cond_wait(&thread->cond, &thread->mutex);
}

/* Takes what waits, behind what was held; false: it is time to stop. */
static bool next_works(struct journal_thread *thread, struct journal_works *works)
{
  pthread_mutex_lock(&thread->mutex);
  if (TAILQ_EMPTY(&thread->waiting) && !thread->is_stopping && !thread->is_said_short)
    wait_for_work(thread);
  thread->is_short = thread->is_said_short;
  thread->is_said_short = false;
  TAILQ_INIT(works);
  TAILQ_CONCAT(works, &thread->held, place);
  bool has_new = !TAILQ_EMPTY(&thread->waiting);
  TAILQ_CONCAT(works, &thread->waiting, place);
  bool goes_on = has_new || !thread->is_stopping;
  pthread_mutex_unlock(&thread->mutex);
  return goes_on;
}

/* Nothing has come for a while. */
static void rest(struct journal_thread *thread)
{
  mind_space(thread);
  if (thread->has_worked)
    sqlite3_db_release_memory(thread->database->handle);
  thread->has_worked = false;
}

static void *run(void *context)
{
  struct journal_thread *thread = context;
  bool is_read_only = thread->options.files->is_read_only;
  struct journal_works works;
  for (bool goes_on = true; goes_on;) {
    goes_on = next_works(thread, &works);
    if (thread->has_failed) {
      discard(&works);
    } else if (is_read_only) {
      journal_transaction_read_only(thread->database, &works);
      finish(thread, &works);
      look_for_room(thread);
    } else {
      take_short(thread);
      if (TAILQ_EMPTY(&works))
        rest(thread);
      else
        thread->has_worked = true;
      work_on(thread, &works);
      relieve(thread);
    }
  }
  return NULL;
}

struct journal_thread *journal_thread_create(const struct journal_thread_options *options)
{
  struct journal_thread *thread = memory_zeroed(1, sizeof *thread);
  thread->options = *options;
  thread->database = &options->files->database;
  TAILQ_INIT(&thread->held);
  TAILQ_INIT(&thread->waiting);
  TAILQ_INIT(&thread->finished);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_mutex_init(&thread->mutex, NULL);
  pthread_cond_init(&thread->cond, &attributes);
  pthread_condattr_destroy(&attributes);
  journal_space_init(&thread->space, options->directory, options->ballast_bytes);
  thread->is_full = options->files->is_full;
  if (options->files->is_read_only)
    thread->condition = JOURNAL_READ_ONLY;
  else if (!journal_space_take(&thread->space, START_BYTES) ||
           journal_space_free_bytes(&thread->space) < START_BYTES)
    become_full(thread); /* also where the ballast was there before */
  note_numbers(thread, 0);
  return thread;
}

void journal_thread_destroy(struct journal_thread *thread)
{
  if (!thread)
    return;
  discard(&thread->held);
  discard(&thread->waiting);
  discard(&thread->finished);
  pthread_cond_destroy(&thread->cond);
  pthread_mutex_destroy(&thread->mutex);
  journal_space_clear(&thread->space);
  free(thread);
}

int journal_thread_start(struct journal_thread *thread, struct error *error)
{
  int rc = thread_start(&thread->thread, STACK_BYTES, run, thread);
  thread->is_started = !rc;
  return rc ? error_set(error, -rc, "the journal's thread: %s", strerror(rc)) : 0;
}

void journal_thread_put(struct journal_thread *thread, struct journal_work *work)
{
  pthread_mutex_lock(&thread->mutex);
  TAILQ_INSERT_TAIL(&thread->waiting, work, place);
  pthread_cond_signal(&thread->cond);
  pthread_mutex_unlock(&thread->mutex);
}

void journal_thread_lack_room(struct journal_thread *thread)
{
  pthread_mutex_lock(&thread->mutex);
  thread->is_said_short = true;
  pthread_cond_signal(&thread->cond);
  pthread_mutex_unlock(&thread->mutex);
}

void journal_thread_take(struct journal_thread *thread, struct journal_works *works,
                         struct journal_news *news)
{
  pthread_mutex_lock(&thread->mutex);
  TAILQ_INIT(works);
  TAILQ_CONCAT(works, &thread->finished, place);
  *news = thread->news;
  thread->news = (struct journal_news){0};
  pthread_mutex_unlock(&thread->mutex);
}

void journal_thread_stop(struct journal_thread *thread)
{
  if (!thread->is_started)
    return;
  pthread_mutex_lock(&thread->mutex);
  thread->is_stopping = true;
  pthread_cond_signal(&thread->cond);
  pthread_mutex_unlock(&thread->mutex);
  pthread_join(thread->thread, NULL);
  thread->is_started = false;
}

enum journal_condition journal_thread_condition(struct journal_thread *thread)
{
  pthread_mutex_lock(&thread->mutex);
  enum journal_condition condition = thread->condition;
  pthread_mutex_unlock(&thread->mutex);
  return condition;
}

struct journal_numbers journal_thread_numbers(struct journal_thread *thread)
{
  pthread_mutex_lock(&thread->mutex);
  struct journal_numbers numbers = thread->numbers;
  pthread_mutex_unlock(&thread->mutex);
  return numbers;
}
