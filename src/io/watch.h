/* Folders that are watched for changes: raw inotify on the loop. libuv's own
 * uv_fs_event tells neither the last close of a file that was written nor lost events.
 *
 * A hint, never the truth: what is told may be late, doubled or lost (the kernel keeps
 * 16,384 events, network file systems and mmap tell nothing), and a watch stays with the
 * folder that it was set on, wherever that is moved. So whoever watches also scans, and
 * names all folders again at each scan, by path:
 *
 *   watch_begin → watch_add for each folder, before it is listed → watch_end
 *
 * Called from the loop's thread. Costs one descriptor, whatever is watched. */
#ifndef KAALUA_IO_WATCH_H
#define KAALUA_IO_WATCH_H

#include "base/error.h"
#include "io/loop.h"

enum watch_event {
  WATCH_APPEARED = 1, /* the name is there; perhaps it is still being written */
  WATCH_WRITTEN = 2,  /* the file was written to, by somebody who has it open */
  WATCH_CLOSED = 4,   /* the file was closed after writing, or renamed to this name */
  WATCH_TOUCHED = 8,  /* owner, mode or times of the file */
  WATCH_GONE = 16,    /* the name is not there */
  WATCH_FOLDER = 32,  /* with one of the above: a folder; the watched one where name is "" */
  WATCH_LOST = 64,    /* alone: events were lost, anything may have changed */
};

struct watch;

struct watch_ports {
  void *context;
  /* `folder` as it was given to watch_add(), `name` in it, bits of enum watch_event. Both are
   * "" with WATCH_LOST. Only notes it: no call of this header from here. */
  void (*event)(void *context, const char *folder, const char *name, unsigned what);
};

/* Returns owned. Watches nothing yet, and takes no descriptor before it does. */
struct watch *watch_create(struct loop *loop, const struct watch_ports *ports);
void watch_destroy(struct watch *watch); /* NULL is fine */

/* Tells of what has happened so far, now: not in a later turn of the loop. */
void watch_catch_up(struct watch *watch);

void watch_begin(struct watch *watch);

/* Watches the folder that the path leads to from now on. `only` (or NULL): one name in it
 * is of interest, and not what is written to it. Copies both.
 * Returns 0; -ENOENT, -ENOTDIR, -EACCES: there is no such folder to be watched; another
 * negative code where the kernel has no watch left, with `error`. */
int watch_add(struct watch *watch, const char *folder, const char *only, struct error *error);

/* Drops what was not added since watch_begin(). */
void watch_end(struct watch *watch);

#endif
