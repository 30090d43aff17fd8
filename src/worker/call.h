/* The handler called: what it is given and what its return or its error means.
 * The call_… functions run inside a protected call, with a light userdata of the
 * outcome as their first argument. */
#ifndef KAALUA_WORKER_CALL_H
#define KAALUA_WORKER_CALL_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

enum { REASON_BYTES = 256 }; /* kaa.result */

struct worker;

/* The result as it comes about; the payload is in worker->answer. */
struct outcome {
  struct worker *worker;
  int64_t status;
  char reason[REASON_BYTES + 1];
  bool has_payload;
  bool resumes; /* it is resume that was called */
  bool waits;   /* no result: the command waits for a restart */
  bool has_trace;
};

/* Outside of the protected call. `reason` is short, ours but for names of files. */
void outcome_set(struct outcome *outcome, int64_t status, const char *reason);

/* Calls `run` or `resume` with worker->command, or `tick` with its endpoint. */
int call_run(lua_State *L);
int call_resume(lua_State *L);
int call_tick(lua_State *L);

/* The handler raised what is the second argument. */
int call_failed(lua_State *L);

#endif
