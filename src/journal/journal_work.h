/* What the loop hands to the journal's thread, and gets back. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_WORK_H
#define KAALUA_IO_JOURNAL_WORK_H

#include "journal/journal.h"

#include <sys/queue.h>

enum journal_work_kind { WORK_BATCH, WORK_STORE, WORK_FORGET, WORK_QUERY };

struct journal_work {
  TAILQ_ENTRY(journal_work) place;
  enum journal_work_kind kind;
  const char *failure; /* constant; NULL: it went well */
  void *context;
  /* WORK_BATCH; the core's */
  struct change *changes;
  size_t count;
  /* WORK_STORE, and the key of WORK_FORGET */
  enum journal_store_kind store_kind;
  char *owner, *key, *value; /* owned; the value that was asked for, too */
  size_t value_bytes;
  journal_store_done *stored;
  char *endpoint, *type; /* owned; of WORK_QUERY, too */
  int64_t id;
  bool was_found;
  journal_forget_done *forgotten;
  /* WORK_QUERY; its texts are those above */
  struct journal_query query;
  journal_query_done *answered;
  json_t *answer; /* owned */
};

TAILQ_HEAD(journal_works, journal_work);

void journal_work_destroy(struct journal_work *work); /* NULL is fine */

#endif
