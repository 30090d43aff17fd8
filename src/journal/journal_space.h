/* The room on the disk that is kept for what is done: a ballast file, given up when the
 * disk is full. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_SPACE_H
#define KAALUA_IO_JOURNAL_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct journal_space {
  char *path;      /* of the ballast; owned */
  char *directory; /* owned */
  size_t bytes;
};

void journal_space_init(struct journal_space *space, const char *directory, size_t bytes);
void journal_space_clear(struct journal_space *space);

/* Makes the ballast if it is not there and `spare_bytes` would be free beside it; whether
 * it is there. */
bool journal_space_take(struct journal_space *space, size_t spare_bytes);

/* Gives its room to the journal. */
void journal_space_give(struct journal_space *space);

int64_t journal_space_free_bytes(const struct journal_space *space);

#endif
