#include "journal/journal_transaction.h"

#include "base/clock.h"
#include "journal/journal_batch.h"
#include "journal/journal_known.h"
#include "journal/journal_names.h"
#include "journal/journal_query.h"
#include "journal/journal_rows.h"
#include "journal/journal_store.h"

#include <stdlib.h>

static int store(struct journal_database *database, struct journal_work *work, bool is_full)
{
  switch (work->store_kind) {
  case JOURNAL_GET:
    return journal_store_get(database, work->owner, work->key, &work->value, &work->value_bytes);
  case JOURNAL_SET:
    if (is_full)
      work->failure = "no room on the disk";
    return is_full ? 0
                   : journal_store_set(database, work->owner, work->key, work->value,
                                       work->value_bytes, &work->failure);
  case JOURNAL_DELETE: return journal_store_delete(database, work->owner, work->key);
  }
  return 0;
}

static int forget(struct journal_database *database, struct journal_work *work)
{
  int64_t endpoint, type;
  int rc = journal_names_find(database, work->endpoint, &endpoint);
  if (!rc)
    rc = journal_names_find(database, work->type, &type);
  if (rc || !endpoint || !type)
    return rc;
  return journal_known_forget(database, endpoint, type, work->id, true, &work->was_found);
}

static int carry_out(struct journal_database *database, struct journal_work *work,
                     const struct journal_terms *terms)
{
  switch (work->kind) {
  case WORK_BATCH: return journal_batch_apply(database, work->changes, work->count, terms);
  case WORK_STORE: return store(database, work, terms->is_full);
  case WORK_FORGET: return forget(database, work);
  case WORK_QUERY: return 0;
  }
  return 0;
}

static void undo(struct journal_work *work)
{
  work->failure = NULL;
  work->was_found = false;
  if (work->kind == WORK_BATCH)
    journal_batch_undo(work->changes, work->count);
  if (work->kind != WORK_STORE || work->store_kind != JOURNAL_GET)
    return;
  free(work->value);
  work->value = NULL;
}

/* Steps of pruning: as many as there are changes, so that it keeps up, and some more. */
enum { PRUNE_LEAST = 8 };

static int write_all(struct journal_database *database, struct journal_works *works,
                     const struct journal_bounds *bounds, const char *boot_id,
                     const struct journal_terms *terms)
{
  int64_t steps = PRUNE_LEAST;
  int rc = journal_names_boot(database, boot_id);
  struct journal_work *work;
  TAILQ_FOREACH(work, works, place)
  {
    if (rc)
      return rc;
    rc = carry_out(database, work, terms);
    steps += (int64_t)work->count;
  }
  if (!rc)
    rc = journal_prune(database, bounds, terms->wall_ms, steps);
  if (rc)
    return rc;
  database->facts.transaction++;
  database->facts.boot = database->boot;
  return journal_facts_write(database, &database->facts);
}

int journal_transaction_run(struct journal_database *database, struct journal_works *works,
                            const struct journal_bounds *bounds, const char *boot_id,
                            bool is_full)
{
  const struct journal_terms terms = {.wall_ms = clock_wall_ms(), .is_full = is_full};
  const struct journal_facts facts = database->facts;
  const struct journal_counts counts = database->counts;
  int rc = journal_database_do(database, STATEMENT_BEGIN);
  if (!rc)
    rc = write_all(database, works, bounds, boot_id, &terms);
  if (!rc)
    rc = journal_database_do(database, STATEMENT_COMMIT);
  if (!rc)
    return 0;
  if (!sqlite3_get_autocommit(database->handle))
    sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL); /* keeps the fault's text */
  database->facts = facts;
  database->counts = counts;
  journal_names_clear(database);
  struct journal_work *work;
  TAILQ_FOREACH(work, works, place)
  undo(work);
  return rc;
}

void journal_transaction_read_only(struct journal_database *database, struct journal_works *works)
{
  struct journal_work *work;
  TAILQ_FOREACH(work, works, place)
  {
    if (work->kind == WORK_BATCH)
      journal_batch_leave(work->changes, work->count);
    else if (work->kind == WORK_QUERY)
      journal_transaction_query(database, work);
    else if (work->kind != WORK_STORE || work->store_kind != JOURNAL_GET)
      work->failure = "the file system is read-only";
    else if (database->handle && store(database, work, false))
      work->failure = "it could not be read";
  }
}

int journal_transaction_query(struct journal_database *database, struct journal_work *work)
{
  if (work->failure) /* too many of them */
    return 0;
  work->query.endpoint = work->endpoint;
  work->query.type = work->type;
  int rc = 0;
  if (!database->handle)
    work->answer = json_array();
  else if ((rc = journal_query_run(database, &work->query, &work->answer)))
    work->failure = "the journal could not be read";
  return rc;
}
