#include "worker/confine_parts.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

enum {
  DESCRIPTORS = 256,
  /* Lua's limit counts what is asked for; malloc adds its own, and while something grows
   * both its sizes are there. The rest is for what is not Lua's: frames, results on their
   * way, buffers of files and of C modules, the stacks of their threads. */
  MEMORY_TIMES = 2,
  MEMORY_MORE_MIB = 32,
};

/* At most `most`, and never more than it was. */
static int lower(unsigned resource, rlim_t most)
{
  struct rlimit limit;
  if (getrlimit(resource, &limit))
    return -errno;
  if (limit.rlim_max > most)
    limit.rlim_max = most;
  if (limit.rlim_cur > limit.rlim_max)
    limit.rlim_cur = limit.rlim_max;
  return setrlimit(resource, &limit) ? -errno : 0;
}

/* Not RLIMIT_NPROC: it counts all processes of the user, which are others' too. */
int confine_limit_resources(void)
{
  static const struct {
    unsigned resource;
    rlim_t most;
  } limits[] = {{RLIMIT_CORE, 0},   {RLIMIT_NOFILE, DESCRIPTORS}, {RLIMIT_MEMLOCK, 0},
                {RLIMIT_RTPRIO, 0}, {RLIMIT_MSGQUEUE, 0}};
  struct rlimit size;
  for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
    int rc = lower(limits[i].resource, limits[i].most);
    if (rc)
      return rc;
  }
  signal(SIGXFSZ, SIG_IGN); /* then it is EFBIG */
  if (getrlimit(RLIMIT_FSIZE, &size))
    return -errno;
  size.rlim_cur = 0;
  return setrlimit(RLIMIT_FSIZE, &size) ? -errno : 0;
}

int confine_let_files_grow(void)
{
  struct rlimit size;
  if (getrlimit(RLIMIT_FSIZE, &size))
    return -errno;
  size.rlim_cur = size.rlim_max;
  return setrlimit(RLIMIT_FSIZE, &size) ? -errno : 0;
}

/* RLIMIT_DATA: what is mapped to be written. RLIMIT_AS counts what is only reserved, too. */
int confine_limit_memory(int64_t memory_mib, bool for_good)
{
#if defined(__SANITIZE_ADDRESS__) /* whose shadow is terabytes of it */
  (void)memory_mib;
  (void)for_good;
  return 0;
#else
  struct rlimit data;
  if (getrlimit(RLIMIT_DATA, &data))
    return -errno;
  rlim_t most = ((rlim_t)memory_mib * MEMORY_TIMES + MEMORY_MORE_MIB) * 1024 * 1024;
  data.rlim_cur = most < data.rlim_max ? most : data.rlim_max;
  if (for_good)
    data.rlim_max = data.rlim_cur;
  return setrlimit(RLIMIT_DATA, &data) ? -errno : 0;
#endif
}
