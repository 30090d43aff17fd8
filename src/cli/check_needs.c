#include "cli/check_needs.h"

#include "base/memory.h"
#include "cli/program_trust.h"
#include "host/faults.h"
#include "supervision/confinement.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct check_needs {
  const struct config *config;
  const struct workplace *workplace;
  json_t *handlers;
};

struct check_needs *check_needs_create(const struct config *config,
                                       const struct workplace *workplace)
{
  struct check_needs *needs = memory_zeroed(1, sizeof *needs);
  *needs = (struct check_needs){.config = config, .workplace = workplace, .handlers = json_array()};
  return needs;
}

void check_needs_destroy(struct check_needs *needs)
{
  if (needs)
    json_decref(needs->handlers);
  free(needs);
}

void check_needs_add(struct check_needs *needs, const char *type, const char *path,
                     const json_t *contract)
{
  json_t *handler = json_pack("{s:s,s:s}", "type", type, "file", path);
  json_t *line = json_object_get(contract, "needs_line");
  if (json_is_integer(line))
    json_object_set(handler, "line", line);
  if (contract)
    json_object_set(handler, "needs", json_object_get(contract, "needs"));
  json_array_append_new(needs->handlers, handler);
}

static const char *text_of(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

static void warn(json_t *warnings, const json_t *handler, const char *what, const char *message)
{
  faults_add(warnings, text_of(handler, "file"),
             (long)json_integer_value(json_object_get(handler, "line")), "needs.%s: %s", what,
             message);
}

static void warn_of_programs(const struct check_needs *needs, json_t *warnings,
                             const json_t *handler, const json_t *programs)
{
  for (size_t i = 0; i < json_array_size(programs); i++) {
    const char *program = json_string_value(json_array_get(programs, i));
    char *message = program ? program_mistrust(program, needs->config->state) : NULL;
    if (message)
      warn(warnings, handler, "exec", message);
    free(message);
  }
}

static void warn_of_directories(json_t *warnings, const json_t *handler, const json_t *directories)
{
  struct stat status;
  for (size_t i = 0; i < json_array_size(directories); i++) {
    const char *path = json_string_value(json_array_get(directories, i));
    if (!path || stat(path, &status) == 0)
      continue;
    char *message = memory_format("%s: there is no such file or directory", path);
    warn(warnings, handler, "write", message);
    free(message);
  }
}

static bool is_beneath(const char *path, const char *directory)
{
  char real_path[PATH_MAX], real_directory[PATH_MAX];
  if (!realpath(path, real_path) || !realpath(directory, real_directory))
    return false;
  size_t size = strcmp(real_directory, "/") ? strlen(real_directory) : 0;
  return !strncmp(real_path, real_directory, size) &&
         (real_path[size] == '/' || !real_path[size]);
}

/* A handler that may write a program is granted whatever the program's owner is. */
static void warn_of_writer(json_t *warnings, const json_t *writer, const json_t *owner,
                           const char *program)
{
  const json_t *directories = json_object_get(json_object_get(writer, "needs"), "write");
  for (size_t i = 0; i < json_array_size(directories); i++) {
    const char *directory = json_string_value(json_array_get(directories, i));
    if (!directory || !is_beneath(program, directory))
      continue;
    char *message = memory_format("%s: %s, which %s may execute, lies there; it could be replaced",
                                  directory, program, text_of(owner, "type"));
    warn(warnings, writer, "write", message);
    free(message);
  }
}

static void warn_of_writers(const struct check_needs *needs, json_t *warnings, const json_t *owner)
{
  const json_t *programs = json_object_get(json_object_get(owner, "needs"), "exec");
  for (size_t i = 0; i < json_array_size(programs); i++)
    for (size_t k = 0; k < json_array_size(needs->handlers); k++)
      warn_of_writer(warnings, json_array_get(needs->handlers, k), owner,
                     json_string_value(json_array_get(programs, i)));
}

static json_t *warnings_of(const struct check_needs *needs)
{
  json_t *warnings = json_array();
  for (size_t i = 0; i < json_array_size(needs->handlers); i++) {
    const json_t *handler = json_array_get(needs->handlers, i);
    const json_t *granted = json_object_get(handler, "needs");
    warn_of_programs(needs, warnings, handler, json_object_get(granted, "exec"));
    warn_of_directories(warnings, handler, json_object_get(granted, "write"));
    warn_of_writers(needs, warnings, handler);
  }
  return warnings;
}

static json_t *described_ceiling(const struct config *config)
{
  if (!config->ceiling)
    return NULL;
  json_t *described = json_copy(config->ceiling);
  const json_t *place =
      json_object_get(json_object_get(config->places, "lines"), "ceiling");
  json_object_set_new(described, "file", json_string(config->file));
  json_object_set(described, "line", json_object_get(place, "line"));
  return described;
}

json_t *check_needs_document(const struct check_needs *needs)
{
  json_t *document =
      json_pack("{s:O,s:o,s:o}", "handlers", needs->handlers, "warnings", warnings_of(needs),
                "confinement", confinement_report(needs->workplace));
  json_t *ceiling = described_ceiling(needs->config);
  if (ceiling)
    json_object_set_new(document, "ceiling", ceiling);
  return document;
}
