#include "supervision/fetch_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { MESSAGES_MAX = 64 }; /* read for one frame */

int fetch_file_open_sockets(int pair[2])
{
  return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
}

/* The files of /proc, /sys and their like hold no blocks: what is written there acts, with the
 * rights of the one who writes. */
static bool keeps_data(int fd)
{
  struct statfs system;
  if (fstatfs(fd, &system) < 0)
    return false;
  return system.f_blocks > 0 || system.f_type == TMPFS_MAGIC;
}

static bool is_sound(int fd)
{
  struct stat info;
  int flags = fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && !(flags & (O_PATH | O_APPEND)) &&
         fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_size == 0 && keeps_data(fd);
}

/* Reads one message. Returns 1 with its call and its descriptor (-1: none), or 0. */
static int receive(int socket, uint32_t *call, int *fd)
{
  char room[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
  struct iovec bytes = {.iov_base = call, .iov_len = sizeof *call};
  /* for one descriptor: the kernel closes what does not fit */
  struct msghdr message = {.msg_iov = &bytes,
                           .msg_iovlen = 1,
                           .msg_control = room,
                           .msg_controllen = CMSG_LEN(sizeof *fd)};
  ssize_t n = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  *fd = -1;
  if (n <= 0)
    return 0;
  struct cmsghdr *part = CMSG_FIRSTHDR(&message);
  if (part && part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_RIGHTS &&
      part->cmsg_len == CMSG_LEN(sizeof *fd))
    memcpy(fd, CMSG_DATA(part), sizeof *fd);
  if (n != sizeof *call)
    *call = 0; /* no call has this number */
  return 1;
}

int fetch_file_take(int socket, uint32_t call)
{
  uint32_t of_call = 0;
  int fd = -1;
  for (int i = 0; i < MESSAGES_MAX && receive(socket, &of_call, &fd); i++) {
    if (of_call == call && fd >= 0)
      break;
    if (fd >= 0)
      close(fd);
    fd = -1;
  }
  if (fd < 0)
    return -EPROTO;
  if (is_sound(fd))
    return fd;
  close(fd);
  return -EINVAL;
}
