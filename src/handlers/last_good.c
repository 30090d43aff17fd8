#include "handlers/last_good.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/thread.h"
#include "kp/name.h"
#include "supervision/version_file.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { STACK_BYTES = 128 * 1024, CLOSING_S = 5, REPEAT_MS = 60000 };

static const int64_t LATEST_MS = 253402300799999; /* of the year 9999 */
static const char version_ending[] = ".version";
static const char since_ending[] = ".since";
static const char draft_ending[] = ".new";

enum job_kind { JOB_KEEP, JOB_SINCE, JOB_FORGET };

struct job {
  TAILQ_ENTRY(job) link;
  enum job_kind kind;
  char *type;
  struct buffer content;
};

struct last_good {
  char *folder;
  pthread_t thread;
  bool is_started; /* it is to be joined */
  int64_t repeat_ms, repeat_at_ms;
  pthread_mutex_t mutex; /* all below */
  bool is_running;
  TAILQ_HEAD(, job) jobs;
  struct job *at_work;
  bool has_failed; /* any job since last_good_is_to_be_repeated() */
  bool was_said;
};

static char *path_of(const struct last_good *store, const char *type, const char *ending)
{
  return memory_format("%s/%s%s", store->folder, type, ending);
}

struct last_good *last_good_create(const char *state_directory, int64_t repeat_ms)
{
  struct last_good *store = memory_zeroed(1, sizeof *store);
  store->folder = memory_format("%s/versions", state_directory);
  store->repeat_ms = repeat_ms ? repeat_ms : REPEAT_MS;
  TAILQ_INIT(&store->jobs);
  pthread_mutex_init(&store->mutex, NULL);
  return store;
}

static void free_job(struct job *job)
{
  free(job->type);
  buffer_clear(&job->content);
  free(job);
}

void last_good_destroy(struct last_good *store)
{
  if (!store)
    return;
  struct timespec deadline;
  clock_gettime(CLOCK_REALTIME, &deadline);
  deadline.tv_sec += CLOSING_S;
  if (store->is_started && pthread_timedjoin_np(store->thread, NULL, &deadline) != 0) {
    log_warn("handler", "the disk is too slow to keep the last good versions", "directory",
             store->folder);
    return; /* the thread still works with it */
  }
  struct job *job;
  while ((job = TAILQ_FIRST(&store->jobs))) { /* no thread could be started */
    TAILQ_REMOVE(&store->jobs, job, link);
    free_job(job);
  }
  pthread_mutex_destroy(&store->mutex);
  free(store->folder);
  free(store);
}

/* ---- the thread ---- */

/* Returns 0, or a negative errno with `error`. */
static int put_file(struct last_good *store, const struct job *job, const char *ending,
                    struct error *error)
{
  if (mkdir(store->folder, 0700) < 0 && errno != EEXIST)
    return error_set(error, -errno, "%s: %s", store->folder, strerror(errno));
  char *path = path_of(store, job->type, ending);
  int rc = version_file_write(path, job->content.data, job->content.size_bytes, error);
  free(path);
  return rc;
}

static int remove_file(struct last_good *store, const struct job *job, const char *ending,
                       struct error *error)
{
  char *path = path_of(store, job->type, ending);
  int rc = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
  if (rc < 0)
    error_set(error, rc, "%s: %s", path, strerror(-rc));
  free(path);
  return rc;
}

static int do_job(struct last_good *store, const struct job *job, struct error *error)
{
  int rc = 0;
  switch (job->kind) {
  case JOB_SINCE: return put_file(store, job, since_ending, error);
  case JOB_KEEP: rc = put_file(store, job, version_ending, error); break;
  case JOB_FORGET: rc = remove_file(store, job, version_ending, error); break;
  }
  return rc < 0 ? rc : remove_file(store, job, since_ending, error);
}

static void tell(struct last_good *store, const struct error *error)
{
  if (error->code && !store->was_said)
    log_error("handler", "the last good versions cannot be kept for the next start", "reason",
              error->text);
  if (error->code)
    store->has_failed = store->was_said = true;
}

static void tell_end(struct last_good *store)
{
  if (!store->was_said || store->has_failed)
    return;
  log_info("handler", "the last good versions are kept again");
  store->was_said = false;
}

static void *run(void *context)
{
  struct last_good *store = context;
  pthread_mutex_lock(&store->mutex);
  while ((store->at_work = TAILQ_FIRST(&store->jobs))) {
    TAILQ_REMOVE(&store->jobs, store->at_work, link);
    pthread_mutex_unlock(&store->mutex);
    struct error error = {0};
    do_job(store, store->at_work, &error);
    pthread_mutex_lock(&store->mutex);
    tell(store, &error);
    free_job(store->at_work);
  }
  tell_end(store);
  store->is_running = false;
  pthread_mutex_unlock(&store->mutex);
  return NULL;
}

/* ---- what is to be written ---- */

/* Where no thread can be started it is tried again with the next job. */
static void wake(struct last_good *store)
{
  if (store->is_running)
    return;
  if (store->is_started)
    pthread_join(store->thread, NULL); /* it has left its last critical section */
  store->is_running = true;
  store->is_started = thread_start(&store->thread, STACK_BYTES, run, store) == 0;
  store->is_running = store->is_started;
}

/* What is newer takes the place of what waits, but the time since when it is faulty comes
 * behind the version. */
static void drop_waiting(struct last_good *store, const char *type, enum job_kind kind)
{
  struct job *job = TAILQ_FIRST(&store->jobs);
  while (job) {
    struct job *following = TAILQ_NEXT(job, link);
    if (!strcmp(job->type, type) && (kind != JOB_SINCE || job->kind == JOB_SINCE)) {
      TAILQ_REMOVE(&store->jobs, job, link);
      free_job(job);
    }
    job = following;
  }
}

static void add_job(struct last_good *store, enum job_kind kind, const char *type,
                    struct buffer *content)
{
  struct job *job = memory_zeroed(1, sizeof *job);
  *job = (struct job){.kind = kind, .type = memory_text(type), .content = *content};
  pthread_mutex_lock(&store->mutex);
  drop_waiting(store, type, kind);
  TAILQ_INSERT_TAIL(&store->jobs, job, link);
  wake(store);
  pthread_mutex_unlock(&store->mutex);
}

void last_good_keep(struct last_good *store, const struct version *version)
{
  struct buffer content = {0};
  if (!store)
    return;
  version_file_pack(version, &content);
  add_job(store, JOB_KEEP, version->type, &content);
}

void last_good_set_since(struct last_good *store, const char *type, int64_t since_ms)
{
  struct buffer content = {0};
  if (!store)
    return;
  buffer_format(&content, "%" PRId64 "\n", since_ms);
  add_job(store, JOB_SINCE, type, &content);
}

void last_good_forget(struct last_good *store, const char *type)
{
  struct buffer none = {0};
  if (store)
    add_job(store, JOB_FORGET, type, &none);
}

bool last_good_is_to_be_repeated(struct last_good *store)
{
  if (!store)
    return false;
  int64_t now_ms = clock_monotonic_ms();
  pthread_mutex_lock(&store->mutex);
  bool is_due = store->has_failed && store->repeat_at_ms && now_ms >= store->repeat_at_ms;
  if (is_due)
    store->has_failed = false;
  if (!store->has_failed)
    store->repeat_at_ms = 0;
  else if (!store->repeat_at_ms)
    store->repeat_at_ms = now_ms + store->repeat_ms;
  pthread_mutex_unlock(&store->mutex);
  return is_due;
}

/* ---- what there is ---- */

static bool has_ending(const char *name, const char *ending)
{
  size_t size = strlen(name), tail = strlen(ending);
  return size > tail && !strcmp(name + size - tail, ending);
}

char **last_good_types(struct last_good *store)
{
  size_t count = 0;
  char **types = memory_zeroed(1, sizeof *types);
  DIR *listing = store ? opendir(store->folder) : NULL;
  if (!listing)
    return types;
  for (struct dirent *entry; (entry = readdir(listing));) {
    size_t size = strlen(entry->d_name);
    if (has_ending(entry->d_name, draft_ending))
      unlinkat(dirfd(listing), entry->d_name, 0);
    if (!has_ending(entry->d_name, version_ending) ||
        !name_is_type(entry->d_name, size - strlen(version_ending)))
      continue;
    types = memory_resized(types, (count + 2) * sizeof *types);
    types[count++] = memory_copied(entry->d_name, size - strlen(version_ending));
    types[count] = NULL;
  }
  closedir(listing);
  return types;
}

/* What is about to be replaced or removed is not there any more. */
static bool is_changing(struct last_good *store, const char *type)
{
  pthread_mutex_lock(&store->mutex);
  bool changes = store->at_work && !strcmp(store->at_work->type, type);
  const struct job *job;
  TAILQ_FOREACH(job, &store->jobs, link)
    changes |= !strcmp(job->type, type);
  pthread_mutex_unlock(&store->mutex);
  return changes;
}

/* No path is made of what is no type. */
static bool may_have(struct last_good *store, const char *type)
{
  return store && name_is_type(type, strlen(type)) && !is_changing(store, type);
}

bool last_good_has(struct last_good *store, const char *type)
{
  if (!may_have(store, type))
    return false;
  char *path = path_of(store, type, version_ending);
  bool has = access(path, F_OK) == 0;
  free(path);
  return has;
}

static int64_t read_since(const struct last_good *store, const char *type)
{
  int64_t since_ms = 0;
  char *path = path_of(store, type, since_ending);
  FILE *file = fopen(path, "re");
  if (file && (fscanf(file, "%" SCNd64, &since_ms) != 1 || since_ms < 0 || since_ms > LATEST_MS))
    since_ms = 0;
  if (file)
    fclose(file);
  free(path);
  return since_ms;
}

struct version *last_good_read(struct last_good *store, const char *type, int64_t *since_ms)
{
  struct error error = {0};
  struct version *version = NULL;
  *since_ms = 0;
  if (!may_have(store, type))
    return NULL;
  char *path = path_of(store, type, version_ending);
  int rc = version_file_read(path, &version, &error);
  if (rc == 0 && strcmp(version->type, type) != 0) {
    rc = error_set(&error, -EBADMSG, "%s: it is of the type %s", path, version->type);
    version_drop(version);
    version = NULL;
  }
  free(path);
  if (rc == 0)
    *since_ms = read_since(store, type);
  else if (rc != -ENOENT)
    log_error(type, "its last good version is not used", "reason", error.text);
  return version;
}
