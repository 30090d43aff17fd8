#include "worker/paths.h"

#include "base/memory.h"
#include "worker/version.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

int paths_resolve_entry(const char *path, char resolved[PATH_MAX])
{
  char plain[PATH_MAX];
  size_t size = strlen(path);
  while (size > 1 && path[size - 1] == '/')
    size--;
  if (size >= sizeof plain) {
    errno = ENAMETOOLONG;
    return -1;
  }
  snprintf(plain, sizeof plain, "%.*s", (int)size, path);
  return resolve_new(plain, resolved);
}

/* Both are resolved. */
static bool is_beneath(const char *path, const char *directory)
{
  size_t size = strcmp(directory, "/") ? strlen(directory) : 0;
  return !strncmp(path, directory, size) && (path[size] == '/' || !path[size]);
}

bool paths_is_inside(const char *resolved, const char *directory)
{
  char real[PATH_MAX];
  return !paths_resolve(directory, real) && is_beneath(resolved, real);
}

/* A link among them may have been led elsewhere since the start. */
static bool is_inside_any(const struct version *version, const char *key, const char *resolved)
{
  size_t index = 0;
  for (const char *path; (path = version_option_text(version, key, &index));)
    if (is_beneath(resolved, path) || paths_is_inside(resolved, path))
      return true;
  return false;
}

static bool holds_any(const struct version *version, const char *key, const char *resolved)
{
  size_t index = 0;
  char real[PATH_MAX];
  for (const char *path; (path = version_option_text(version, key, &index));)
    if (is_beneath(path, resolved) || (!paths_resolve(path, real) && is_beneath(real, resolved)))
      return true;
  return false;
}

/* /proc/PID of another process, and for writing of this one, too: what it shows
 * may be read, but its memory and limits are not for writing. */
static bool is_process(const char *resolved, bool write)
{
  static const char proc[] = "/proc/";
  char own[PATH_MAX];
  if (strncmp(resolved, proc, strlen(proc)) || !isdigit((unsigned char)resolved[strlen(proc)]))
    return false;
  return write || !realpath("/proc/self", own) || !is_beneath(resolved, own);
}

/* `real` is where the link `name` leads: a file, or the folder of the libraries. */
static bool is_source(const char *name, const char *real, const char *resolved)
{
  const char *dot = strrchr(name, '.');
  struct stat info;
  if (!strcmp(name, "lib"))
    return is_beneath(resolved, real);
  return dot && !strcmp(dot, ".lua") && !strcmp(resolved, real) && !stat(real, &info) &&
         S_ISREG(info.st_mode);
}

/* Whether a link in the directory, as a handler's file or library may be one, leads there. */
static bool is_linked_from(const char *directory, const char *resolved)
{
  DIR *listing = opendir(directory);
  bool is_linked = false;
  for (struct dirent *entry; listing && !is_linked && (entry = readdir(listing));) {
    char real[PATH_MAX];
    if (entry->d_type != DT_LNK && entry->d_type != DT_UNKNOWN)
      continue;
    char *path = memory_format("%s/%s", directory, entry->d_name);
    is_linked = realpath(path, real) && is_source(entry->d_name, real, resolved);
    free(path);
  }
  if (listing)
    closedir(listing);
  return is_linked;
}

static bool is_handler(const struct version *version, const char *resolved)
{
  size_t index = 0;
  bool is_one = is_inside_any(version, "handlers", resolved);
  for (const char *path; !is_one && (path = version_option_text(version, "handlers", &index));) {
    char *libraries = memory_format("%s/lib", path);
    is_one = is_linked_from(path, resolved) || is_linked_from(libraries, resolved);
    free(libraries);
  }
  return is_one;
}

bool paths_is_private(const struct version *version, const char *resolved, bool write)
{
  return is_inside_any(version, "private", resolved) || is_process(resolved, write) ||
         (write && is_handler(version, resolved));
}

bool paths_holds_private(const struct version *version, const char *resolved)
{
  return holds_any(version, "private", resolved) || holds_any(version, "handlers", resolved);
}

bool paths_is_allowed(const struct version *version, const char *resolved)
{
  const json_t *limit = json_object_get(version->options, "ceiling");
  const json_t *write = json_object_get(limit, "write");
  if (!json_is_object(limit) || json_is_true(write))
    return true;
  for (size_t i = 0; i < json_array_size(write); i++) {
    const char *directory = json_string_value(json_array_get(write, i));
    if (directory && paths_is_inside(resolved, directory))
      return true;
  }
  return false;
}
