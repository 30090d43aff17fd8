#include "host/presence.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <unistd.h>

enum { WAIT_MS = 5000, STEP_MS = 10 };

int presence_open(const char *directory)
{
  char *path = memory_format("%s/alive", directory);
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0 && errno == EROFS)
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW); /* enough for read locks */
  int rc = fd >= 0 ? fd : errno == ENOENT ? 0 : -errno;
  free(path);
  return rc;
}

/* Returns whether somebody holds the file; *holder is 0 where it is not known who. */
static bool is_held(int fd, pid_t *holder)
{
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  *holder = 0;
  if (fcntl(fd, F_GETLK, &lock) < 0)
    return true; /* nothing is known: the caller's time runs out */
  if (lock.l_type != F_UNLCK && lock.l_pid > 0)
    *holder = lock.l_pid;
  return lock.l_type != F_UNLCK;
}

static bool is_free_within(int fd, int64_t wait_ms)
{
  int64_t deadline = clock_monotonic_ms() + wait_ms;
  pid_t holder;
  while (is_held(fd, &holder)) {
    if (clock_monotonic_ms() >= deadline)
      return false;
    poll(NULL, 0, STEP_MS); /* the lock is only looked at, so there is nothing to wait on */
  }
  return true;
}

/* Between the look and the signal its number may become another's: what still holds
 * the lock once it is pinned is the one that was meant. */
static void end_holder(int fd)
{
  pid_t holder, again;
  if (!is_held(fd, &holder) || !holder)
    return;
  int pidfd = pidfd_open(holder, 0);
  if (pidfd < 0)
    return;
  if (is_held(fd, &again) && again == holder) {
    log_warn("agent", "a worker of the agent before is still there: ended", "pid",
             LOG_NUMBER(holder));
    pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
    struct pollfd gone = {.fd = pidfd, .events = POLLIN};
    poll(&gone, 1, WAIT_MS);
  }
  close(pidfd);
}

int presence_wait_alone(int fd, struct error *error)
{
  if (!fd || is_free_within(fd, WAIT_MS))
    return 0;
  int64_t deadline = clock_monotonic_ms() + WAIT_MS;
  do
    end_holder(fd);
  while (!is_free_within(fd, STEP_MS) && clock_monotonic_ms() < deadline);
  if (is_free_within(fd, 0))
    return 0;
  return error_set(error, -EBUSY, "a worker of the agent before does not end");
}
