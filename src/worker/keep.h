/* One KEEP and its KEPT: what kaa.store, kaa.shared, kaa.checkpoint and
 * kaa.resume_after have in common. */
#ifndef KAALUA_WORKER_KEEP_H
#define KAALUA_WORKER_KEEP_H

#include <lua.h>
#include <stdint.h>

struct keep {
  const char *call;  /* how messages name it: "kaa.store.set" */
  const char *what;  /* as in the frame */
  const char *scope; /* likewise */
  int key;           /* its index on the stack; 0: none */
  int value;         /* likewise */
  int64_t within_ms;
};

/* Asks the host and waits. Pushes what the call returns and gives its number: the value
 * of a get, nil where there is none; else true; nil and a message where the host could
 * not. A value that cannot be kept raises, and so does the time limit. */
int keep_call(lua_State *L, const struct keep *keep);

#endif
