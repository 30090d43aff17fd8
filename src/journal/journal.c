#include "journal/journal.h"

#include "base/memory.h"
#include "journal/journal_load.h"
#include "journal/journal_thread.h"

#include <stdlib.h>
#include <string.h>

enum {
  HISTORY = 10000,
  HISTORY_BYTES = 16 * 1024 * 1024,
  IDS = 1000000,
  BALLAST_BYTES = 2 * 1024 * 1024,
  QUERIES_MOST = 16,
};
static const int64_t HISTORY_MS = INT64_C(30) * 24 * 3600 * 1000;

struct journal {
  struct journal_options options; /* texts owned */
  struct journal_events events;
  struct journal_files files;
  struct journal_thread *thread;
  struct loop_wake *wake;
  bool is_busy;
  size_t queries;
};

void journal_work_destroy(struct journal_work *work)
{
  if (!work)
    return;
  free(work->owner);
  free(work->key);
  free(work->value);
  free(work->endpoint);
  free(work->type);
  json_decref(work->answer);
  free(work);
}

static void call_back(struct journal *journal, struct journal_work *work)
{
  switch (work->kind) {
  case WORK_BATCH:
    journal->is_busy = false;
    journal->events.stored(journal->events.context);
    break;
  case WORK_STORE: {
    bool has_value = !work->failure && work->store_kind == JOURNAL_GET && work->value;
    work->stored(work->context, work->failure, has_value ? work->value : NULL,
                 has_value ? work->value_bytes : 0);
    break;
  }
  case WORK_FORGET: work->forgotten(work->context, work->was_found, work->failure); break;
  case WORK_QUERY:
    journal->queries--;
    work->answered(work->context, work->answer, work->failure);
    break;
  }
}

static void deliver(struct journal *journal)
{
  struct journal_works works;
  struct journal_news news;
  journal_thread_take(journal->thread, &works, &news);
  for (struct journal_work *work; (work = TAILQ_FIRST(&works));) {
    TAILQ_REMOVE(&works, work, place);
    call_back(journal, work);
    journal_work_destroy(work);
  }
  if (news.has_changed)
    journal->events.changed(journal->events.context, news.condition, news.text);
  if (news.has_failed)
    journal->events.failed(journal->events.context, news.failure);
}

static void on_wake(void *context)
{
  deliver(context);
}

static void wake(void *context)
{
  struct journal *journal = context;
  loop_wake(journal->wake);
}

static void set_options(struct journal *journal, const struct journal_options *options)
{
  struct journal_options *own = &journal->options;
  *own = *options;
  own->directory = memory_text(options->directory);
  own->boot_id = memory_text(options->boot_id ? options->boot_id : "");
  own->version = memory_text(options->version ? options->version : "");
  own->max_history = options->max_history ? options->max_history : HISTORY;
  own->max_history_ms = options->max_history_ms ? options->max_history_ms : HISTORY_MS;
  own->max_history_bytes = options->max_history_bytes ? options->max_history_bytes : HISTORY_BYTES;
  own->max_ids = options->max_ids ? options->max_ids : IDS;
  own->ballast_bytes = options->ballast_bytes ? options->ballast_bytes : BALLAST_BYTES;
}

static void destroy(struct journal *journal)
{
  journal_thread_destroy(journal->thread);
  journal_files_close(&journal->files);
  loop_wake_destroy(journal->wake);
  free((char *)journal->options.directory);
  free((char *)journal->options.boot_id);
  free((char *)journal->options.version);
  free(journal);
}

int journal_open(struct journal **out, struct loop *loop, const struct journal_options *options,
                 const struct journal_events *events, struct journal_start *found,
                 struct error *error)
{
  struct journal *journal = memory_zeroed(1, sizeof *journal);
  *out = NULL;
  set_options(journal, options);
  journal->events = *events;
  int rc = journal_files_open(&journal->files, &journal->options, found, error);
  if (rc) {
    destroy(journal);
    return rc;
  }
  journal->wake = loop_wake_create(loop, on_wake, journal);
  journal->thread = journal_thread_create(&(struct journal_thread_options){
      .files = &journal->files,
      .bounds = {.max_history = (int64_t)journal->options.max_history,
                 .max_history_ms = journal->options.max_history_ms,
                 .max_history_bytes = (int64_t)journal->options.max_history_bytes,
                 .max_ids = (int64_t)journal->options.max_ids},
      .directory = journal->options.directory,
      .boot_id = journal->options.boot_id,
      .ballast_bytes = journal->options.ballast_bytes,
      .wake = wake,
      .context = journal,
  });
  *out = journal;
  return 0;
}

enum journal_condition journal_condition(const struct journal *journal)
{
  return journal_thread_condition(journal->thread);
}

void journal_each_command(struct journal *journal,
                          void (*row)(void *context, const struct storage_row *row), void *context)
{
  if (journal->files.database.handle)
    journal_load_commands(&journal->files.database, journal->options.boot_id, row, context);
}

void journal_each_message(struct journal *journal,
                          void (*message)(void *context, const struct storage_message *message),
                          void *context)
{
  if (journal->files.database.handle)
    journal_load_messages(&journal->files.database, message, context);
}

void journal_each_listed(struct journal *journal,
                         void (*listed)(void *context, const char *endpoint, const char *type),
                         void *context)
{
  if (journal->files.database.handle)
    journal_load_listed(&journal->files.database, listed, context);
}

int journal_start(struct journal *journal, struct error *error)
{
  return journal_thread_start(journal->thread, error);
}

static void put(struct journal *journal, const struct journal_work *model)
{
  struct journal_work *work = memory_zeroed(1, sizeof *work);
  *work = *model;
  journal_thread_put(journal->thread, work);
}

void journal_submit(void *context, struct change *changes, size_t count)
{
  struct journal *journal = context;
  journal->is_busy = true;
  put(journal, &(struct journal_work){.kind = WORK_BATCH, .changes = changes, .count = count});
}

void journal_lack_room(struct journal *journal)
{
  journal_thread_lack_room(journal->thread);
}

bool journal_is_busy(const struct journal *journal)
{
  return journal->is_busy;
}

void journal_store(struct journal *journal, enum journal_store_kind kind, const char *owner,
                   const char *key, const char *value, size_t value_bytes, journal_store_done *done,
                   void *context)
{
  bool sets = kind == JOURNAL_SET;
  put(journal, &(struct journal_work){
                   .kind = WORK_STORE,
                   .store_kind = kind,
                   .owner = memory_text(owner),
                   .key = memory_text(key),
                   .value = sets ? memory_copied(value, value_bytes) : NULL,
                   .value_bytes = sets ? value_bytes : 0,
                   .stored = done,
                   .context = context,
               });
}

void journal_query(struct journal *journal, const struct journal_query *query,
                   journal_query_done *done, void *context)
{
  struct journal_work work = {
      .kind = WORK_QUERY,
      .query = *query,
      .endpoint = memory_text(query->endpoint),
      .type = memory_text(query->type),
      .answered = done,
      .context = context,
      .failure = journal->queries >= QUERIES_MOST ? "busy" : NULL,
  };
  journal->queries++;
  put(journal, &work);
}

void journal_forget(struct journal *journal, const char *endpoint, const char *type, int64_t id,
                    journal_forget_done *done, void *context)
{
  put(journal, &(struct journal_work){
                   .kind = WORK_FORGET,
                   .endpoint = memory_text(endpoint),
                   .type = memory_text(type),
                   .id = id,
                   .forgotten = done,
                   .context = context,
               });
}

json_t *journal_numbers(const struct journal *journal)
{
  static const char *const conditions[] = {"good", "full", "read-only"};
  const struct journal_numbers numbers = journal_thread_numbers(journal->thread);
  const struct {
    const char *key;
    int64_t value;
  } pairs[] = {
      {"file_bytes", numbers.file_bytes},
      {"wal_bytes", numbers.wal_bytes},
      {"commands", numbers.counts.commands},
      {"ids", numbers.counts.past},
      {"messages", numbers.counts.messages},
      {"stored_keys", numbers.counts.stored},
      {"transactions", numbers.transactions},
      {"free_bytes", numbers.free_bytes},
      {"last_commit_us", numbers.last_commit_us},
      {"mean_commit_us", numbers.mean_commit_us},
  };
  json_t *object = json_object();
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
    json_object_set_new(object, pairs[i].key, json_integer(pairs[i].value));
  json_object_set_new(object, "condition",
                      json_string(conditions[journal_condition(journal)]));
  return object;
}

void journal_close(struct journal *journal)
{
  if (!journal)
    return;
  journal_thread_stop(journal->thread);
  deliver(journal);
  destroy(journal);
}
