#include "worker/version.h"

#include "base/jsontext.h"
#include "base/memory.h"
#include "worker/paths.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct source_file read_file(struct frame *frame, char *module)
{
  struct source_file file = {.module = module, .chunk = frame_get_text(frame)};
  const char *text = frame_get_bytes(frame, &file.size_bytes);
  file.text = memory_copied(text, file.size_bytes);
  return file;
}

static json_t *read_options(struct frame *frame)
{
  size_t size;
  const char *text = frame_get_bytes(frame, &size);
  json_t *options = jsontext_parse(text, size, NULL);
  if (!json_is_object(options)) {
    json_decref(options);
    return NULL;
  }
  return options;
}

static void add_path(json_t *list, const char *path)
{
  for (size_t i = 0; i < json_array_size(list); i++)
    if (!strcmp(json_string_value(json_array_get(list, i)), path))
      return;
  json_array_append_new(list, json_string(path));
}

/* Where they lead at the start, so that no handler can change that; and they themselves,
 * which may be links. */
static void add_resolved(json_t *list)
{
  for (size_t i = 0, count = json_array_size(list); i < count; i++) {
    char resolved[PATH_MAX];
    const char *path = json_string_value(json_array_get(list, i));
    if (path && !paths_resolve(path, resolved))
      add_path(list, resolved);
    if (path && !paths_resolve_entry(path, resolved))
      add_path(list, resolved);
  }
}

int version_read(struct version *version, struct frame *frame)
{
  *version = (struct version){0};
  char *purpose = frame_get_text(frame);
  version->is_config = !strcmp(purpose, "config");
  bool is_known = version->is_config || !strcmp(purpose, "handler");
  free(purpose);
  version->name = frame_get_text(frame);
  version->files = memory_zeroed(1, sizeof *version->files);
  version->files[0] = read_file(frame, memory_text(""));
  version->file_count = 1;
  version->options = read_options(frame);
  add_resolved(json_object_get(version->options, "private"));
  add_resolved(json_object_get(version->options, "handlers"));
  size_t libraries = frame_get_u32(frame);
  for (size_t i = 0; i < libraries && !frame->bad; i++) {
    size_t count = version->file_count + 1;
    version->files = memory_resized(version->files, count * sizeof *version->files);
    version->files[version->file_count] = read_file(frame, frame_get_text(frame));
    version->file_count = count;
  }
  return is_known && version->options && !frame->bad ? 0 : -EPROTO;
}

const struct source_file *version_library(const struct version *version, const char *module)
{
  for (size_t i = 1; i < version->file_count; i++)
    if (!strcmp(version->files[i].module, module))
      return &version->files[i];
  return NULL;
}

const struct source_file *version_file(const struct version *version, const char *chunk)
{
  for (size_t i = 0; i < version->file_count; i++)
    if (!strcmp(version->files[i].chunk, chunk))
      return &version->files[i];
  return NULL;
}

/* Whether `shown`, `size` bytes long, is how Lua shows the name `chunk`. */
static bool is_shown(const char *chunk, const char *shown, size_t size)
{
  size_t length = strlen(chunk);
  if (size == length)
    return !memcmp(chunk, shown, size);
  if (size <= 3 || memcmp(shown, "...", 3) || length < size - 3)
    return false;
  return !memcmp(chunk + length - (size - 3), shown + 3, size - 3);
}

const struct source_file *version_place(const struct version *version, const char *message,
                                        int *line, const char **rest)
{
  for (const char *colon = strchr(message, ':'); colon; colon = strchr(colon + 1, ':')) {
    char *end;
    if (!isdigit((unsigned char)colon[1]))
      continue;
    long number = strtol(colon + 1, &end, 10);
    if (*end != ':' || number > 100000000)
      continue;
    for (size_t i = 0; i < version->file_count; i++)
      if (is_shown(version->files[i].chunk, message, (size_t)(colon - message))) {
        *line = (int)number;
        *rest = end[1] == ' ' ? end + 2 : end + 1;
        return &version->files[i];
      }
  }
  return NULL;
}

size_t version_line(const struct source_file *file, int line, const char **text)
{
  const char *at = file->text;
  const char *end = file->text + file->size_bytes;
  for (int i = 1; i < line && at < end; i++) {
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    at = newline ? newline + 1 : end;
  }
  const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
  size_t size = (size_t)((newline ? newline : end) - at);
  if (size && at[size - 1] == '\r')
    size--;
  *text = at;
  return line > 0 ? size : 0;
}

const char *version_option_text(const struct version *version, const char *key, size_t *index)
{
  json_t *list = json_object_get(version->options, key);
  while (*index < json_array_size(list)) {
    const char *text = json_string_value(json_array_get(list, (*index)++));
    if (text)
      return text;
  }
  return NULL;
}
