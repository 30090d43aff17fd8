/* A new journal.db, complete before it has its name, so that an empty or half one is
 * never taken for a new one. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_FRESH_H
#define KAALUA_IO_JOURNAL_FRESH_H

#include "base/error.h"
#include "journal/journal.h"
#include "journal/journal_mark.h"

struct journal_fresh {
  const char *path;
  const struct journal_options *options;
  const char *damaged; /* what can be read of it is taken over; NULL: nothing */
  bool is_lost;
  struct journal_mark_numbers marked;
};

/* Returns 0, or a negative errno with `error`; then nothing has the name. */
int journal_fresh_make(const struct journal_fresh *fresh, struct error *error);

#endif
