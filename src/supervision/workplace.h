/* What every worker of this process is started with: the program, the clean
 * environment, the paths that handlers are kept from, and what the agent needs to
 * find out, should it be killed, what its workers did. */
#ifndef KAALUA_SUPERVISION_WORKPLACE_H
#define KAALUA_SUPERVISION_WORKPLACE_H

#include "base/error.h"
#include "io/loop.h"
#include "supervision/handler_user.h"

#include <jansson.h>
#include <stddef.h>

struct fetch_queue;
struct marks_files;

struct workplace {
  struct loop *loop;
  char *program;     /* path of kaalua-worker */
  struct handler_user user; /* that workers run as */
  char **environment; /* NAME=VALUE, NULL-terminated */
  json_t *private_paths;  /* array: neither read nor written by handlers */
  json_t *handler_paths;  /* array: never written by handlers */
  int presence_fd; /* of the state directory (host/presence.h), borrowed; 0: none */
  struct marks_files *marks; /* for workers that run commands, borrowed; NULL: they keep no marks,
                                and no command has a sequence */
  struct fetch_queue *fetches; /* whose turn it is to ask a server (supervision/fetch.h) */
};

/* Finds kaalua-worker beside the running program (or where it was installed).
 * Returns 0, or -ENOENT with `error`. */
int workplace_open(struct workplace *workplace, struct loop *loop, struct error *error);

/* Adds an absolute or relative path to one of the lists, as it is named: the worker follows
 * its links. NULL is fine. */
void workplace_keep_private(struct workplace *workplace, const char *path);
void workplace_keep_handlers(struct workplace *workplace, const char *path);

void workplace_close(struct workplace *workplace);

#endif
