#include "worker/place.h"

#include "worker/worker.h"

#include <stdio.h>

enum { SEARCHED_LEVELS = 100 };

static bool find_in(const struct worker *worker, lua_State *thread, char place[PLACE_BYTES])
{
  lua_Debug frame;
  for (int level = 0; level < SEARCHED_LEVELS && lua_getstack(thread, level, &frame); level++) {
    lua_getinfo(thread, "Sl", &frame);
    if (frame.currentline > 0 && *frame.source == '@' &&
        version_file(&worker->version, frame.source + 1)) {
      snprintf(place, PLACE_BYTES, "%s:%d", frame.short_src, frame.currentline);
      return true;
    }
  }
  return false;
}

void place_find(const struct worker *worker, char place[PLACE_BYTES])
{
  *place = '\0';
  for (const struct limit_link *link = worker->limit.running; link; link = link->previous)
    if (find_in(worker, link->thread, place))
      return;
  find_in(worker, worker->lua, place);
}
