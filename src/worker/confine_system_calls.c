#include "worker/confine_filter.h"
#include "worker/confine_parts.h"

#include "base/kernel.h"
#include "base/memory.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int confine_refuse_system_calls(void)
{
  if (!kernel_has_seccomp())
    return 0;
  struct sock_filter *filter = memory_zeroed(confine_filter_count, sizeof *filter);
  memcpy(filter, confine_filter, confine_filter_count * sizeof *filter);
  for (size_t i = 0; i < confine_filter_count; i++)
    if (BPF_CLASS(filter[i].code) == BPF_JMP && filter[i].k == CONFINE_FILTER_SELF)
      filter[i].k = (uint32_t)getpid();
  struct sock_fprog program = {.len = (unsigned short)confine_filter_count, .filter = filter};
  int rc = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
  free(filter);
  return rc;
}
