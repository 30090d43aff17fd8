/* kaa.progress(percent, text): at most ten a second go to the host; of those between, the
 * last one goes when its time has come, in a call that waits, or with the next. */
#ifndef KAALUA_WORKER_PROGRESS_H
#define KAALUA_WORKER_PROGRESS_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

enum { PROGRESS_TEXT_BYTES = 256 };

struct worker;

/* Of the command at work; zeroed as it begins. */
struct progress {
  int64_t next_ms; /* the next may go from then on */
  bool is_held;    /* the last one waits for that */
  int64_t tenths;  /* of a percent; -1: not said */
  char text[PROGRESS_TEXT_BYTES + 1];
};

/* kaa.progress */
int progress_report(lua_State *L);

/* Sends what is held back where its time has come. Returns the milliseconds until it is to be
 * called again; -1: nothing is held back. */
int64_t progress_send_due(struct worker *worker);

#endif
