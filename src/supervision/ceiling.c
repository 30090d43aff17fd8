#include "supervision/ceiling.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const json_t *ceiling_of(const json_t *ceiling, const char *type)
{
  const json_t *own = json_object_get(json_object_get(ceiling, "handlers"), type);
  const json_t *limit = own ? own : json_object_get(ceiling, "all");
  return json_is_object(limit) ? limit : NULL;
}

static const char *resolved(const char *path, char buffer[PATH_MAX])
{
  return realpath(path, buffer) ? buffer : path;
}

static bool is_beneath(const char *path, const char *directory)
{
  char real_path[PATH_MAX], real_directory[PATH_MAX];
  const char *inner = resolved(path, real_path), *outer = resolved(directory, real_directory);
  size_t size = strcmp(outer, "/") ? strlen(outer) : 0;
  return !strncmp(inner, outer, size) && (inner[size] == '/' || !inner[size]);
}

/* Whether a server is one of those that "*.example.org" stands for. */
static bool is_under(const char *server, const char *allowed)
{
  const char *rest = allowed[0] == '*' && allowed[1] == '.' ? allowed + 1 : NULL;
  size_t size = rest ? strlen(rest) : 0;
  return rest && strlen(server) > size && !strcmp(server + strlen(server) - size, rest);
}

static bool holds(const char *name, const char *allowed, const char *text)
{
  if (!strcmp(text, allowed))
    return true;
  return !strcmp(name, "write") ? is_beneath(text, allowed)
                                : !strcmp(name, "net") && is_under(text, allowed);
}

static bool is_within(const char *name, const json_t *element, const json_t *limit)
{
  const char *text = json_string_value(element);
  for (size_t i = 0; text && i < json_array_size(limit); i++) {
    const char *allowed = json_string_value(json_array_get(limit, i));
    if (allowed && holds(name, allowed, text))
      return true;
  }
  return false;
}

/* What is left of one capability; NULL: nothing. Returns owned. */
static json_t *cut(const char *name, json_t *grant, json_t *limit)
{
  if (json_is_true(limit))
    return json_incref(grant);
  if (!json_is_array(limit))
    return NULL;
  if (json_is_true(grant))
    return json_incref(limit);
  json_t *left = json_array();
  for (size_t i = 0; i < json_array_size(grant); i++)
    if (is_within(name, json_array_get(grant, i), limit))
      json_array_append(left, json_array_get(grant, i));
  if (json_array_size(left))
    return left;
  json_decref(left);
  return NULL;
}

json_t *ceiling_cut(const json_t *needs, const json_t *limit)
{
  json_t *left = json_object();
  const char *name;
  json_t *grant;
  json_object_foreach((json_t *)needs, name, grant) {
    json_t *one = limit ? cut(name, grant, json_object_get(limit, name)) : json_incref(grant);
    if (one)
      json_object_set_new(left, name, one);
  }
  return left;
}

void ceiling_apply(json_t *report, const json_t *limit)
{
  json_t *contract = json_object_get(report, "contract");
  const json_t *needs = json_object_get(contract, "needs");
  if (limit && json_is_object(needs))
    json_object_set_new(contract, "needs", ceiling_cut(needs, limit));
}
