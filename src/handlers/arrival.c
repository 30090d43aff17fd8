#include "handlers/arrival.h"

#include "io/watch.h"

struct file_stamp file_stamp_of(const struct stat *status)
{
  return (struct file_stamp){
      .device = status->st_dev,
      .inode = status->st_ino,
      .size = status->st_size,
      .modified = status->st_mtim,
      .changed = status->st_ctim,
      .mode = status->st_mode,
      .owner = status->st_uid,
      .group = status->st_gid,
  };
}

static bool is_same_time(struct timespec a, struct timespec b)
{
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_stamp_equals(const struct file_stamp *a, const struct file_stamp *b)
{
  return a->error == b->error && a->device == b->device && a->inode == b->inode &&
         a->size == b->size && a->mode == b->mode && a->owner == b->owner &&
         a->group == b->group && is_same_time(a->modified, b->modified) &&
         is_same_time(a->changed, b->changed);
}

void arrival_hint(struct arrival *arrival, unsigned what)
{
  if (what & WATCH_CLOSED)
    arrival->hints &= ~(unsigned)WATCH_WRITTEN;
  if (what & WATCH_WRITTEN)
    arrival->hints &= ~(unsigned)WATCH_CLOSED;
  arrival->hints |= what;
}

void arrival_hint_lost(struct arrival *arrival)
{
  arrival->hints = WATCH_APPEARED;
}

static bool is_settled(const struct arrival *arrival, int64_t now_ms)
{
  return now_ms - arrival->seen_since_ms >= ARRIVAL_SETTLE_MS;
}

static bool is_hasty(const struct arrival *arrival, const struct arrival_look *look)
{
  if (look->haste != ARRIVAL_CAREFUL)
    return true;
  return !arrival->is_slow &&
         arrival->hints & (WATCH_APPEARED | WATCH_CLOSED | WATCH_TOUCHED | WATCH_WRITTEN);
}

bool arrival_wants_reading(struct arrival *arrival, const struct file_stamp *stamp,
                           const struct arrival_look *look)
{
  arrival->absent_since_ms = 0;
  if (!arrival->has_seen || !file_stamp_equals(&arrival->seen, stamp)) {
    arrival->has_seen = true;
    arrival->seen = *stamp;
    arrival->seen_since_ms = look->now_ms;
  }
  if (arrival->is_taken && file_stamp_equals(&arrival->taken, stamp) && arrival->is_sure &&
      !(arrival->hints & (WATCH_CLOSED | WATCH_TOUCHED))) {
    arrival->hints &= WATCH_WRITTEN;
    return false;
  }
  if (is_settled(arrival, look->now_ms))
    return true;
  return stamp->error ? look->haste != ARRIVAL_CAREFUL : is_hasty(arrival, look);
}

/* A file whose time stamp says that it was changed just now may change again. A clock
 * that was set says nothing, and most files are old. */
static bool is_young(const struct file_stamp *stamp, int64_t wall_ms)
{
  int64_t age_ms = wall_ms - (int64_t)stamp->changed.tv_sec * 1000;
  return age_ms >= 0 && age_ms <= ARRIVAL_SETTLE_MS + 1000; /* the stamp's second has begun */
}

bool arrival_allows(const struct arrival *arrival, const struct file_stamp *stamp,
                    enum arrival_writer writer, const struct arrival_look *look)
{
  if (look->haste == ARRIVAL_REGARDLESS)
    return true;
  if (writer != ARRIVAL_WRITER_UNKNOWN)
    return writer == ARRIVAL_NO_WRITER;
  if (arrival->hints & WATCH_WRITTEN || !file_stamp_equals(&arrival->seen, stamp))
    return false;
  if (!stamp->size) /* cut to be written anew, most often, which is told of a moment later */
    return is_settled(arrival, look->now_ms);
  if (look->haste == ARRIVAL_AT_ONCE)
    return true;
  if (look->haste == ARRIVAL_FIRST && !is_young(&arrival->seen, look->wall_ms))
    return true;
  return arrival->hints & (WATCH_CLOSED | WATCH_TOUCHED) || is_settled(arrival, look->now_ms);
}

void arrival_took(struct arrival *arrival, const struct file_stamp *stamp, int64_t now_ms)
{
  if (!file_stamp_equals(&arrival->seen, stamp)) {
    arrival->seen = *stamp;
    arrival->seen_since_ms = now_ms;
  }
  arrival->taken = *stamp;
  arrival->is_taken = true;
  arrival->is_sure = is_settled(arrival, now_ms);
  arrival->hints = 0;
}

bool arrival_is_gone(struct arrival *arrival, const struct arrival_look *look)
{
  arrival->has_seen = false;
  if (!arrival->absent_since_ms)
    arrival->absent_since_ms = look->now_ms;
  return !arrival->is_taken || look->haste != ARRIVAL_CAREFUL ||
         look->now_ms - arrival->absent_since_ms >= ARRIVAL_SETTLE_MS;
}

int64_t arrival_due_ms(const struct arrival *arrival, int64_t now_ms)
{
  int64_t due = INT64_MAX;
  if (arrival->absent_since_ms)
    due = arrival->absent_since_ms + ARRIVAL_SETTLE_MS;
  else if (!arrival->is_taken || !arrival->is_sure ||
           !file_stamp_equals(&arrival->taken, &arrival->seen))
    due = arrival->seen_since_ms + ARRIVAL_SETTLE_MS;
  return due > now_ms ? due : INT64_MAX; /* what is overdue waits for its writer */
}
