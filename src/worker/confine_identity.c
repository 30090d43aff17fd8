#include "worker/confine_parts.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { GROUPS_MAX = 64 };

struct ids {
  uid_t uid;
  gid_t groups[GROUPS_MAX]; /* the first is the main one */
  size_t group_count;
};

static int read_ids(const char *text, struct ids *ids)
{
  char *end;
  ids->uid = (uid_t)strtoul(text, &end, 10);
  for (ids->group_count = 0; *end && ids->group_count < GROUPS_MAX; ids->group_count++) {
    if (*end != (ids->group_count ? ',' : ':'))
      return -EINVAL;
    ids->groups[ids->group_count] = (gid_t)strtoul(end + 1, &end, 10);
  }
  return *end || !ids->group_count ? -EINVAL : 0;
}

int confine_become(const char *text)
{
  struct ids ids;
  if (!text)
    return 0;
  if (read_ids(text, &ids))
    return -EINVAL;
  if (setgroups(ids.group_count, ids.groups) ||
      setresgid(ids.groups[0], ids.groups[0], ids.groups[0]) ||
      setresuid(ids.uid, ids.uid, ids.uid))
    return -errno;
  return 0;
}

/* What file owners are: a handler of root writes and removes what root may. */
static const unsigned kept[] = {CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER};

int confine_drop_capabilities(void)
{
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
  uint32_t mask[_LINUX_CAPABILITY_U32S_3] = {0};
  if (syscall(SYS_capget, &head, sets))
    return -errno;
  if (!geteuid())
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
      mask[CAP_TO_INDEX(kept[i])] |= CAP_TO_MASK(kept[i]);
  for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
    sets[i].permitted &= mask[i];
    sets[i].effective = sets[i].permitted;
    sets[i].inheritable = 0;
  }
  return syscall(SYS_capset, &head, sets) ? -errno : 0; /* the ambient ones go with these */
}
