#include "worker/judged.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool judged_is(int fd, const char *path)
{
  char link[64], opened[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, opened, sizeof opened);
  return size == (ssize_t)strlen(path) && !memcmp(opened, path, (size_t)size);
}

int judged_open_folder(const char *resolved, int flags, const char **name)
{
  char path[PATH_MAX];
  const char *slash = strrchr(resolved, '/');
  if (!slash || strlen(resolved) >= sizeof path) {
    errno = ENAMETOOLONG;
    return -1;
  }
  *name = slash + 1;
  snprintf(path, sizeof path, "%.*s", slash == resolved ? 1 : (int)(slash - resolved), resolved);
  int fd = open(path, flags | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0 || judged_is(fd, path))
    return fd;
  close(fd);
  errno = EACCES;
  return -1;
}
