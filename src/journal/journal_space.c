#include "journal/journal_space.h"

#include "base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

void journal_space_init(struct journal_space *space, const char *directory, size_t bytes)
{
  *space = (struct journal_space){
      .path = memory_format("%s/journal.ballast", directory),
      .directory = memory_text(directory),
      .bytes = bytes,
  };
}

void journal_space_clear(struct journal_space *space)
{
  free(space->path);
  free(space->directory);
  *space = (struct journal_space){0};
}

int64_t journal_space_free_bytes(const struct journal_space *space)
{
  struct statvfs status;
  if (statvfs(space->directory, &status) < 0)
    return 0;
  return (int64_t)((uint64_t)status.f_bavail * status.f_frsize);
}

static bool is_there(const struct journal_space *space)
{
  struct stat status;
  return !lstat(space->path, &status) && S_ISREG(status.st_mode) &&
         (uint64_t)status.st_blocks * 512 >= space->bytes;
}

bool journal_space_take(struct journal_space *space, size_t spare_bytes)
{
  if (is_there(space))
    return true;
  if (journal_space_free_bytes(space) < (int64_t)(space->bytes + spare_bytes))
    return false;
  int fd = open(space->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return false;
  bool is_taken = !posix_fallocate(fd, 0, (off_t)space->bytes);
  close(fd);
  if (!is_taken)
    unlink(space->path);
  return is_taken;
}

void journal_space_give(struct journal_space *space)
{
  unlink(space->path);
}
