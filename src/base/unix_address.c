#include "base/unix_address.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int unix_address_open(struct unix_address *address, const char *path, struct error *error)
{
  *address = (struct unix_address){.socket = {.sun_family = AF_UNIX}, .directory_fd = -1};
  const size_t room = sizeof address->socket.sun_path;
  const char *slash = strrchr(path, '/');
  if (!path[0] || (slash && !slash[1]))
    return error_set(error, -EINVAL, "\"%s\" names no socket", path);
  if (strlen(path) < room) {
    strcpy(address->socket.sun_path, path);
    return 0;
  }
  char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
  if (!directory)
    return error_set(error, -ENOMEM, "%s: %s", path, strerror(ENOMEM));
  int rc = 0;
  address->directory_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (address->directory_fd < 0)
    rc = error_set(error, -errno, "%s: %s", directory, strerror(errno));
  else if ((size_t)snprintf(address->socket.sun_path, room, "/proc/self/fd/%d/%s",
                            address->directory_fd, slash ? slash + 1 : path) >= room)
    rc = error_set(error, -ENAMETOOLONG, "%s: the socket's name is too long", path);
  free(directory);
  return rc;
}

void unix_address_close(struct unix_address *address)
{
  if (address->directory_fd >= 0)
    close(address->directory_fd);
  address->directory_fd = -1;
}
