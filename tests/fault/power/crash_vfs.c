#include "crash_vfs.h"

#include "base/memory.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

struct crash_vfs {
  sqlite3_vfs vfs; /* first: SQLite's pointer is ours */
  sqlite3_vfs *real;
  struct crash_disk *disk;
};

/* SQLite gives room for this and, behind it, the real file. */
struct handle {
  sqlite3_file file;
  struct crash_disk *disk;
  struct crash_inode *inode;
  bool names_are_due; /* as SQLite's own: a log's first sync, new or not, is its folder's, too */
};

enum { REAL_AT = (sizeof(struct handle) + 15) / 16 * 16 };

static sqlite3_file *real_file(sqlite3_file *file)
{
  return (sqlite3_file *)(void *)((char *)file + REAL_AT);
}

static struct handle *handle_of(sqlite3_file *file)
{
  return (struct handle *)(void *)file;
}

static struct crash_vfs *vfs_of(sqlite3_vfs *vfs)
{
  return (struct crash_vfs *)(void *)vfs;
}

static int file_close(sqlite3_file *file)
{
  return real_file(file)->pMethods->xClose(real_file(file));
}

static int file_read(sqlite3_file *file, void *bytes, int size, sqlite3_int64 offset)
{
  return real_file(file)->pMethods->xRead(real_file(file), bytes, size, offset);
}

static int file_write(sqlite3_file *file, const void *bytes, int size, sqlite3_int64 offset)
{
  struct handle *handle = handle_of(file);
  if (crash_disk_write(handle->disk, handle->inode, bytes, (size_t)size, (uint64_t)offset))
    return SQLITE_IOERR_WRITE;
  return real_file(file)->pMethods->xWrite(real_file(file), bytes, size, offset);
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
  struct handle *handle = handle_of(file);
  if (crash_disk_truncate(handle->disk, handle->inode, (uint64_t)size))
    return SQLITE_IOERR_TRUNCATE;
  return real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static int file_sync(sqlite3_file *file, int flags)
{
  (void)flags;
  struct handle *handle = handle_of(file);
  if (crash_disk_sync(handle->disk, handle->inode))
    return SQLITE_IOERR_FSYNC;
  if (handle->names_are_due && crash_disk_sync_names(handle->disk))
    return SQLITE_IOERR_DIR_FSYNC;
  handle->names_are_due = false;
  return SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
  return real_file(file)->pMethods->xFileSize(real_file(file), size);
}

static int file_lock(sqlite3_file *file, int lock)
{
  return real_file(file)->pMethods->xLock(real_file(file), lock);
}

static int file_unlock(sqlite3_file *file, int lock)
{
  return real_file(file)->pMethods->xUnlock(real_file(file), lock);
}

static int file_check(sqlite3_file *file, int *is_reserved)
{
  return real_file(file)->pMethods->xCheckReservedLock(real_file(file), is_reserved);
}

/* SQLite lets a truncation of its log fail. A commit behind one in which the power went is
 * told to nobody. */
static int file_control(sqlite3_file *file, int operation, void *argument)
{
  if (operation == SQLITE_FCNTL_COMMIT_PHASETWO && crash_disk_is_dead(handle_of(file)->disk))
    return SQLITE_IOERR;
  return real_file(file)->pMethods->xFileControl(real_file(file), operation, argument);
}

static int file_sector(sqlite3_file *file)
{
  return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static int file_device(sqlite3_file *file)
{
  return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

static const sqlite3_io_methods METHODS = {
    .iVersion = 1, /* no shared memory: the journal keeps its lock */
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
  struct crash_vfs *crash = vfs_of(vfs);
  struct handle *handle = handle_of(file);
  const char *name = crash_disk_name(crash->disk, path);
  handle->file.pMethods = NULL;
  if (!name)
    return SQLITE_CANTOPEN; /* the journal has no files elsewhere */
  struct crash_inode *inode = crash_disk_find(crash->disk, name);
  if (!inode && !(flags & SQLITE_OPEN_CREATE))
    return SQLITE_CANTOPEN;
  if (!inode && crash_disk_link(crash->disk, name))
    return SQLITE_CANTOPEN;
  int rc = crash->real->xOpen(crash->real, path, real_file(file), flags, out);
  if (rc)
    return rc;
  *handle = (struct handle){{&METHODS}, crash->disk, crash_disk_find(crash->disk, name),
                            (flags & SQLITE_OPEN_CREATE) && (flags & SQLITE_OPEN_WAL)};
  return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int syncs)
{
  struct crash_vfs *crash = vfs_of(vfs);
  const char *name = crash_disk_name(crash->disk, path);
  if (!name || crash_disk_unlink(crash->disk, name))
    return SQLITE_IOERR_DELETE;
  int rc = crash->real->xDelete(crash->real, path, 0);
  return !rc && syncs && crash_disk_sync_names(crash->disk) ? SQLITE_IOERR_DIR_FSYNC : rc;
}

static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *result)
{
  return vfs_of(vfs)->real->xAccess(vfs_of(vfs)->real, path, flags, result);
}

static int vfs_full(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
  return vfs_of(vfs)->real->xFullPathname(vfs_of(vfs)->real, path, size, out);
}

static int vfs_randomness(sqlite3_vfs *vfs, int size, char *out)
{
  return vfs_of(vfs)->real->xRandomness(vfs_of(vfs)->real, size, out);
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
  return vfs_of(vfs)->real->xSleep(vfs_of(vfs)->real, us);
}

static int vfs_time(sqlite3_vfs *vfs, double *days)
{
  return vfs_of(vfs)->real->xCurrentTime(vfs_of(vfs)->real, days);
}

static int vfs_error(sqlite3_vfs *vfs, int size, char *out)
{
  return vfs_of(vfs)->real->xGetLastError(vfs_of(vfs)->real, size, out);
}

struct crash_vfs *crash_vfs_create(struct crash_disk *disk)
{
  struct crash_vfs *crash = memory_zeroed(1, sizeof *crash);
  crash->real = sqlite3_vfs_find(NULL);
  crash->disk = disk;
  crash->vfs = (sqlite3_vfs){
      .iVersion = 1,
      .szOsFile = REAL_AT + crash->real->szOsFile,
      .mxPathname = crash->real->mxPathname,
      .zName = "crash",
      .xOpen = vfs_open,
      .xDelete = vfs_delete,
      .xAccess = vfs_access,
      .xFullPathname = vfs_full,
      .xRandomness = vfs_randomness,
      .xSleep = vfs_sleep,
      .xCurrentTime = vfs_time,
      .xGetLastError = vfs_error,
  };
  sqlite3_vfs_register(&crash->vfs, 1);
  crash_libc_set(disk);
  return crash;
}

void crash_vfs_destroy(struct crash_vfs *crash)
{
  crash_libc_set(NULL);
  sqlite3_vfs_unregister(&crash->vfs);
  free(crash);
}
