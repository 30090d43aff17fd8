#include "base/memory.h"
#include "base/nearest.h"
#include "cli/check_needs.h"
#include "cli/command_line.h"
#include "handlers/sources.h"
#include "host/evaluate.h"
#include "host/faults.h"
#include "supervision/ceiling.h"
#include "supervision/settings_place.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct check {
  const struct workplace *workplace;
  const struct config *config;
  json_t *faults;
  size_t handlers;
  struct check_needs *needs; /* NULL: not asked for */
};

static void note_needs(struct check *check, const struct source_file *file, const json_t *contract)
{
  char *type = check->needs ? sources_type_of(file) : NULL;
  if (type)
    check_needs_add(check->needs, type, file->path, contract);
  free(type);
}

static void check_file(struct check *check, const struct source_file *file, struct library *library)
{
  check->handlers++;
  if (file->fault) {
    faults_add(check->faults, file->path, 0, "%s", file->fault);
    note_needs(check, file, NULL);
    return;
  }
  char *type = sources_type_of(file);
  struct version *version =
      version_create(type, file->path, file->name, file->text, file->text_bytes, library);
  const struct worker_options options = {
      .purpose = WORKER_HANDLER,
      .settings = json_object_get(check->config->settings, type),
      .ceiling = ceiling_of(check->config->ceiling, type),
      .places = check->config->places,
  };
  json_t *report = evaluate_version(check->workplace, version, &options);
  faults_add_reported(check->faults, json_object_get(report, "faults"), file->name, file->path);
  note_needs(check, file, json_object_get(report, "contract"));
  json_decref(report);
  version_drop(version);
  free(type);
}

/* Checks all handlers of the directories, or the one file that is named. */
static void check_directories(struct check *check, const char *const *directories, size_t count,
                              const char *only)
{
  struct sources *sources = sources_create(directories, count);
  sources_scan(sources);
  const char *fault;
  for (size_t i = 0; (fault = sources_fault(sources, i)); i++) {
    const char *what = strstr(fault, ": ");
    char *path = memory_copied(fault, (size_t)(what - fault));
    faults_add(check->faults, path, 0, "%s", what + 2);
    free(path);
  }
  const struct source_file *file;
  bool found = false;
  for (size_t i = 0; (file = sources_at(sources, i)); i++)
    if (source_file_is_library(file)) {
      if (file->fault)
        faults_add(check->faults, file->path, 0, "%s", file->fault);
    } else if (!only || !strcmp(file->name, only)) {
      check_file(check, file, sources_library(sources));
      found = true;
    }
  if (only && !found)
    faults_add(check->faults, only, 0, "no handler file of this name");
  sources_destroy(sources);
}

static void check_path(struct check *check, const char *path)
{
  struct stat status;
  if (stat(path, &status) < 0) {
    faults_add(check->faults, path, 0, "no such file or directory");
    return;
  }
  if (S_ISDIR(status.st_mode)) {
    check_directories(check, &path, 1, NULL);
    return;
  }
  const char *slash = strrchr(path, '/');
  if (slash && slash - path >= 3 && !strncmp(slash - 3, "lib", 3) &&
      (slash - path == 3 || slash[-4] == '/')) {
    faults_add(check->faults, path, 0, "a library is checked with the handlers that require it: "
               "kaalua check %.*s", slash - path > 4 ? (int)(slash - path - 4) : 1,
               slash - path > 4 ? path : ".");
    return;
  }
  char *directory = slash ? memory_copied(path, (size_t)(slash - path)) : memory_text(".");
  const char *one = *directory ? directory : "/";
  check_directories(check, &one, 1, slash ? slash + 1 : path);
  free(directory);
}

/* ", did you mean light?" for a type that is nearly that of a file, else "". Returns owned. */
static char *suggestion(const struct sources *sources, const char *type)
{
  const char **names = NULL;
  size_t count = 0;
  const struct source_file *file;
  for (size_t i = 0; (file = sources_at(sources, i)); i++)
    if (!source_file_is_library(file)) {
      names = memory_resized(names, (count + 1) * sizeof *names);
      names[count++] = sources_type_of(file);
    }
  const char *near = nearest_name(type, names, count);
  char *text = near ? memory_format(", did you mean %s?", near) : memory_text("");
  for (size_t i = 0; i < count; i++)
    free((char *)names[i]);
  free(names);
  return text;
}

static void add_unknown_type(struct check *check, const struct sources *sources, const char *key,
                             const char *type)
{
  char *meant = suggestion(sources, type);
  char *path = memory_format(strspn(type, "0123456789-") ? "%s[\"%s\"]" : "%s.%s", key, type);
  json_t *fault = json_pack("{s:s,s:i,s:s}", "file", check->config->file, "line", 0, "setting", path);
  char *message = memory_format("%s: there is no handler %s.lua%s", path, type, meant);
  json_object_set_new(fault, "message", json_string(message));
  json_t *report = json_pack("{s:[o]}", "faults", fault);
  settings_place(report, check->config->places);
  faults_add_reported(check->faults, json_object_get(report, "faults"), "", check->config->file);
  json_decref(report);
  free(message);
  free(path);
  free(meant);
}

/* What the configuration says of a type that has no handler is most often for a misspelt name. */
static void check_types(struct check *check)
{
  struct sources *sources =
      sources_create((const char *const *)check->config->handlers, check->config->handler_count);
  sources_scan(sources);
  const char *type;
  json_t *value;
  json_object_foreach(check->config->settings, type, value)
    if (!sources_find(sources, type))
      add_unknown_type(check, sources, "settings", type);
  json_object_foreach(json_object_get(check->config->ceiling, "handlers"), type, value)
    if (!sources_find(sources, type))
      add_unknown_type(check, sources, "ceiling.handlers", type);
  sources_destroy(sources);
}

static void print(const struct command_line *line, const struct check *check)
{
  size_t count = json_array_size(check->faults);
  json_t *needs = check->needs ? check_needs_document(check->needs) : NULL;
  if (line->json) {
    json_t *document = json_pack("{s:I,s:O}", "handlers", (json_int_t)check->handlers, "faults",
                                 check->faults);
    if (needs)
      json_object_set_new(document, "needs", needs);
    struct buffer out = {0};
    jsontext_write(&out, document);
    printf("%s\n", buffer_text(&out));
    buffer_clear(&out);
    json_decref(document);
    return;
  }
  if (needs) {
    check_needs_print(needs);
    putchar('\n');
  }
  json_decref(needs);
  faults_print(check->faults, stdout);
  if (count)
    printf("%zu fault%s\n", count, count == 1 ? "" : "s");
  else
    printf("%zu handler%s, no faults\n", check->handlers, check->handlers == 1 ? "" : "s");
}

static int check_all(const struct command_line *line, struct workplace *workplace)
{
  struct config config;
  struct check check = {.workplace = workplace, .config = &config, .faults = json_array()};
  bool whole = !line->operand_count;
  enum config_need need = whole && !line->flags.handlers ? CONFIG_FOR_RUN : CONFIG_FOR_HANDLERS;
  int status = command_line_config_status(
      config_load(&config, &line->flags, need, workplace, check.faults));
  if (line->needs && config.handler_count) /* else nothing is known of the ceiling */
    check.needs = check_needs_create(&config, workplace);
  if (whole && config.handler_count)
    check_directories(&check, (const char *const *)config.handlers, config.handler_count, NULL);
  if (whole && config.file && config.settings)
    check_types(&check);
  for (int i = 0; i < line->operand_count; i++)
    check_path(&check, line->operands[i]);
  print(line, &check);
  if (status == CLI_DONE && json_array_size(check.faults))
    status = CLI_FAILED;
  check_needs_destroy(check.needs);
  json_decref(check.faults);
  config_clear(&config);
  return status;
}

static int run(const struct command_line *line)
{
  struct loop *loop = loop_create();
  struct workplace workplace;
  struct error error = {0};
  int status = CLI_USAGE;
  if (workplace_open(&workplace, loop, &error) < 0) {
    fprintf(stderr, "kaalua: %s\n", error.text);
  } else {
    status = check_all(line, &workplace);
    workplace_close(&workplace);
  }
  loop_destroy(loop);
  return status;
}

const struct cli_command cli_check = {
    .name = "check",
    .usage = "check [PATH…] [--needs] [--handlers D] [--config F] [--json]",
    .summary = "every fault of the configuration and the handlers, file:line",
    .flags = FLAG_CONFIG | FLAG_HANDLERS | FLAG_JSON | FLAG_NEEDS,
    .operands_max = -1,
    .run = run,
};
