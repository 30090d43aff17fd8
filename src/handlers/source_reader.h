/* Opens a file of a handler directory and reads it in one piece. While it is open nobody
 * can begin to write to it, where the kernel grants a lease: on a local file system, to the
 * file's owner and who has CAP_LEASE. Who would write waits for these few microseconds. */
#ifndef KAALUA_HANDLERS_SOURCE_READER_H
#define KAALUA_HANDLERS_SOURCE_READER_H

#include "handlers/arrival.h"

#include <stddef.h>

struct source_reader {
  int fd;
  struct stat status;
  enum arrival_writer writer;
};

/* Returns 0, or a negative errno; then there is nothing to close. */
int source_reader_open(struct source_reader *reader, const char *path);
void source_reader_close(struct source_reader *reader);

/* Why the file is refused: its kind, its size, who may write it; returns owned, or NULL. */
char *source_reader_refusal(const struct source_reader *reader, const char *path);

/* The whole text, NUL-terminated, owned; NULL where it changed meanwhile, or with *error set
 * to a negative errno. */
char *source_reader_text(struct source_reader *reader, size_t *size, int *error);

#endif
