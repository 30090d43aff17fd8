#include "handlers/trust.h"

#include "base/memory.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* As a shell reads it; returns owned. */
static char *quoted(const char *path)
{
  static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                              "/._-+,:@%=";
  if (*path != '-' && !path[strspn(path, plain)])
    return memory_text(path);
  char *text = memory_zeroed(4 * strlen(path) + 6, 1), *out = text;
  if (*path == '-')
    out = stpcpy(out, "./");
  *out++ = '\'';
  for (const char *c = path; *c; c++) {
    if (*c == '\'')
      out = stpcpy(out, "'\\''");
    else
      *out++ = *c;
  }
  *out = '\'';
  return text;
}

static bool is_owner_trusted(uid_t owner)
{
  return owner == 0 || owner == geteuid();
}

static bool is_group_trusted(gid_t group)
{
  return group == 0 || (group == getegid() && group == geteuid());
}

char *trust_refusal(const char *path, const struct stat *status)
{
  bool by_all = status->st_mode & S_IWOTH;
  bool by_group = status->st_mode & S_IWGRP && !is_group_trusted(status->st_gid);
  char *name = quoted(path), *refusal = NULL;
  if (!is_owner_trusted(status->st_uid))
    refusal = memory_format("belongs to user %u, neither root nor the agent's user; mend it with: "
                            "chown root: %s", (unsigned)status->st_uid, name);
  else if (by_all)
    refusal = memory_format("writable by everybody; mend it with: chmod %s %s",
                            by_group ? "go-w" : "o-w", name);
  else if (by_group)
    refusal = memory_format("writable by group %u; mend it with: chmod g-w %s",
                            (unsigned)status->st_gid, name);
  free(name);
  return refusal;
}

char *trust_link_refusal(const char *path)
{
  struct stat status;
  if (lstat(path, &status) < 0 || !S_ISLNK(status.st_mode) || is_owner_trusted(status.st_uid))
    return NULL;
  char *name = quoted(path);
  char *refusal = memory_format("a symbolic link of user %u, neither root nor the agent's user; "
                                "mend it with: chown -h root: %s", (unsigned)status.st_uid, name);
  free(name);
  return refusal;
}
