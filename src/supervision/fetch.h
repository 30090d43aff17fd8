/* A server that a handler asks (kaa.http): one `kaalua-http fetch` for each transfer, under a
 * leader of its own. At most FETCHES_MAX of the whole agent are under way, and of one handler
 * FETCHES_OF_TYPE_MAX, so that none keeps the others from theirs; those that wait take turns: the
 * handler with the fewest under way, then the first one first. A transfer ends with the command
 * that asked for it.
 *
 *   workplace_open: fetch_queue_create → fetch_start … → answered | fetches_end */
#ifndef KAALUA_SUPERVISION_FETCH_H
#define KAALUA_SUPERVISION_FETCH_H

#include "base/frame.h"
#include "supervision/workplace.h"

#include <jansson.h>
#include <sys/queue.h>

enum { FETCHES_MAX = 4, FETCHES_OF_TYPE_MAX = FETCHES_MAX - 1 };

struct fetch;
struct fetch_queue;
struct process_witness;
TAILQ_HEAD(fetches, fetch);

struct fetch_caller {
  struct process_witness *witness; /* of the helper, or NULL */
  const char *type; /* the handler's; borrowed until it is answered or ended */
  void *context;
  /* The WORKER_FETCHED frame for the worker; borrowed. Never called from within fetch_start(). */
  void (*answer)(void *context, const void *frame, size_t size);
};

/* The turns of all transfers that one loop's workers ask for. Returns owned. */
struct fetch_queue *fetch_queue_create(struct loop *loop);
void fetch_queue_destroy(struct fetch_queue *queue); /* no transfer is left; NULL is fine */

/* Starts what a WORKER_HTTP frame asks for, within `needs` (the contract's: its "net" is true or
 * a list, base/http_url.h), and puts it into `list`, the worker's. One that is still there from
 * before is ended: its worker no longer waits for it. The descriptor of its file comes from
 * `descriptors` (our end of WORKER_DESCRIPTORS_FD). A refusal, or a helper that cannot be started,
 * is answered, too. Returns -EPROTO for a frame that makes no sense, else 0. */
int fetch_start(struct fetches *list, const struct workplace *workplace, struct frame *request,
                const json_t *needs, int descriptors, const struct fetch_caller *caller);

/* Ends all of them; nothing more is answered. */
void fetches_end(struct fetches *list);

#endif
