#include "supervision/handler_user.h"

#include "base/buffer.h"
#include "base/memory.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char default_name[] = "kaalua-handler";

enum { GROUPS_MAX = 64 };

/* An entry of /etc/passwd. */
struct entry {
  char *name; /* owned */
  uid_t uid;
  gid_t gid;
};

/* Finds by name, or where that is NULL by uid. */
static bool find_entry(const char *name, uid_t uid, struct entry *found)
{
  FILE *file = fopen("/etc/passwd", "re");
  struct passwd *each = NULL;
  while (file && (each = fgetpwent(file)))
    if (name ? !strcmp(each->pw_name, name) : each->pw_uid == uid)
      break;
  if (each)
    *found = (struct entry){memory_text(each->pw_name), each->pw_uid, each->pw_gid};
  if (file)
    fclose(file);
  return each != NULL;
}

static bool has_member(char *const *members, const char *name)
{
  for (; *members; members++)
    if (!strcmp(*members, name))
      return true;
  return false;
}

/* "998:998,20": the user, its group, and the other groups that name it. */
static char *ids_of(const struct entry *entry)
{
  struct buffer ids = {0};
  buffer_format(&ids, "%u:%u", entry->uid, entry->gid);
  FILE *file = fopen("/etc/group", "re");
  struct group *each;
  for (int count = 1; file && count < GROUPS_MAX && (each = fgetgrent(file));)
    if (each->gr_gid != entry->gid && has_member(each->gr_mem, entry->name)) {
      buffer_format(&ids, ",%u", each->gr_gid);
      count++;
    }
  if (file)
    fclose(file);
  return buffer_take(&ids);
}

/* Whether a leader that is started from here has the capability: it ends and asks a
 * process of another user, and becomes that user before. */
static bool is_handed_on(unsigned capability)
{
  struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};
  if (syscall(SYS_capget, &head, sets) < 0)
    return false;
  if (!(sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)))
    return false;
  if (!geteuid())
    return prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1;
  return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1;
}

static bool may_switch(void)
{
  return is_handed_on(CAP_SETUID) && is_handed_on(CAP_SETGID) && is_handed_on(CAP_KILL);
}

static void set(struct handler_user *user, char *name, char *ids)
{
  handler_user_clear(user);
  *user = (struct handler_user){name, ids};
}

static void choose_own(struct handler_user *user)
{
  struct entry entry;
  bool is_known = find_entry(NULL, geteuid(), &entry);
  set(user, is_known ? entry.name : memory_format("uid %u", geteuid()), NULL);
}

static void choose_default(struct handler_user *user)
{
  struct entry entry;
  if (!find_entry(default_name, 0, &entry)) {
    choose_own(user);
  } else if (entry.uid == geteuid() || !may_switch()) {
    free(entry.name);
    choose_own(user);
  } else {
    set(user, entry.name, ids_of(&entry));
  }
}

int handler_user_choose(struct handler_user *user, const char *wanted, struct error *error)
{
  struct entry entry;
  choose_default(user);
  if (!wanted)
    return 0;
  if (!find_entry(wanted, 0, &entry))
    return error_set(error, -ENOENT, "handler_user: /etc/passwd has no user \"%s\"", wanted);
  if (entry.uid == geteuid()) {
    set(user, entry.name, NULL);
    return 0;
  }
  if (!may_switch()) {
    free(entry.name);
    return error_set(error, -EPERM, "handler_user: to run handlers as \"%s\" kaalua is started as "
                     "root, or with the capabilities SETUID, SETGID and KILL", wanted);
  }
  set(user, entry.name, ids_of(&entry));
  return 0;
}

bool handler_user_is_own(const struct handler_user *user)
{
  return !user->ids;
}

void handler_user_clear(struct handler_user *user)
{
  free(user->name);
  free(user->ids);
  *user = (struct handler_user){0};
}
