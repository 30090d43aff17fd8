/* When a file that was dropped is taken: what was seen of one file of a handler directory,
 * and what that means. Pure: time and what the file looks like come in as arguments.
 *
 *   told of by an event       at once where nobody has it open for writing
 *   seen by a scan alone      once it is unchanged for ARRIVAL_SETTLE_MS, and nobody has
 *   gone                      once it is away for ARRIVAL_SETTLE_MS
 *
 * Whether somebody has it open for writing the kernel knows (handlers/source_reader.h). Where
 * it does not say, a file that was written to is not taken before its close is told of,
 * and any other once it is unchanged for ARRIVAL_SETTLE_MS.
 *
 *   arrival_hint …, then at each look: arrival_wants_reading → (opened) arrival_allows →
 *   (read) arrival_took; or arrival_is_gone */
#ifndef KAALUA_HANDLERS_ARRIVAL_H
#define KAALUA_HANDLERS_ARRIVAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

enum { ARRIVAL_SETTLE_MS = 2000 };

/* Two stamps that are equal are of the same content, unless both are of one grain of the
 * clock of the file system. */
struct file_stamp {
  int error; /* errno of the look: nothing else is known */
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified, changed;
  mode_t mode;
  uid_t owner;
  gid_t group;
};

struct file_stamp file_stamp_of(const struct stat *status);
bool file_stamp_equals(const struct file_stamp *a, const struct file_stamp *b);

enum arrival_haste {
  ARRIVAL_CAREFUL,
  ARRIVAL_FIRST,      /* the first look of this process: what lies there has arrived */
  ARRIVAL_AT_ONCE,    /* somebody asked for a look */
  ARRIVAL_REGARDLESS, /* the same, and whoever writes */
};

struct arrival_look {
  int64_t now_ms;  /* clock_monotonic_ms() */
  int64_t wall_ms; /* clock_wall_ms() */
  enum arrival_haste haste;
};

enum arrival_writer { ARRIVAL_NO_WRITER, ARRIVAL_WRITER, ARRIVAL_WRITER_UNKNOWN };

struct arrival {
  bool is_slow; /* no event hastens it */
  bool has_seen, is_taken;
  bool is_sure; /* what was taken cannot share its stamp with another content */
  struct file_stamp seen, taken;
  int64_t seen_since_ms;
  int64_t absent_since_ms; /* 0: it is there */
  unsigned hints;          /* of enum watch_event */
};

/* An event told of it; bits of enum watch_event. */
void arrival_hint(struct arrival *arrival, unsigned what);

/* Events were lost. */
void arrival_hint_lost(struct arrival *arrival);

/* It is there, and looks like this: whether it is to be opened now. */
bool arrival_wants_reading(struct arrival *arrival, const struct file_stamp *stamp,
                           const struct arrival_look *look);

/* It is open, and looks like this: whether it may be taken. */
bool arrival_allows(const struct arrival *arrival, const struct file_stamp *stamp,
                    enum arrival_writer writer, const struct arrival_look *look);

/* It was taken (or found faulty) as it was with this stamp. */
void arrival_took(struct arrival *arrival, const struct file_stamp *stamp, int64_t now_ms);

/* It is not there: whether it counts as removed. One that was never taken does at once. */
bool arrival_is_gone(struct arrival *arrival, const struct arrival_look *look);

/* When it is to be looked at again though nothing tells of it; INT64_MAX: no such time. */
int64_t arrival_due_ms(const struct arrival *arrival, int64_t now_ms);

#endif
