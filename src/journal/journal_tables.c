#include "journal/journal_tables.h"

#include "journal/journal_names.h"
#include "journal/journal_rows.h"

static bool is_whole_name(sqlite3_stmt *row)
{
  size_t size;
  const void *text = journal_column_bytes(row, 1, &size);
  return journal_names_sum(sqlite3_column_int64(row, 0), text, size) ==
         sqlite3_column_int64(row, 2);
}

static bool is_whole_command(sqlite3_stmt *row)
{
  struct journal_row command;
  return journal_row_read(row, &command);
}

static bool is_whole_past(sqlite3_stmt *row)
{
  struct journal_past past;
  return journal_past_read(row, &past);
}

static bool is_whole_message(sqlite3_stmt *row)
{
  size_t size;
  const void *body = journal_column_bytes(row, 4, &size);
  return journal_message_sum(sqlite3_column_int64(row, 0), sqlite3_column_int64(row, 1),
                             sqlite3_column_int64(row, 2), sqlite3_column_int64(row, 3), body,
                             size) == sqlite3_column_int64(row, 5);
}

static bool is_whole_pair(sqlite3_stmt *row)
{
  return journal_listed_sum(sqlite3_column_int64(row, 1), sqlite3_column_int64(row, 2)) ==
         sqlite3_column_int64(row, 3);
}

static bool is_whole_stored(sqlite3_stmt *row)
{
  size_t key_size, size;
  const void *key = journal_column_bytes(row, 2, &key_size);
  const void *value = journal_column_bytes(row, 3, &size);
  return journal_stored_sum(sqlite3_column_int64(row, 1), key, key_size, value, size) ==
         sqlite3_column_int64(row, 4);
}

const struct journal_table *journal_table(enum journal_table_which which)
{
  static const struct journal_table tables[JOURNAL_TABLES] = {
      [TABLE_NAME] = {"name", "name,text,sum", "name_text", "text,name", 2, is_whole_name},
      [TABLE_COMMAND] = {"command", JOURNAL_COMMAND_COLUMNS, "command_key",
                         "id,type,endpoint,sequence", 4, is_whole_command},
      [TABLE_PAST] = {"past", JOURNAL_PAST_COLUMNS, "past_key", "id,type,endpoint,sequence", 4,
                      is_whole_past},
      [TABLE_MESSAGE] = {"message", "number,is_metadata,endpoint,received,body,sum", NULL, NULL, 0,
                         is_whole_message},
      [TABLE_LISTED] = {"listed", "one,endpoint,type,sum", "listed_key", "endpoint,type,one", 3,
                        is_whole_pair},
      [TABLE_STORED] = {"stored", "one,owner,key,value,sum", "stored_key", "owner,key,one", 3,
                        is_whole_stored},
  };
  return &tables[which];
}
