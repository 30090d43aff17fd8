/* The address of a unix socket at a path of any length. sockaddr_un holds 107 bytes;
 * a longer path is reached through its directory, which is held open meanwhile
 * (/proc/self/fd/N/name). Both sides of a socket use it. */
#ifndef KAALUA_BASE_UNIX_ADDRESS_H
#define KAALUA_BASE_UNIX_ADDRESS_H

#include "base/error.h"

#include <sys/socket.h>
#include <sys/un.h>

struct unix_address {
  struct sockaddr_un socket; /* for bind() and connect() while this is open */
  int directory_fd;          /* -1: the path fitted */
};

/* Returns 0, or a negative errno with `error`: -ENOENT, -EACCES … of the directory,
 * -ENAMETOOLONG where the file's name alone is too long, -EINVAL for an empty one.
 * unix_address_close() in either case. */
int unix_address_open(struct unix_address *address, const char *path, struct error *error);
void unix_address_close(struct unix_address *address);

#endif
