/* What a worker has begun and finished, in a file that it shares with the host,
 * so that it is known also when the host was killed: the page cache outlives both
 * (not a power cut: after a new boot everything counts as begun).
 *
 * The worker marks a command as begun before its handler runs, and writes the
 * result of the one before ahead of that; results stay until the host has them
 * durable. So of all the commands that a worker was handed, only one can have
 * begun and have no result. Where the file is full the worker waits; after a
 * result that is larger than the file the next begins once that one is durable.
 *
 *   host     marks_create → worker_start with fd → marks_count_durable for each result →
 *            marks_destroy (when all of them are durable)
 *   worker   marks_attach → (marks_begin → marks_finish) …
 *   next host  marks_read for each file that its predecessor left, when no worker of it lives
 *
 * The layout is private to marks.c. The reader trusts nothing that it finds: each record
 * has a checksum. Commands go by their sequence (core/command.h). */
#ifndef KAALUA_BASE_MARKS_H
#define KAALUA_BASE_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
  MARKS_BYTES = 64 * 1024, /* the largest result that the file holds is a little smaller */
  MARKS_CANCELLED = 4,     /* commands of a worker that can be cancelled at a time */
};

struct marks;

/* Host: creates the file, which must not exist, 0600, as `path`.new, which is renamed
 * once it is whole. Returns owned (marks_destroy), or NULL with *rc a negative errno. */
struct marks *marks_create(const char *path, int *rc);

/* The descriptor for the worker; close-on-exec. */
int marks_fd(const struct marks *marks);

/* Host: one more of the worker's results (in any order) is durable, or no longer of
 * interest. Wakes a worker that waits for it. */
void marks_count_durable(struct marks *marks);

/* Host: from now on the worker begins nothing any more. Returns the sequence that it began
 * last, 0: none; no other will begin. That one may be about to be taken back (marks_begin). */
int64_t marks_revoke(struct marks *marks);

/* Host: this one is to stop, or not to begin, until another sequence is put into its place (below
 * MARKS_CANCELLED). Returns the sequence that the worker began last, 0: none. Where that is not
 * this one, nor one that was handed out after it, this one will not begin. */
int64_t marks_cancel(struct marks *marks, size_t place, int64_t sequence);

/* Worker: maps the file; the caller may close `fd`. Returns owned, or NULL with *rc. */
struct marks *marks_attach(int fd, int *rc);

/* Worker: whether the host has cancelled this sequence; never true of 0. May be called by a
 * signal's handler. */
bool marks_is_cancelled(const struct marks *marks, int64_t sequence);

/* Worker: the command with this sequence begins (0: something that leaves no mark). Waits
 * while the result before was too large to be kept and is not durable yet. Returns 0;
 * -ECANCELED where the host has revoked: then it does not begin, nor does anything else;
 * -ESTALE where the host has cancelled this one: it does not begin, and has no result. */
int marks_begin(struct marks *marks, int64_t sequence);

/* Worker: the command that was begun last has ended. Waits while there is no room.
 * `payload` NULL: none. `waits`: it waits for a restart, the rest does not count. */
void marks_finish(struct marks *marks, int status, const char *reason, const char *payload,
                  size_t payload_bytes, int waits);

/* Unmaps; the host's removes its file, too. NULL is fine. */
void marks_destroy(struct marks *marks);

/* Host: unmaps and leaves the file to the next host. */
void marks_leave(struct marks *marks);

/* Of this only the bounds are checked. A handler may have written it: that the status is
 * one, the reason one line of UTF-8, the payload JSON is the caller's to check. */
struct marks_result {
  int64_t sequence;    /* over 0; may be durable already */
  int status;
  const char *reason;  /* at most 256 bytes; borrowed for the call */
  const char *payload; /* NULL: none; not NUL-terminated */
  size_t payload_bytes;
  int waits;
};

typedef void marks_found(void *context, const struct marks_result *result);

/* Reads a file that was left: calls `finished` for each result in it. Returns 0 with
 * *begun the sequence that was begun last (0: none), or a negative errno (-EBADMSG:
 * damaged, nothing can be said of what it holds). */
int marks_read(const char *path, marks_found *finished, void *context, int64_t *begun);

/* Host: the same of its own file, whose worker may be writing to it (then -EBADMSG may
 * come of that). */
int marks_look(const struct marks *marks, marks_found *finished, void *context, int64_t *begun);

#endif
