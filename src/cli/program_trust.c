#include "cli/program_trust.h"

#include "base/memory.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct trusted {
  uid_t own, agent;
};

static bool is_trusted(const struct trusted *trusted, uid_t owner)
{
  return owner == 0 || owner == trusted->own || owner == trusted->agent;
}

/* What is beneath a sticky directory is its owner's to replace. */
static bool is_open(const struct stat *status, mode_t who)
{
  return status->st_mode & who && !(S_ISDIR(status->st_mode) && status->st_mode & S_ISVTX);
}

/* Of one file or directory. Returns owned, or NULL. */
static char *mistrust(const char *path, const struct trusted *trusted)
{
  static const char why[] = "whoever can write it decides what runs as the agent";
  struct stat status;
  if (stat(path, &status) < 0)
    return memory_format("%s: %s", path, strerror(errno));
  if (is_open(&status, S_IWOTH))
    return memory_format("%s: writable by everybody; %s; mend it with: chmod o-w %s", path, why,
                         path);
  if (is_open(&status, S_IWGRP) && status.st_gid != 0)
    return memory_format("%s: writable by group %u; %s; mend it with: chmod g-w %s", path,
                         (unsigned)status.st_gid, why, path);
  if (!is_trusted(trusted, status.st_uid))
    return memory_format("%s: belongs to user %u, neither root nor the agent's user; %s; mend it "
                         "with: chown root %s", path, (unsigned)status.st_uid, why, path);
  return NULL;
}

/* Of a path and all directories above it, the innermost first. */
static char *mistrust_chain(const char *path, const struct trusted *trusted)
{
  char *part = memory_text(path);
  char *found = NULL;
  for (;;) {
    found = mistrust(part, trusted);
    char *slash = strrchr(part, '/');
    if (found || !strcmp(part, "/") || !slash)
      break;
    slash[slash == part] = '\0';
  }
  free(part);
  return found;
}

char *program_mistrust(const char *path, const char *state)
{
  struct trusted trusted = {.own = geteuid()};
  struct stat status;
  if (state && stat(state, &status) == 0)
    trusted.agent = status.st_uid;
  if (stat(path, &status) < 0)
    return memory_format("%s: %s", path, strerror(errno));
  if (!S_ISREG(status.st_mode) || !(status.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)))
    return memory_format("%s: no program that could be executed", path);
  char *found = mistrust_chain(path, &trusted);
  char real[PATH_MAX];
  if (!found && realpath(path, real) && strcmp(real, path))
    found = mistrust_chain(real, &trusted);
  return found;
}
