/* Loads the version: runs the file's top level under the limits for loading and
 * judges what it returned. */
#ifndef KAALUA_WORKER_LOAD_H
#define KAALUA_WORKER_LOAD_H

struct worker;

/* Loads worker->version and puts a LOADED frame into worker->channel.out.
 * Returns 0 where commands can be run, else a negative code. */
int load_version(struct worker *worker);

#endif
