/* What is at a path that was judged (worker/paths.h): on the way to it a folder may have become
 * a link since. Nothing of this raises. */
#ifndef KAALUA_WORKER_JUDGED_H
#define KAALUA_WORKER_JUDGED_H

#include <stdbool.h>

/* Whether the descriptor is of that file or folder. */
bool judged_is(int fd, const char *path);

/* Opens the folder that a resolved path is in, with the flags of open(2); `name`: what it is
 * called there, borrowed from the path. Returns the descriptor, or -1 with errno. */
int judged_open_folder(const char *resolved, int flags, const char **name);

#endif
