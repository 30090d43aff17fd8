#include "worker/download.h"

#include "base/worker_frames.h"
#include "worker/judged.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  NEW_FILE_MODE = 0666, /* less the umask, as fopen(3) */
  PART_NAME_BYTES = 200, /* of the file's own name */
};

static int open_directory(struct download *download, const char *resolved)
{
  const char *name;
  download->directory = judged_open_folder(resolved, O_RDONLY, &name);
  if (download->directory < 0)
    return -1;
  if (strlen(name) > NAME_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  snprintf(download->name, sizeof download->name, "%.*s", NAME_MAX, name);
  snprintf(download->part, sizeof download->part, ".%.*s.kaalua-part", PART_NAME_BYTES, name);
  return 0;
}

/* A device or a pipe would be gone once it is replaced. */
static int check_replaced(const struct download *download)
{
  struct stat info;
  if (fstatat(download->directory, download->name, &info, AT_SYMLINK_NOFOLLOW) < 0)
    return errno == ENOENT ? 0 : -1;
  if (S_ISREG(info.st_mode))
    return 0;
  errno = S_ISDIR(info.st_mode) ? EISDIR : EINVAL;
  return -1;
}

static int open_file(struct download *download)
{
  download->fd =
      openat(download->directory, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, NEW_FILE_MODE);
  if (download->fd >= 0)
    return 0;
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
    return -1;
  unlinkat(download->directory, download->part, 0);
  download->is_named = true;
  download->fd = openat(download->directory, download->part,
                        O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, NEW_FILE_MODE);
  return download->fd < 0 ? -1 : 0;
}

static int close_all(struct download *download, int rc)
{
  int why = errno;
  if (download->fd >= 0)
    close(download->fd);
  if (download->directory >= 0)
    close(download->directory);
  errno = why;
  return rc;
}

int download_open(struct download *download, const char *resolved)
{
  *download = (struct download){.directory = -1, .fd = -1};
  if (open_directory(download, resolved) < 0 || check_replaced(download) < 0 ||
      open_file(download) < 0)
    return close_all(download, -1);
  return 0;
}

int download_send(const struct download *download, uint32_t call)
{
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } part = {0};
  struct iovec bytes = {.iov_base = &call, .iov_len = sizeof call};
  struct msghdr message = {.msg_iov = &bytes,
                           .msg_iovlen = 1,
                           .msg_control = part.room,
                           .msg_controllen = sizeof part.room};
  part.head.cmsg_level = SOL_SOCKET;
  part.head.cmsg_type = SCM_RIGHTS;
  part.head.cmsg_len = CMSG_LEN(sizeof download->fd);
  memcpy(CMSG_DATA(&part.head), &download->fd, sizeof download->fd);
  return sendmsg(WORKER_DESCRIPTORS_FD, &message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -1 : 0;
}

/* Another transfer to the same file may have taken the name. */
static bool is_ours(const struct download *download)
{
  struct stat own, named;
  return fstat(download->fd, &own) == 0 &&
         fstatat(download->directory, download->part, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         own.st_dev == named.st_dev && own.st_ino == named.st_ino;
}

static int give_part_name(struct download *download)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", download->fd);
  int rc = linkat(AT_FDCWD, path, download->directory, download->part, AT_SYMLINK_FOLLOW);
  if (rc < 0 && errno == EEXIST) {
    unlinkat(download->directory, download->part, 0);
    rc = linkat(AT_FDCWD, path, download->directory, download->part, AT_SYMLINK_FOLLOW);
  }
  download->is_named = rc == 0;
  return rc;
}

static int give_name(struct download *download)
{
  if (!download->is_named && give_part_name(download) < 0)
    return -1;
  if (!is_ours(download)) {
    download->is_named = false;
    errno = EBUSY;
    return -1;
  }
  if (renameat(download->directory, download->part, download->directory, download->name) < 0)
    return -1;
  download->is_named = false;
  return fsync(download->directory) < 0 && errno != EINVAL ? -1 : 0;
}

int download_commit(struct download *download)
{
  if (give_name(download) == 0)
    return close_all(download, 0);
  int why = errno;
  download_abandon(download);
  errno = why;
  return -1;
}

void download_abandon(struct download *download)
{
  if (download->is_named && is_ours(download))
    unlinkat(download->directory, download->part, 0);
  close_all(download, 0);
}
