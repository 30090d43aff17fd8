#include "supervision/settings_place.h"

#include <stdbool.h>
#include <string.h>

/* Whether `path` is, or holds, the setting. */
static bool holds(const char *path, const char *setting)
{
  size_t size = strlen(path);
  return !strncmp(path, setting, size) && (!setting[size] || strchr(".[", setting[size]));
}

/* The innermost place that is known. */
static const json_t *find(const json_t *lines, const char *setting)
{
  const json_t *best = NULL;
  size_t best_size = 0;
  const char *path;
  json_t *place;
  json_object_foreach((json_t *)lines, path, place)
    if (holds(path, setting) && (!best || strlen(path) > best_size)) {
      best = place;
      best_size = strlen(path);
    }
  return best;
}

void settings_place(json_t *report, const json_t *places)
{
  static const char *const keys[] = {"line", "column", "source"};
  const json_t *faults = json_object_get(report, "faults");
  json_t *file = json_object_get(places, "file");
  for (size_t i = 0; file && i < json_array_size(faults); i++) {
    json_t *fault = json_array_get(faults, i);
    const char *setting = json_string_value(json_object_get(fault, "setting"));
    if (!setting)
      continue;
    const json_t *place = find(json_object_get(places, "lines"), setting);
    json_object_set(fault, "file", file);
    json_object_del(fault, "setting");
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
      json_object_del(fault, keys[k]);
      json_object_set(fault, keys[k], json_object_get(place, keys[k]));
    }
    if (!place)
      json_object_set_new(fault, "line", json_integer(0));
  }
}
