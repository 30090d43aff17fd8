/* The life of a working process: a version, then commands, until the host closes
 * its end of the frames. */
#ifndef KAALUA_WORKER_SESSION_H
#define KAALUA_WORKER_SESSION_H

/* Serves descriptor WORKER_FRAMES_FD; does not return. */
void session_run(void);

#endif
