#include "journal/journal_mark.h"

#include "base/memory.h"
#include "journal/journal_sum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILE_BYTES = 4096 };

/* Two, written in turn: one that was cut short leaves the other. */
struct slot {
  struct journal_mark_numbers numbers;
  int64_t sum;
};

struct page {
  struct slot slots[2];
  uint64_t copying; /* COPYING, or it is not */
};

static const uint64_t COPYING = UINT64_C(0x636f7079696e6721);

struct journal_mark {
  struct page *page;
};

static int64_t slot_sum(const struct journal_mark_numbers *numbers)
{
  uint64_t sum = journal_sum_integer(journal_sum_begin("mark"), numbers->transaction);
  sum = journal_sum_integer(sum, numbers->sequence);
  return journal_sum_end(journal_sum_integer(sum, numbers->message), 0);
}

/* Blocks on the disk, all of them: a store to a mapped page without one is a SIGBUS. So is
 * one on a file system that gave up; setting the times finds that out, also on a full disk. */
static int fill(int fd)
{
  struct stat status;
  if (fstat(fd, &status) < 0 || (futimens(fd, NULL) < 0 && errno == EROFS))
    return -errno;
  if (status.st_size == FILE_BYTES)
    return 0;
  static const char zeros[FILE_BYTES];
  ssize_t n = ftruncate(fd, 0) < 0 ? -1 : pwrite(fd, zeros, sizeof zeros, 0);
  return n == FILE_BYTES ? 0 : n < 0 ? -errno : -ENOSPC;
}

struct journal_mark *journal_mark_open(const char *path, int *rc)
{
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) {
    *rc = -errno;
    return NULL;
  }
  void *map = MAP_FAILED;
  if (!(*rc = fill(fd))) {
    map = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    *rc = map == MAP_FAILED ? -errno : 0;
  }
  close(fd);
  if (*rc)
    return NULL;
  struct journal_mark *mark = memory_zeroed(1, sizeof *mark);
  mark->page = map;
  return mark;
}

struct journal_mark_numbers journal_mark_get(const struct journal_mark *mark)
{
  struct journal_mark_numbers best = {0};
  for (int i = 0; i < 2; i++) {
    const struct slot *slot = &mark->page->slots[i];
    if (slot->sum == slot_sum(&slot->numbers) && slot->numbers.transaction > best.transaction)
      best = slot->numbers;
  }
  return best;
}

void journal_mark_set(struct journal_mark *mark, const struct journal_mark_numbers *numbers)
{
  struct slot *slot = &mark->page->slots[numbers->transaction & 1];
  slot->numbers = *numbers;
  atomic_signal_fence(memory_order_seq_cst); /* a kill sees a thread's own order */
  slot->sum = slot_sum(numbers);
}

void journal_mark_set_copying(struct journal_mark *mark, bool is_copying)
{
  atomic_signal_fence(memory_order_seq_cst);
  bool is_over = !is_copying && journal_mark_is_copying(mark);
  mark->page->copying = is_copying ? COPYING : 0;
  atomic_signal_fence(memory_order_seq_cst);
  /* Durable before the log begins anew: a power cut then leaves an empty one that is well. */
  if (is_over)
    msync(mark->page, FILE_BYTES, MS_SYNC);
}

bool journal_mark_is_copying(const struct journal_mark *mark)
{
  return mark->page->copying == COPYING;
}

void journal_mark_close(struct journal_mark *mark)
{
  if (!mark)
    return;
  munmap(mark->page, FILE_BYTES);
  free(mark);
}
