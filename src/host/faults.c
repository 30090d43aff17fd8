#include "host/faults.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void faults_add(json_t *faults, const char *file, long line, const char *format, ...)
{
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  json_array_append_new(faults, json_pack("{s:s,s:I,s:s}", "file", file, "line", (json_int_t)line,
                                          "message", message));
}

/* "lib/valve.lua" lies beside "…/park.lua" → "…/lib/valve.lua"; returns owned. */
static char *path_beside(const char *path, const char *chunk)
{
  const char *slash = strrchr(path, '/');
  return slash ? memory_format("%.*s/%s", (int)(slash - path), path, chunk) : memory_text(chunk);
}

void faults_add_reported(json_t *faults, const json_t *reported, const char *chunk,
                         const char *path)
{
  for (size_t i = 0; i < json_array_size(reported); i++) {
    json_t *fault = json_copy(json_array_get(reported, i));
    const char *file = json_string_value(json_object_get(fault, "file"));
    char *whole = !file || !strcmp(file, chunk) ? memory_text(path) : path_beside(path, file);
    json_object_set_new(fault, "file", json_string(whole));
    free(whole);
    json_array_append_new(faults, fault);
  }
}

void faults_print(const json_t *faults, FILE *stream)
{
  for (size_t i = 0; i < json_array_size(faults); i++) {
    const json_t *fault = json_array_get(faults, i);
    long long line = json_integer_value(json_object_get(fault, "line"));
    const char *source = json_string_value(json_object_get(fault, "source"));
    fputs(json_string_value(json_object_get(fault, "file")), stream);
    if (line)
      fprintf(stream, ":%lld", line);
    fprintf(stream, ": %s\n", json_string_value(json_object_get(fault, "message")));
    if (source)
      fprintf(stream, "  %s\n", source);
  }
}
