#include "handlers/crew.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
  AHEAD_MS = 50, /* a worker has as many commands as it is through with in this time … */
  AHEAD_MAX = 32, /* … up to this */
  BESIDE_MS = 10, /* the same of one beside others, which could have what waits with it … */
  BESIDE_MAX = 4, /* … if one command takes long all at once */
};

void crew_init(struct crew *crew)
{
  *crew = (struct crew){.rules = {.workers = 1}, .run_ms = AHEAD_MS};
  TAILQ_INIT(&crew->places);
}

static void remove_place(struct crew *crew, struct crew_place *place)
{
  TAILQ_REMOVE(&crew->places, place, link);
  free(place);
}

void crew_clear(struct crew *crew)
{
  while (!TAILQ_EMPTY(&crew->places))
    remove_place(crew, TAILQ_FIRST(&crew->places));
}

static size_t work_of(const struct crew_place *place)
{
  return place->kept + place->load;
}

static size_t window(const struct crew *crew)
{
  bool is_beside = crew->rules.workers > 1 && !crew->rules.ordered;
  size_t most = is_beside ? BESIDE_MAX : AHEAD_MAX;
  double ahead = crew->run_ms > 1 ? (is_beside ? BESIDE_MS : AHEAD_MS) / crew->run_ms : (double)most;
  return ahead < 1 ? 1 : ahead > (double)most ? most : (size_t)ahead;
}

static size_t busy_places(const struct crew *crew)
{
  size_t count = 0;
  const struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    count += work_of(place) > 0;
  return count;
}

void crew_dismiss(struct crew *crew)
{
  struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (place->worker)
      place->is_leaving = true;
}

static bool has_leavers(const struct crew *crew)
{
  const struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (place->is_leaving)
      return true;
  return false;
}

void crew_change(struct crew *crew, const struct crew_rules *rules)
{
  bool may_mix = crew->rules.workers > 1 && rules->workers > 1 &&
                 crew->rules.ordered == rules->ordered;
  crew->stands_back = crew_is_changing(crew) || !may_mix;
  crew->rules = *rules;
  crew_dismiss(crew);
  struct crew_place *place, *next;
  for (place = TAILQ_FIRST(&crew->places); place; place = next) {
    next = TAILQ_NEXT(place, link);
    if (!place->worker)
      remove_place(crew, place);
  }
}

bool crew_is_changing(const struct crew *crew)
{
  return crew->stands_back && has_leavers(crew);
}

static size_t room_of(const struct crew *crew, const struct crew_place *place)
{
  size_t most = window(crew);
  return !place->is_leaving && work_of(place) < most ? most - work_of(place) : 0;
}

size_t crew_room(const struct crew *crew)
{
  if (crew_is_changing(crew))
    return 0;
  size_t room = 0, busy = busy_places(crew);
  const struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (work_of(place))
      room += room_of(crew, place);
  return room + (crew->rules.workers > busy ? (crew->rules.workers - busy) * window(crew) : 0);
}

size_t crew_room_ready(const struct crew *crew, bool (*is_ready)(const struct worker *worker))
{
  size_t room = 0, busy = busy_places(crew);
  size_t more = crew->rules.workers > busy ? crew->rules.workers - busy : 0;
  const struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link) {
    if (!place->worker || !is_ready(place->worker))
      continue;
    if (work_of(place)) {
      room += room_of(crew, place);
    } else if (more) {
      room += room_of(crew, place);
      more--;
    }
  }
  return crew_is_changing(crew) ? 0 : room;
}

static bool is_of(const struct crew_place *place, const char *endpoint)
{
  return place->endpoint && (place->endpoint == endpoint || !strcmp(place->endpoint, endpoint));
}

static struct crew_place *place_of(const struct crew *crew, const char *endpoint)
{
  struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (is_of(place, endpoint))
      return place;
  return NULL;
}

static struct crew_place *add_place(struct crew *crew, struct worker *worker)
{
  struct crew_place *place = memory_zeroed(1, sizeof *place);
  place->worker = worker;
  TAILQ_INSERT_HEAD(&crew->places, place, link);
  return place;
}

/* The one with a worker that has worked last, so that the others come to the end of their
 * idle time. */
static struct crew_place *find_idle(const struct crew *crew)
{
  struct crew_place *place, *found = NULL;
  TAILQ_FOREACH(place, &crew->places, link)
    if (!work_of(place) && !place->is_leaving && place->worker &&
        (!found || place->idle_since_ms > found->idle_since_ms))
      found = place;
  return found;
}

/* A place with nothing to do, made where needed; NULL where all workers have. */
static struct crew_place *free_place(struct crew *crew)
{
  if (busy_places(crew) >= crew->rules.workers)
    return NULL;
  struct crew_place *place = find_idle(crew);
  return place ? place : add_place(crew, NULL);
}

static struct crew_place *least_busy(const struct crew *crew, size_t most)
{
  struct crew_place *place, *found = NULL;
  TAILQ_FOREACH(place, &crew->places, link)
    if (!place->is_leaving && work_of(place) && work_of(place) < most &&
        (!found || work_of(place) < work_of(found)))
      found = place;
  return found;
}

/* Where the endpoint's next command goes; NULL, with *answer, where it has to wait.
 * `most` commands to a place. */
static struct crew_place *choose(struct crew *crew, const char *endpoint, size_t most,
                                 enum crew_answer *answer)
{
  struct crew_place *place = crew->rules.ordered ? place_of(crew, endpoint) : NULL;
  *answer = CREW_KEPT;
  if (place && (place->is_leaving || work_of(place) >= most)) {
    *answer = CREW_BEHIND;
    return NULL;
  }
  if (!place)
    place = free_place(crew);
  if (!place && !crew->rules.ordered)
    place = least_busy(crew, most);
  if (!place)
    *answer = crew->rules.ordered ? CREW_BEHIND : CREW_BUSY;
  else if (crew->rules.ordered)
    place->endpoint = endpoint;
  return place;
}

enum crew_answer crew_keep(struct crew *crew, const char *endpoint)
{
  enum crew_answer answer;
  if (crew_is_changing(crew))
    return CREW_BUSY;
  struct crew_place *place = choose(crew, endpoint, window(crew), &answer);
  if (place)
    place->kept++;
  return answer;
}

static bool is_better(const struct crew_place *place, const struct crew_place *other)
{
  if (place->is_leaving != other->is_leaving)
    return other->is_leaving;
  return place->load < other->load;
}

/* The one that was kept for such a command, or NULL. */
static struct crew_place *kept_place(const struct crew *crew, const char *endpoint)
{
  struct crew_place *place, *found = NULL;
  TAILQ_FOREACH(place, &crew->places, link)
    if (place->kept && (!place->endpoint || is_of(place, endpoint)) &&
        (!found || is_better(place, found)))
      found = place;
  return found;
}

static void settle(struct crew *crew, struct crew_place *place)
{
  if (work_of(place))
    return;
  place->endpoint = NULL;
  if (!place->worker)
    remove_place(crew, place);
}

void crew_withdraw(struct crew *crew, const char *endpoint)
{
  struct crew_place *place = kept_place(crew, endpoint);
  if (!place)
    return;
  place->kept--;
  settle(crew, place);
}

struct crew_place *crew_take(struct crew *crew, const char *endpoint)
{
  enum crew_answer answer;
  struct crew_place *place = kept_place(crew, endpoint);
  if (place)
    place->kept--;
  if (place && (place->is_leaving || crew_is_changing(crew))) {
    settle(crew, place);
    return NULL;
  }
  if (!place && !crew_is_changing(crew))
    place = choose(crew, endpoint, SIZE_MAX, &answer);
  if (place)
    place->load++;
  return place;
}

struct crew_place *crew_take_for_tick(struct crew *crew)
{
  struct crew_place *place = crew_is_changing(crew) ? NULL : free_place(crew);
  if (!place && !crew_is_changing(crew))
    place = least_busy(crew, SIZE_MAX);
  if (place)
    place->load++;
  return place;
}

void crew_end(struct crew *crew, struct crew_place *place, int64_t now_ms)
{
  place->load--;
  place->idle_since_ms = now_ms;
  settle(crew, place);
}

void crew_note_run(struct crew *crew, int64_t run_ms)
{
  crew->run_ms += ((double)run_ms - crew->run_ms) / 8;
}

/* One that was kept has use for it. */
struct crew_place *crew_join(struct crew *crew, struct worker *worker, int64_t now_ms)
{
  struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (!place->worker)
      break;
  if (place)
    place->worker = worker;
  else
    place = add_place(crew, worker);
  place->idle_since_ms = now_ms;
  return place;
}

void crew_vacate(struct crew *crew, struct crew_place *place)
{
  if (place->is_leaving)
    place->kept = 0;
  place->worker = NULL;
  place->is_leaving = false;
  settle(crew, place);
}

struct crew_place *crew_find(const struct crew *crew, const struct worker *worker)
{
  struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (place->worker == worker)
      break;
  return place;
}

struct crew_place *crew_idle_leaver(const struct crew *crew)
{
  struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    if (place->is_leaving && !place->load)
      break;
  return place;
}

struct crew_place *crew_longest_idle(const struct crew *crew)
{
  struct crew_place *place, *found = NULL;
  TAILQ_FOREACH(place, &crew->places, link)
    if (place->worker && !work_of(place) &&
        (!found || place->idle_since_ms < found->idle_since_ms))
      found = place;
  return found;
}

size_t crew_workers(const struct crew *crew)
{
  size_t count = 0;
  const struct crew_place *place;
  TAILQ_FOREACH(place, &crew->places, link)
    count += place->worker != NULL;
  return count;
}

bool crew_rests(const struct crew *crew)
{
  return busy_places(crew) == 0;
}
