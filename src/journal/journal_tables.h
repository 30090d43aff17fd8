/* The tables of rows, each with how a row is verified and found: for what reads all of
 * a journal. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_TABLES_H
#define KAALUA_IO_JOURNAL_TABLES_H

#include "journal/journal_database.h"

enum journal_table_which {
  TABLE_NAME,
  TABLE_COMMAND,
  TABLE_PAST,
  TABLE_MESSAGE,
  TABLE_LISTED,
  TABLE_STORED,
  JOURNAL_TABLES
};

struct journal_table {
  const char *name;
  const char *columns; /* the first is the rowid, the last the sum */
  const char *index;   /* unique; NULL: none */
  const char *key;     /* its columns and then the rowid */
  int key_columns;
  /* Whether the row that a statement over `columns` stands on is as it was written. */
  bool (*is_whole)(sqlite3_stmt *row);
};

const struct journal_table *journal_table(enum journal_table_which which);

#endif
