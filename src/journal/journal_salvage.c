#include "journal/journal_salvage.h"

#include "journal/journal_prune.h"
#include "journal/journal_rows.h"
#include "journal/journal_tables.h"

#include <string.h>

enum {
  STEP = 1000000, /* numbers that may have been used and are not known */
  FIRST_SKIP = 1,
  LAST_SKIP = 1 << 24, /* beyond it there is nothing */
};
/* Where nothing tells what was used. */
static const int64_t UNKNOWN_STEP = INT64_C(1) << 32;

struct salvage {
  struct journal_database *to;
  sqlite3 *from;
  const struct journal_table *table;
  sqlite3_stmt *insert;
  int rc; /* of the new one */
};

static int columns_of(const char *columns)
{
  int count = 1;
  for (; (columns = strchr(columns, ',')); columns++)
    count++;
  return count;
}

static sqlite3_stmt *prepare_insert(struct journal_database *to, const struct journal_table *table)
{
  char marks[128] = "?";
  for (int i = columns_of(table->columns); i > 1; i--)
    strcat(marks, ",?");
  char *sql = sqlite3_mprintf("INSERT OR IGNORE INTO %s(%s) VALUES(%s)", table->name,
                              table->columns, marks);
  sqlite3_stmt *insert = NULL;
  int rc = sqlite3_prepare_v2(to->handle, sql, -1, &insert, NULL);
  sqlite3_free(sql);
  if (rc)
    journal_database_fault(to, rc, "taking over");
  return insert;
}

static void take_over(struct salvage *salvage, sqlite3_stmt *row)
{
  if (!salvage->table->is_whole(row))
    return;
  for (int i = 0; i < sqlite3_column_count(row); i++)
    sqlite3_bind_value(salvage->insert, i + 1, sqlite3_column_value(row, i));
  salvage->rc = journal_database_step(salvage->to, salvage->insert);
  sqlite3_clear_bindings(salvage->insert);
}

/* Whether a row comes behind those that were read: in a damaged table they may go round. */
static bool goes_on(int64_t at, int64_t *rowid, bool is_backward)
{
  if (is_backward ? at > *rowid || at == INT64_MIN : at < *rowid || at == INT64_MAX)
    return false;
  *rowid = is_backward ? at - 1 : at + 1;
  return true;
}

/* Reads from `*rowid` on until the end (then true) or a fault; `*rowid` is then where. */
static bool read_until_fault(struct salvage *salvage, int64_t *rowid, bool is_backward)
{
  char *sql = sqlite3_mprintf("SELECT %s FROM %s NOT INDEXED WHERE rowid%s?1 ORDER BY rowid %s",
                              salvage->table->columns, salvage->table->name,
                              is_backward ? "<=" : ">=", is_backward ? "DESC" : "ASC");
  sqlite3_stmt *rows = NULL;
  int rc = sqlite3_prepare_v2(salvage->from, sql, -1, &rows, NULL);
  sqlite3_free(sql);
  if (rc) {
    sqlite3_finalize(rows);
    return true; /* no such table */
  }
  sqlite3_bind_int64(rows, 1, *rowid);
  while (!salvage->rc && (rc = sqlite3_step(rows)) == SQLITE_ROW) {
    if (!goes_on(sqlite3_column_int64(rows, 0), rowid, is_backward))
      break;
    take_over(salvage, rows);
  }
  sqlite3_finalize(rows);
  return rc == SQLITE_DONE || salvage->rc;
}

/* Forward to a bad page, backward to one; between them in growing steps. */
static void take_over_table(struct salvage *salvage)
{
  int64_t forward = INT64_MIN, backward = INT64_MAX;
  if (read_until_fault(salvage, &forward, false) || read_until_fault(salvage, &backward, true))
    return;
  if (forward == INT64_MIN)
    forward = 0; /* the first page is bad, and numbers begin with 1 */
  int64_t skip = FIRST_SKIP;
  while (forward < backward && (uint64_t)backward - (uint64_t)forward >= (uint64_t)skip &&
         skip <= LAST_SKIP && !salvage->rc) {
    int64_t at = forward += skip;
    if (read_until_fault(salvage, &forward, false))
      return;
    skip = forward != at ? FIRST_SKIP : skip * 2;
  }
}

static void raise_to(int64_t *greatest, int64_t value)
{
  if (value > *greatest)
    *greatest = value;
}

/* The row of facts; whether it is there and whole. */
static bool take_over_facts(struct journal_database *to, sqlite3 *from, struct journal_facts *facts)
{
  sqlite3_stmt *read = NULL;
  bool is_whole = !sqlite3_prepare_v2(from,
                                      "SELECT number,sequence,message,is_lost,was_answered,boot,sum"
                                      " FROM facts WHERE one=1",
                                      -1, &read, NULL) &&
                  sqlite3_step(read) == SQLITE_ROW && journal_facts_read(read, facts);
  sqlite3_finalize(read);
  if (!is_whole)
    return false;
  raise_to(&to->facts.transaction, facts->transaction);
  raise_to(&to->facts.sequence, facts->sequence);
  raise_to(&to->facts.message, facts->message);
  to->facts.was_answered = facts->was_answered;
  return true;
}

static int remove_nameless(struct journal_database *to)
{
  static const char NAMELESS[] =
      "DELETE FROM command WHERE endpoint NOT IN(SELECT name FROM name)"
      " OR type NOT IN(SELECT name FROM name);"
      "DELETE FROM past WHERE endpoint NOT IN(SELECT name FROM name)"
      " OR type NOT IN(SELECT name FROM name);"
      "DELETE FROM listed WHERE endpoint NOT IN(SELECT name FROM name)"
      " OR type NOT IN(SELECT name FROM name);"
      "DELETE FROM message WHERE endpoint NOT IN(SELECT name FROM name);"
      "DELETE FROM stored WHERE owner<>0 AND owner NOT IN(SELECT name FROM name);";
  return journal_database_run(to, NAMELESS);
}

static int end_one(struct journal_database *to, int64_t sequence)
{
  static const char LOST[] = "Journal lost: the outcome is unknown";
  struct journal_row row;
  sqlite3_stmt *read;
  int rc = journal_row_get(to, sequence, &row, &read);
  if (rc != SQLITE_ROW)
    return rc;
  row.state = ROW_DONE;
  row.done = row.received;
  row.status = 500;
  row.reason = (struct journal_text){LOST, sizeof LOST - 1};
  row.payload = row.saved_text = (struct journal_text){NULL, 0};
  row.restart = ROW_ABSENT;
  row.within = row.saved = row.saved_boot = row.saved_in = 0;
  return journal_row_put_result(to, &row, read);
}

/* What was queued when the last transaction that is left was written may have run in one
 * that is lost, and what was running may have been answered. */
static int end_alive(struct journal_database *to)
{
  int64_t sequence = INT64_MIN;
  for (int rc = 0; !rc;) {
    char *sql = sqlite3_mprintf("SELECT min(sequence) FROM command WHERE state IN(%d,%d,%d)"
                                " HAVING count(*)>0",
                                ROW_QUEUED, ROW_RUNNING, ROW_WAITING);
    rc = journal_database_integer(to, sql, INT64_MIN, &sequence);
    sqlite3_free(sql);
    if (rc || sequence == INT64_MIN)
      return rc;
    rc = end_one(to, sequence);
    if (rc)
      return rc;
  }
  return 0;
}

static int take_over_tables(struct journal_database *to, sqlite3 *from)
{
  struct salvage salvage = {.to = to, .from = from};
  for (int i = 0; i < JOURNAL_TABLES && !salvage.rc; i++) {
    salvage.table = journal_table((enum journal_table_which)i);
    salvage.insert = prepare_insert(to, salvage.table);
    if (!salvage.insert)
      return SQLITE_ERROR;
    take_over_table(&salvage);
    sqlite3_finalize(salvage.insert);
  }
  return salvage.rc;
}

static int greatest(struct journal_database *to, const char *sql, int64_t *number)
{
  int64_t seen;
  int rc = journal_database_integer(to, sql, 0, &seen);
  raise_to(number, seen);
  return rc;
}

/* Reads the damaged one both with its log and without: rows of the log count first. */
static int take_over_all(struct journal_database *to, const char *damaged,
                         const struct journal_mark_numbers *marked, bool *is_complete)
{
  int rc = 0;
  *is_complete = false;
  for (int is_alone = 0; is_alone <= 1 && !rc; is_alone++) {
    struct journal_database from;
    if (journal_database_open_kept(&from, damaged, is_alone))
      continue;
    struct journal_facts facts;
    bool has_facts = take_over_facts(to, from.handle, &facts);
    if (has_facts && !is_alone)
      *is_complete = marked->transaction > 0 && facts.transaction >= marked->transaction;
    rc = take_over_tables(to, from.handle);
    journal_database_close(&from);
    if (has_facts)
      return rc;
  }
  return rc;
}

int journal_salvage(struct journal_database *database, const char *damaged,
                    const struct journal_mark_numbers *marked)
{
  struct journal_facts *facts = &database->facts;
  bool is_complete = false;
  int rc = damaged ? take_over_all(database, damaged, marked, &is_complete) : 0;
  bool is_known = facts->transaction > 0;
  if (!rc)
    rc = remove_nameless(database);
  if (!rc)
    rc = journal_prune_doubles(database);
  if (!rc && !is_complete)
    rc = end_alive(database);
  if (!rc)
    rc = greatest(database, "SELECT max(sequence) FROM command", &facts->sequence);
  if (!rc)
    rc = greatest(database, "SELECT max(sequence) FROM past", &facts->sequence);
  if (!rc)
    rc = greatest(database, "SELECT max(number) FROM message", &facts->message);
  facts->sequence += is_known ? STEP : UNKNOWN_STEP;
  facts->message += is_known ? STEP : UNKNOWN_STEP;
  return rc;
}
