#include "journal/journal_rows.h"
#include "journal/journal_sum.h"

static int64_t facts_sum(const struct journal_facts *facts)
{
  const int64_t integers[] = {facts->transaction, facts->sequence,     facts->message,
                              facts->is_lost,     facts->was_answered, facts->boot};
  uint64_t sum = journal_sum_begin("facts");
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
    sum = journal_sum_integer(sum, integers[i]);
  return journal_sum_end(sum, 0);
}

bool journal_facts_read(sqlite3_stmt *statement, struct journal_facts *facts)
{
  *facts = (struct journal_facts){
      .transaction = sqlite3_column_int64(statement, 0),
      .sequence = sqlite3_column_int64(statement, 1),
      .message = sqlite3_column_int64(statement, 2),
      .is_lost = sqlite3_column_int64(statement, 3) != 0,
      .was_answered = sqlite3_column_int64(statement, 4) != 0,
      .boot = sqlite3_column_int64(statement, 5),
  };
  return sqlite3_column_int64(statement, 6) == facts_sum(facts);
}

int journal_facts_write(struct journal_database *database, const struct journal_facts *facts)
{
  sqlite3_stmt *write = journal_database_statement(database, STATEMENT_FACTS_WRITE);
  if (!write)
    return SQLITE_ERROR;
  int at = 0;
  journal_bind_integer(write, &at, facts->transaction);
  journal_bind_integer(write, &at, facts->sequence);
  journal_bind_integer(write, &at, facts->message);
  journal_bind_integer(write, &at, facts->is_lost);
  journal_bind_integer(write, &at, facts->was_answered);
  journal_bind_integer(write, &at, facts->boot);
  journal_bind_integer(write, &at, facts_sum(facts));
  return journal_database_step(database, write);
}

int64_t journal_message_sum(int64_t number, int64_t is_metadata, int64_t endpoint, int64_t received,
                            const void *body, size_t size)
{
  const int64_t integers[] = {number, is_metadata, endpoint, received};
  uint64_t sum = journal_sum_begin("message");
  for (size_t i = 0; i < sizeof integers / sizeof *integers; i++)
    sum = journal_sum_integer(sum, integers[i]);
  return journal_sum_end(journal_sum_bytes(sum, body, size), 0);
}

int64_t journal_listed_sum(int64_t endpoint, int64_t type)
{
  uint64_t sum = journal_sum_integer(journal_sum_begin("listed"), endpoint);
  return journal_sum_end(journal_sum_integer(sum, type), 0);
}

int64_t journal_stored_sum(int64_t owner, const void *key, size_t key_size, const void *value,
                           size_t value_size)
{
  uint64_t sum = journal_sum_integer(journal_sum_begin("stored"), owner);
  sum = journal_sum_bytes(sum, key, key_size);
  return journal_sum_end(journal_sum_bytes(sum, value, value_size), 0);
}
