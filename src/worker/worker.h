/* The whole of one working process: its one Lua state and what belongs to it.
 * Passed down; C functions called by Lua find it with worker_of(). One thread. */
#ifndef KAALUA_WORKER_WORKER_H
#define KAALUA_WORKER_WORKER_H

#include "base/buffer.h"
#include "base/marks.h"
#include "worker/channel.h"
#include "worker/confine.h"
#include "worker/heap.h"
#include "worker/limit.h"
#include "worker/output.h"
#include "worker/progress.h"
#include "worker/version.h"

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* The command at work; owned, valid while `is_running`. Of a tick only the job and
 * the endpoint ("": for the agent) are set. */
struct command {
  int64_t job;
  int64_t id;
  int64_t received_at_ms;
  int64_t received_boot_ms; /* -1: before the machine was started */
  int64_t sequence;         /* for the marks; 0: none */
  bool retried;             /* it has begun before */
  char *type;               /* NULL: a tick */
  char *endpoint;
  char *element;
  size_t element_bytes;
  char *saved; /* of a resume, JSON; NULL: none */
  size_t saved_bytes;
  int64_t away_ms; /* of a resume; -1: not known */
  bool waits;      /* for a restart: kaa.resume_after has returned true */
  bool has_heard;  /* that it is cancelled (worker/cancel.h) */
  struct progress progress;
};

struct worker {
  struct channel channel;
  struct version version;
  struct heap heap;
  struct limit limit;
  struct output output;
  struct marks *marks; /* NULL: the host gave none */
  struct confine_grant write_grant;   /* needs.write, for the kernel */
  struct confine_grant write_ceiling; /* and what the configuration allows of it */
  lua_State *lua;
  bool is_loading; /* the file's top level runs: nothing may act */
  bool is_running; /* a command or a tick runs */
  bool is_spent;   /* the state is not to be used again */
  struct command command;
  double timeout_s;      /* of the contract */
  int64_t memory_mib;    /* of the contract */
  double max_age_s;      /* of the contract; 0: none */
  uint32_t calls;        /* number of the last request to the host (worker/reply.h) */
  struct buffer answer;  /* JSON of a result, or of LOADED, being written */
  struct buffer trace;   /* traceback of the last error */
  struct buffer scratch; /* of one bound function, no further */
};

static inline struct worker *worker_of(lua_State *L)
{
  return *(struct worker **)lua_getextraspace(L);
}

#endif
