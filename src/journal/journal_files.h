/* The files of the journal at the start: opened, created, or set aside and made anew. On
 * the caller's thread. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_FILES_H
#define KAALUA_IO_JOURNAL_FILES_H

#include "base/error.h"
#include "journal/journal.h"
#include "journal/journal_database.h"
#include "journal/journal_mark.h"

struct journal_files {
  struct journal_database database; /* handle NULL: nothing to read */
  struct journal_mark *mark;        /* NULL: none, the disk is full or cannot be written */
  bool is_read_only;
  bool is_full; /* and that is why */
  char *path; /* of journal.db; owned */
};

/* Opens and verifies. `options` with no zeros in it. Returns 0 or a negative errno with
 * `error`; journal_files_close() in either case. */
int journal_files_open(struct journal_files *files, const struct journal_options *options,
                       struct journal_start *found, struct error *error);

/* Copies the log into the file where it has grown; what happens in between can be told
 * apart at the next start. Returns 0 or a fault of SQLite. */
int journal_files_checkpoint(struct journal_files *files);

/* The same now: a file that has given back pages becomes smaller. */
int journal_files_write_back(struct journal_files *files);

void journal_files_close(struct journal_files *files);

#endif
