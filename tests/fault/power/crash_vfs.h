/* Between SQLite (and the journal's own calls of libc) and a crash_disk. One at a time:
 * SQLite's default and libc's functions are the process's.
 *
 * What SQLite does to files in the disk's folder, through the default VFS below this one,
 * the disk is told first; real syncs are left out. What the journal does itself (open,
 * unlink, rename, fsync and msync) comes here by the linker's --wrap. */
#ifndef KAALUA_TESTS_CRASH_VFS_H
#define KAALUA_TESTS_CRASH_VFS_H

#include "crash_disk.h"

struct crash_vfs;

/* From here on new connections go to `disk`, borrowed. Returns owned. */
struct crash_vfs *crash_vfs_create(struct crash_disk *disk);

/* Every connection is closed. */
void crash_vfs_destroy(struct crash_vfs *vfs);

/* Where the wrapped calls of libc go; NULL: to the real one. */
void crash_libc_set(struct crash_disk *disk);

#endif
