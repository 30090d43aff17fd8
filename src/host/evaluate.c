#include "host/evaluate.h"

#include "base/memory.h"
#include "handlers/sources.h"
#include "host/faults.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SOURCE_LINE_MAX_BYTES = 200 }; /* a longer one tells nobody anything */

struct evaluation {
  struct loop *loop;
  json_t *report;
};

static void on_loaded(void *context, struct worker *worker, const json_t *report)
{
  struct evaluation *evaluation = context;
  (void)worker;
  evaluation->report = json_deep_copy(report);
  loop_stop(evaluation->loop);
}

static void on_over(void *context, struct worker *worker, enum worker_end end, const char *how)
{
  (void)context; /* a worker that ends while it loads was reported before */
  (void)worker;
  (void)end;
  (void)how;
}

json_t *evaluate_version(const struct workplace *workplace, struct version *version,
                         const struct worker_options *options)
{
  struct evaluation evaluation = {.loop = workplace->loop};
  const struct worker_ports ports = {
      .context = &evaluation,
      .loaded = on_loaded,
      .over = on_over,
  };
  struct error error = {0};
  struct worker *worker = worker_start(workplace, version, options, &ports, &error);
  if (!worker)
    return json_pack("{s:[{s:s,s:i,s:s}],s:b}", "faults", "file", version->source.chunk, "line", 0,
                     "message", error.text, "passing", 1);
  while (!evaluation.report)
    loop_run(workplace->loop);
  worker_destroy(worker);
  return evaluation.report;
}

/* Returns the file's text, owned, or NULL with errno set. */
static char *read_whole(const char *path, size_t *size)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0)
    return NULL;
  struct buffer text = {0};
  ssize_t n;
  while ((n = read(fd, buffer_room(&text, 4096), 4096)) > 0 && text.size_bytes <= SOURCE_MAX_BYTES)
    text.size_bytes += (size_t)n;
  int saved = n < 0 ? errno : text.size_bytes > SOURCE_MAX_BYTES ? EFBIG : 0;
  close(fd);
  if (saved) {
    buffer_clear(&text);
    errno = saved;
    return NULL;
  }
  *size = text.size_bytes;
  return buffer_take(&text);
}

/* The world failed, not the file. */
static void add_passing_fault(json_t *faults, const json_t *reported, const char *path)
{
  const json_t *message = json_object_get(json_array_get(reported, 0), "message");
  faults_add(faults, path, 0, "could not be evaluated, which is no fault of it: try again (%s)",
             json_string_value(message));
}

/* The text of a line, from 1; NULL where there is none. Returns owned. */
static json_t *source_line(const char *text, json_int_t line)
{
  for (; text && line > 1; line--) {
    text = strchr(text, '\n');
    text += text != NULL;
  }
  size_t size = text ? strcspn(text, "\r\n") : 0;
  return size && size <= SOURCE_LINE_MAX_BYTES ? json_stringn(text, size) : NULL;
}

/* {"file", "lines": {path: {line, column, source?}}}. */
static json_t *described_places(const char *path, const char *text, const json_t *reported)
{
  json_t *lines = json_object();
  const char *name;
  json_t *place;
  json_object_foreach((json_t *)reported, name, place) {
    json_t *copy = json_deep_copy(place);
    json_t *source = json_is_true(json_object_get(place, "secret"))
                         ? NULL
                         : source_line(text, json_integer_value(json_object_get(place, "line")));
    json_object_del(copy, "secret");
    if (source)
      json_object_set_new(copy, "source", source);
    json_object_set_new(lines, name, copy);
  }
  char *whole = path[0] == '/' ? NULL : realpath(path, NULL);
  json_t *places = json_pack("{s:s,s:o}", "file", whole ? whole : path, "lines", lines);
  free(whole);
  return places;
}

struct evaluated evaluate_configuration(const struct workplace *workplace, const char *path,
                                        json_t *faults)
{
  size_t size;
  char *text = read_whole(path, &size);
  if (!text) {
    faults_add(faults, path, 0, "%s", strerror(errno));
    return (struct evaluated){0};
  }
  const char *slash = strrchr(path, '/');
  const char *chunk = slash ? slash + 1 : path;
  struct library *none = library_create();
  struct version *version = version_create("", path, chunk, text, size, none);
  const struct worker_options options = {.purpose = WORKER_CONFIGURATION};
  json_t *report = evaluate_version(workplace, version, &options);
  const json_t *reported = json_object_get(report, "faults");
  struct evaluated evaluated = {
      .value = json_incref(json_object_get(report, "value")),
      .places = described_places(path, text, json_object_get(report, "places")),
      .is_passing = json_array_size(reported) && json_is_true(json_object_get(report, "passing")),
  };
  if (evaluated.is_passing)
    add_passing_fault(faults, reported, path);
  else
    faults_add_reported(faults, reported, chunk, path);
  json_decref(report);
  version_drop(version);
  library_drop(none);
  free(text);
  return evaluated;
}
