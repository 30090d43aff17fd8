#include "handlers/source_reader.h"

#include "base/memory.h"
#include "handlers/sources.h"
#include "handlers/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/vfs.h>
#include <unistd.h>

/* On these a writer may sit on another machine. */
static const unsigned remote_kinds[] = {
    NFS_SUPER_MAGIC, SMB_SUPER_MAGIC,  CIFS_SUPER_MAGIC, SMB2_SUPER_MAGIC, V9FS_MAGIC,
    AFS_SUPER_MAGIC, CODA_SUPER_MAGIC, CEPH_SUPER_MAGIC, FUSE_SUPER_MAGIC,
};

static bool is_remote(int fd)
{
  struct statfs status;
  if (fstatfs(fd, &status) < 0)
    return true;
  for (size_t i = 0; i < sizeof remote_kinds / sizeof *remote_kinds; i++)
    if ((unsigned)status.f_type == remote_kinds[i])
      return true;
  return false;
}

/* A read lease is granted only while nobody has the file open for writing, a mapping
 * included. Who opens it for writing meanwhile has us sent a signal: one that is ignored
 * unless somebody waits for it, where the usual SIGIO would end the process. */
static enum arrival_writer find_writer(int fd)
{
  if (is_remote(fd) || fcntl(fd, F_SETSIG, SIGURG) < 0)
    return ARRIVAL_WRITER_UNKNOWN;
  if (fcntl(fd, F_SETLEASE, F_RDLCK) == 0)
    return ARRIVAL_NO_WRITER;
  return errno == EAGAIN ? ARRIVAL_WRITER : ARRIVAL_WRITER_UNKNOWN;
}

int source_reader_open(struct source_reader *reader, const char *path)
{
  *reader = (struct source_reader){.writer = ARRIVAL_WRITER_UNKNOWN};
  reader->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (reader->fd < 0)
    return -errno;
  int rc = fstat(reader->fd, &reader->status) < 0 ? -errno : 0;
  if (rc == 0 && S_ISREG(reader->status.st_mode)) {
    reader->writer = find_writer(reader->fd);
    rc = fstat(reader->fd, &reader->status) < 0 ? -errno : 0; /* as it is from here on */
  }
  if (rc < 0)
    source_reader_close(reader);
  return rc;
}

void source_reader_close(struct source_reader *reader)
{
  close(reader->fd); /* the lease goes with it */
  reader->fd = -1;
}

char *source_reader_refusal(const struct source_reader *reader, const char *path)
{
  if (!S_ISREG(reader->status.st_mode))
    return memory_text("not a regular file");
  if (reader->status.st_size > SOURCE_MAX_BYTES)
    return memory_format("%lld bytes are too many for a handler file, the limit is %d",
                         (long long)reader->status.st_size, SOURCE_MAX_BYTES);
  char *refusal = trust_refusal(path, &reader->status);
  return refusal ? refusal : trust_link_refusal(path);
}

/* Fills `text` as far as the file goes. Returns how much that is, or a negative errno. */
static ssize_t read_all(int fd, char *text, size_t room)
{
  size_t size = 0;
  while (size < room) {
    ssize_t n = read(fd, text + size, room - size);
    if (n < 0 && errno != EINTR)
      return -errno;
    if (n == 0)
      break;
    size += n > 0 ? (size_t)n : 0;
  }
  return (ssize_t)size;
}

char *source_reader_text(struct source_reader *reader, size_t *size, int *error)
{
  size_t expected = (size_t)reader->status.st_size;
  char *text = memory_zeroed(expected + 2, 1);
  ssize_t n = read_all(reader->fd, text, expected + 1);
  struct stat after;
  *error = n < 0 ? (int)n : fstat(reader->fd, &after) < 0 ? -errno : 0;
  struct file_stamp before = file_stamp_of(&reader->status);
  struct file_stamp now = file_stamp_of(&after);
  if (*error || (size_t)n != expected || !file_stamp_equals(&before, &now)) {
    free(text);
    return NULL;
  }
  *size = expected;
  return text;
}
