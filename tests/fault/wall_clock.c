/* Another wall clock for a program under test, by LD_PRELOAD: the file that WALL_CLOCK
 * names is mapped and holds milliseconds, an int64_t that is added to what the kernel
 * says. The clocks that only go forward are left alone. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *offset_ms;

__attribute__((constructor)) static void map_offset(void)
{
  const char *path = getenv("WALL_CLOCK");
  int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (fd < 0)
    return;
  void *mapped = mmap(NULL, sizeof *offset_ms, PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  if (mapped != MAP_FAILED)
    offset_ms = mapped;
}

int clock_gettime(clockid_t clock, struct timespec *time)
{
  int rc = (int)syscall(SYS_clock_gettime, clock, time);
  if (!rc && offset_ms && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    int64_t ms = time->tv_sec * INT64_C(1000) + time->tv_nsec / 1000000 + *offset_ms;
    time->tv_nsec = ms % 1000 * 1000000 + time->tv_nsec % 1000000;
    time->tv_sec = ms / 1000;
  }
  return rc;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
  (void)zone;
  struct timespec exact;
  int rc = clock_gettime(CLOCK_REALTIME, &exact);
  time->tv_sec = exact.tv_sec;
  time->tv_usec = exact.tv_nsec / 1000;
  return rc;
}

time_t time(time_t *seconds)
{
  struct timespec exact;
  clock_gettime(CLOCK_REALTIME, &exact);
  if (seconds)
    *seconds = exact.tv_sec;
  return exact.tv_sec;
}
