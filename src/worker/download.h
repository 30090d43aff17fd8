/* A file that is there whole or not at all: it has no name until it is complete (O_TMPFILE), so
 * that nothing is left of it where this process ends. On a file system that has no such files it
 * is ".NAME.kaalua-part" beside the file meanwhile; the next one removes what is left of that.
 *
 *   download_open → download_send → … → download_commit | download_abandon
 *
 * Nothing of this raises. */
#ifndef KAALUA_WORKER_DOWNLOAD_H
#define KAALUA_WORKER_DOWNLOAD_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct download {
  int directory, fd;
  bool is_named; /* as `part` */
  char name[NAME_MAX + 1], part[NAME_MAX + 1];
};

/* Begins the file `resolved` (worker/paths.h), which may be there already: it is replaced as a
 * whole. Returns 0, or -1 with errno: EISDIR, or EINVAL where it is no regular one. */
int download_open(struct download *download, const char *resolved);

/* Hands its descriptor over to the host, for the transfer `call`. Returns 0, or -1 with errno. */
int download_send(const struct download *download, uint32_t call);

/* It is complete: gives it its name. Returns 0, or -1 with errno; it is closed in either case. */
int download_commit(struct download *download);

/* It is not: nothing of it is left. */
void download_abandon(struct download *download);

#endif
