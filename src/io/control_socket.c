#include "io/control_socket.h"

#include "base/memory.h"
#include "base/unix_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SOCKET_MODE = 0660 };

/* Whether a process listens there: a full backlog (EAGAIN) is one that does. */
static bool is_answered(const struct unix_address *address)
{
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0)
    return true; /* not known: nothing is removed */
  bool answered = connect(fd, (const struct sockaddr *)&address->socket, sizeof address->socket) == 0 ||
                  (errno != ECONNREFUSED && errno != ENOENT);
  close(fd);
  return answered;
}

/* The state directory's lock says that no other agent uses that; `control` may lie elsewhere,
 * where another one does. */
static int remove_stale(const struct unix_address *address, const char *path, struct error *error)
{
  struct stat status;
  const char *at = address->socket.sun_path;
  if (lstat(at, &status) < 0)
    return errno == ENOENT ? 0 : error_set(error, -errno, "%s: %s", path, strerror(errno));
  if (!S_ISSOCK(status.st_mode))
    return error_set(error, -EADDRINUSE, "%s: there is a file that is no socket", path);
  if (is_answered(address))
    return error_set(error, -EADDRINUSE, "%s: another agent answers there", path);
  if (unlink(at) < 0 && errno != ENOENT)
    return error_set(error, -errno, "%s: %s", path, strerror(errno));
  return 0;
}

/* The mode of the socket before bind() bounds that of its file (the umask takes away from
 * it): it never grants more than it is to, and no other thread's umask is touched. */
static int bind_file(struct control_socket *made, const struct unix_address *address,
                     struct error *error)
{
  const char *at = address->socket.sun_path;
  struct stat status;
  made->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (made->fd < 0 || fchmod(made->fd, SOCKET_MODE) < 0 ||
      bind(made->fd, (const struct sockaddr *)&address->socket, sizeof address->socket) < 0 ||
      lstat(at, &status) < 0)
    return error_set(error, -errno, "%s: %s", made->path, strerror(errno));
  made->device = status.st_dev;
  made->inode = status.st_ino;
  if (fchmodat(AT_FDCWD, at, SOCKET_MODE, AT_SYMLINK_NOFOLLOW) < 0 && errno != EOPNOTSUPP)
    return error_set(error, -errno, "%s: %s", made->path, strerror(errno));
  return 0;
}

int control_socket_bind(struct control_socket *made, const char *path, struct error *error)
{
  *made = (struct control_socket){.fd = -1, .path = memory_text(path)};
  struct unix_address address;
  int rc = unix_address_open(&address, path, error);
  if (!rc)
    rc = remove_stale(&address, path, error);
  if (!rc)
    rc = bind_file(made, &address, error);
  unix_address_close(&address);
  return rc;
}

void control_socket_remove(struct control_socket *made)
{
  struct stat status;
  if (made->inode && lstat(made->path, &status) == 0 && status.st_dev == made->device &&
      status.st_ino == made->inode)
    unlink(made->path);
  free(made->path);
  *made = (struct control_socket){.fd = -1};
}
