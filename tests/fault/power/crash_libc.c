/* What the journal does to its files without SQLite; see crash_vfs.h. The linker sends its
 * calls of open() and so on here, and ours of __real_open() to libc. */
#include "crash_vfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

int __real_open(const char *path, int flags, ...);
int __real_unlink(const char *path);
int __real_rename(const char *from, const char *to);
int __real_fsync(int fd);
int __real_msync(void *at, size_t size, int flags);
int __wrap_open(const char *path, int flags, ...);
int __wrap_unlink(const char *path);
int __wrap_rename(const char *from, const char *to);
int __wrap_fsync(int fd);
int __wrap_msync(void *at, size_t size, int flags);

/* A function of libc has no place for a context. */
static struct crash_disk *the_disk;

void crash_libc_set(struct crash_disk *disk)
{
  the_disk = disk;
}

static const char *name_of(const char *path)
{
  return the_disk ? crash_disk_name(the_disk, path) : NULL;
}

static bool is_refused(enum crash_answer answer)
{
  if (answer != CRASH_DONE)
    errno = EIO;
  return answer != CRASH_DONE;
}

int __wrap_open(const char *path, int flags, ...)
{
  va_list list;
  va_start(list, flags);
  mode_t mode = flags & O_CREAT ? va_arg(list, mode_t) : 0;
  va_end(list);
  const char *name = flags & O_CREAT ? name_of(path) : NULL;
  if (name && access(path, F_OK) < 0 && is_refused(crash_disk_link(the_disk, name)))
    return -1;
  return __real_open(path, flags, mode);
}

int __wrap_unlink(const char *path)
{
  const char *name = name_of(path);
  if (name && access(path, F_OK) == 0 && is_refused(crash_disk_unlink(the_disk, name)))
    return -1;
  return __real_unlink(path);
}

int __wrap_rename(const char *from, const char *to)
{
  const char *name = name_of(from), *new_name = name_of(to);
  if (name && new_name && access(from, F_OK) == 0 &&
      is_refused(crash_disk_rename(the_disk, name, new_name)))
    return -1;
  return __real_rename(from, to);
}

int __wrap_fsync(int fd)
{
  char link[64], path[4097];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = the_disk ? readlink(link, path, sizeof path - 1) : -1;
  if (size < 0)
    return __real_fsync(fd);
  path[size] = '\0';
  const char *name = name_of(path);
  struct crash_inode *inode = name ? crash_disk_find(the_disk, name) : NULL;
  return is_refused(inode ? crash_disk_sync(the_disk, inode) : crash_disk_sync_names(the_disk))
             ? -1
             : 0;
}

/* Only the mark is mapped. */
int __wrap_msync(void *at, size_t size, int flags)
{
  if (!the_disk)
    return __real_msync(at, size, flags);
  return is_refused(crash_disk_sync_mark(the_disk)) ? -1 : 0;
}
