/* Ends everything beneath this process, a subreaper: each orphan becomes its
 * child, so killing the own children again and again, and nothing else, reaches
 * all of them. An unreaped child's number cannot be another's. */
#ifndef KAALUA_WORKER_CHILDREN_H
#define KAALUA_WORKER_CHILDREN_H

/* Kills and reaps until no child is left. `died_fd` is a non-blocking signalfd
 * of SIGCHLD, which is blocked. */
void children_end(int died_fd);

#endif
