/* The leader: the process that the host started. It makes itself the reaper of
 * everything beneath it, forks the process that does the work, and waits on its
 * lifeline (base/worker_frames.h). It stays small: no Lua, no memory of its own.
 * Before it forks it takes its lock on WORKER_PRESENCE_FD, where that is open: where it
 * cannot, or where the host is gone by then, nothing is started.
 *
 * The functions return the leader's exit status, the first two once the lifeline
 * is closed and everything beneath is gone. */
#ifndef KAALUA_WORKER_LEADER_H
#define KAALUA_WORKER_LEADER_H

/* `work` runs in the working process, as the user of `ids` (base/worker_frames.h; NULL: as
 * this one), with the frames at WORKER_FRAMES_FD, the marks and the descriptors at
 * WORKER_MARKS_FD and WORKER_DESCRIPTORS_FD where the host gave them, and no other descriptor
 * but 0, 1 and 2; SIGPIPE is ignored, and SIGUSR1 and SIGUSR2 until `work` handles them. It
 * does not return. */
int leader_run_worker(void (*work)(void), const char *ids);

/* The working process becomes the program `argv`, a list that ends with NULL;
 * argv[0] is its absolute path. It has the descriptors 0, 1 and 2, an empty
 * signal mask and default dispositions, and a session of its own. */
int leader_run_program(char **argv);

/* The working process becomes one of our own programs, with the frames at
 * WORKER_FRAMES_FD besides; the rest as above. */
int leader_serve_program(char **argv);

/* The same program, left alone: it lives on when the leader goes, which is as
 * soon as it has started, or could not be. */
int leader_detach_program(char **argv);

#endif
