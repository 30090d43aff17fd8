#include "device_path.h"

#include "base/memory.h"
#include "kp/name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_digits(const char *text)
{
  return *text && !text[strspn(text, "0123456789")];
}

/* 1/KP: a positive integer; the platform's own bus holds it in 32 bits. */
static int read_request_id(struct device_path *path, const char *text, struct error *error)
{
  errno = 0;
  unsigned long long number = strtoull(text, NULL, 10);
  if (errno || !number || number > INT32_MAX)
    return error_set(error, -EINVAL, "The request id %.20s is not from 1 to %d", text, INT32_MAX);
  path->request_id = (uint32_t)number;
  return 0;
}

static int check_levels(const struct device_path *path, struct error *error)
{
  if (!name_is_level(path->app_version, strlen(path->app_version)) ||
      !name_is_level(path->extension, strlen(path->extension)) ||
      !name_is_level(path->token, strlen(path->token)))
    return error_set(error, -EINVAL, "The path has a level that 1/KP does not allow");
  return 0;
}

int device_path_read(struct device_path *path, const char *text, struct error *error)
{
  *path = (struct device_path){.memory = memory_text(text)};
  char *rest = path->memory;
  const char *root = strsep(&rest, "/");
  path->app_version = strsep(&rest, "/");
  path->extension = strsep(&rest, "/");
  path->token = strsep(&rest, "/");
  path->resource = rest;
  if (strcmp(root, "kp1") != 0 || !rest || !*rest)
    return error_set(error, -EINVAL,
                     "The path is not kp1/<app version>/<extension>/<token>/<resource>");
  char *slash = strrchr(rest, '/');
  const char *last = slash ? slash + 1 : rest;
  path->is_response = !strcmp(last, "status") || !strcmp(last, "error");
  if (!is_digits(last))
    return check_levels(path, error);
  int rc = read_request_id(path, last, error);
  if (rc)
    return rc;
  *(slash ? slash : rest) = '\0';
  return check_levels(path, error);
}

void device_path_clear(struct device_path *path)
{
  free(path->memory);
  *path = (struct device_path){0};
}
