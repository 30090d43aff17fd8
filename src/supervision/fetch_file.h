/* The file that a transfer's body goes to: opened by the worker with its own rights, handed over
 * on WORKER_DESCRIPTORS_FD. A worker is not believed: one descriptor for each frame that
 * announces it, a regular file that is only written to, on a file system that keeps data. */
#ifndef KAALUA_SUPERVISION_FETCH_FILE_H
#define KAALUA_SUPERVISION_FETCH_FILE_H

#include <stdint.h>

/* Makes the pair of sockets: [0] is ours, [1] is the worker's. Returns 0 or a negative errno. */
int fetch_file_open_sockets(int pair[2]);

/* Takes the descriptor that was handed over for `call`, owned; what else lies there is closed.
 * Returns -EPROTO where there is none, -EINVAL where a file of its kind is not written to. */
int fetch_file_take(int socket, uint32_t call);

#endif
