/* The file of the control socket: made, found stale, removed. */
#ifndef KAALUA_IO_CONTROL_SOCKET_H
#define KAALUA_IO_CONTROL_SOCKET_H

#include "base/error.h"

#include <sys/types.h>

struct control_socket {
  int fd;     /* bound, not listening yet; -1 */
  char *path; /* owned */
  dev_t device;
  ino_t inode; /* of the file, to know it again */
};

/* Returns 0, or a negative errno with `error`; see control_open(). control_socket_remove() in
 * either case. */
int control_socket_bind(struct control_socket *made, const char *path, struct error *error);

/* Removes the file where it is still the one that was made. Leaves the descriptor to its
 * owner. */
void control_socket_remove(struct control_socket *made);

#endif
