#include "worker/paths.h"

#include "worker/version.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The path of what does not exist yet: its directory must. */
static int resolve_new(const char *path, char resolved[PATH_MAX])
{
  char directory[PATH_MAX];
  const char *slash = strrchr(path, '/');
  const char *name = slash ? slash + 1 : path;
  if (!*name || !strcmp(name, ".") || !strcmp(name, "..")) {
    errno = ENOENT;
    return -1;
  }
  int size = slash ? (int)(slash - path) + 1 : 2;
  if (size >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  snprintf(directory, sizeof directory, "%.*s", size, slash ? path : "./");
  char parent[PATH_MAX];
  if (!realpath(directory, parent))
    return -1;
  const char *between = strcmp(parent, "/") ? "/" : "";
  if (strlen(parent) + strlen(between) + strlen(name) >= PATH_MAX) {
    errno = ENAMETOOLONG;
    return -1;
  }
  strcpy(resolved, parent);
  strcat(resolved, between);
  strcat(resolved, name);
  return 0;
}

int paths_resolve(const char *path, char resolved[PATH_MAX])
{
  if (realpath(path, resolved))
    return 0;
  return errno == ENOENT ? resolve_new(path, resolved) : -1;
}

bool paths_is_inside(const char *resolved, const char *directory)
{
  char real[PATH_MAX];
  if (paths_resolve(directory, real))
    return false;
  size_t size = strcmp(real, "/") ? strlen(real) : 0;
  return !strncmp(resolved, real, size) && (resolved[size] == '/' || !resolved[size]);
}

static bool is_inside_any(const struct version *version, const char *key, const char *resolved)
{
  size_t index = 0;
  for (const char *path; (path = version_option_text(version, key, &index));)
    if (paths_is_inside(resolved, path))
      return true;
  return false;
}

bool paths_is_private(const struct version *version, const char *resolved, bool write)
{
  return is_inside_any(version, "private", resolved) ||
         (write && is_inside_any(version, "handlers", resolved));
}
