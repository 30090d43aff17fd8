#include "worker/confine_parts.h"

#include "base/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What the headers of Debian 12 (ABI 2) do not name. */
enum {
  ABI_REFER = 2,
  ABI_TRUNCATE = 3,
  ABI_SCOPE = 6,
};
#define TRUNCATE (UINT64_C(1) << 14)
#define SCOPE_ABSTRACT_SOCKETS (UINT64_C(1) << 0)
#define SCOPE_SIGNALS (UINT64_C(1) << 1)

#define ON_FILES (LANDLOCK_ACCESS_FS_WRITE_FILE | TRUNCATE)
#define MAKES_DEVICES (LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK)
#define WRITES                                                                                   \
  (ON_FILES | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                   \
   LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |    \
   LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER)

/* struct landlock_ruleset_attr of ABI 6; an older kernel takes zeros in what it lacks. */
struct attributes {
  uint64_t files;
  uint64_t network;
  uint64_t scopes;
};

/* The rights that the kernel knows. */
static uint64_t known(uint64_t rights, int abi)
{
  if (abi < ABI_TRUNCATE)
    rights &= ~TRUNCATE;
  return abi < ABI_REFER ? rights & ~LANDLOCK_ACCESS_FS_REFER : rights;
}

static int create_rules(uint64_t rights, uint64_t scopes)
{
  const struct attributes attributes = {.files = rights, .scopes = scopes};
  long rules = syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0);
  return rules < 0 ? -errno : (int)rules;
}

/* Allows it in and beneath `path`, which need not be there. */
static int allow(int rules, const char *path, uint64_t rights, struct stat *found)
{
  int fd = open(path, O_PATH | O_CLOEXEC);
  if (fd < 0)
    return 0;
  int rc = fstat(fd, found) ? -errno : 0;
  struct landlock_path_beneath_attr rule = {
      .allowed_access = rc || S_ISDIR(found->st_mode) ? rights : rights & ON_FILES,
      .parent_fd = fd,
  };
  if (!rc && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0))
    rc = -errno;
  close(fd);
  return rc;
}

/* Takes the rules where `rc` is 0; closes them. */
static int enforce(int rules, int rc)
{
  if (!rc && syscall(SYS_landlock_restrict_self, rules, 0))
    rc = -errno;
  close(rules);
  return rc;
}

/* Any rules keep a process from tracing one that is not under them, and from what /proc
 * has of it. The first ABI would keep it from moving files between folders, too. */
int confine_separate(void)
{
  int abi = kernel_landlock_abi();
  struct stat root;
  if (abi < ABI_REFER)
    return 0;
  int rules = create_rules(LANDLOCK_ACCESS_FS_EXECUTE | MAKES_DEVICES | LANDLOCK_ACCESS_FS_REFER,
                           abi < ABI_SCOPE ? 0 : SCOPE_SIGNALS | SCOPE_ABSTRACT_SOCKETS);
  return rules < 0 ? rules : enforce(rules, allow(rules, "/", LANDLOCK_ACCESS_FS_REFER, &root));
}

int confine_keep_files(struct confine_grant *grant)
{
  int abi = kernel_landlock_abi();
  struct stat found = {0};
  if (abi < 0)
    return 0;
  uint64_t rights = known(WRITES, abi);
  int rules = create_rules(rights | MAKES_DEVICES, 0);
  if (rules < 0)
    return rules;
  int rc = allow(rules, "/dev/null", rights, &found);
  for (size_t i = 0; !rc && i < grant->count; i++) {
    struct confine_path *each = &grant->paths[i];
    found = (struct stat){0};
    rc = allow(rules, each->path, rights, &found);
    each->device = found.st_dev;
    each->inode = found.st_ino;
  }
  return enforce(rules, rc);
}

bool confine_is_outdated(const struct confine_grant *grant)
{
  for (size_t i = 0; i < grant->count; i++) {
    struct stat found = {0};
    if (!stat(grant->paths[i].path, &found) &&
        (found.st_dev != grant->paths[i].device || found.st_ino != grant->paths[i].inode))
      return true;
  }
  return false;
}
