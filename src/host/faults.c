#include "host/faults.h"

#include "base/memory.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2, COLUMNS = 80 };

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
    char *whole = !file || !strcmp(file, chunk) ? memory_text(path)
                  : file[0] == '/'              ? memory_text(file)
                                                : path_beside(path, file);
    json_object_del(fault, "setting");
    json_object_set_new(fault, "file", json_string(whole));
    free(whole);
    json_array_append_new(faults, fault);
  }
}

/* ---- where a message points to in its source line ---- */

static bool is_of_word(char c)
{
  return isalnum((unsigned char)c) || c == '_';
}

/* The last place of `what` in `source` where it is no part of a longer word, or NULL. */
static const char *find_last(const char *source, const char *what, size_t size)
{
  const char *last = NULL;
  for (const char *at = source; size && strlen(at) >= size; at++) {
    bool is_cut = (is_of_word(what[0]) && at > source && is_of_word(at[-1])) ||
                  (is_of_word(what[size - 1]) && is_of_word(at[size]));
    if (!is_cut && !strncmp(at, what, size))
      last = at;
  }
  return last;
}

/* "… near 'x'" and "… near <eof>", as Lua's compiler says it. */
static const char *find_near(const char *source, const char *message)
{
  const char *near = strstr(message, " near ");
  if (!near)
    return NULL;
  near += strlen(" near ");
  if (!strncmp(near, "<eof>", 5))
    return source + strlen(source);
  const char *end = strrchr(near, '\'');
  return *near == '\'' && end > near ? find_last(source, near + 1, (size_t)(end - near - 1)) : NULL;
}

/* "params.slot.min: …" is about min. */
static const char *find_key(const char *source, const char *message)
{
  size_t path = strcspn(message, ": ");
  if (message[path] != ':')
    return NULL;
  size_t start = path;
  while (start && is_of_word(message[start - 1]))
    start--;
  return find_last(source, message + start, path - start);
}

/* What the message quotes, "x" or 'x', the first that is there. */
static const char *find_quoted(const char *source, const char *message)
{
  for (const char *open = strpbrk(message, "'\""); open; open = strpbrk(open, "'\"")) {
    const char *close = strchr(open + 1, *open);
    const char *found =
        close ? find_last(source, open + 1, (size_t)(close - open - 1)) : NULL;
    if (found || !close)
      return found;
    open = close + 1;
  }
  return NULL;
}

static const char *find_place(const char *source, const char *message)
{
  const char *place = find_near(source, message);
  if (!place)
    place = find_key(source, message);
  if (!place)
    place = find_quoted(source, message);
  return place ? place : source + strspn(source, " ");
}

static size_t characters(const char *text, size_t size)
{
  size_t count = 0;
  for (size_t i = 0; i < size; i++)
    count += ((unsigned char)text[i] & 0xc0) != 0x80;
  return count;
}

static const char *skip(const char *text, size_t count)
{
  while (*text && count--) {
    size_t n = utf8_length(text, strlen(text));
    text += n ? n : 1;
  }
  return text;
}

/* Draws the part of `source` around the caret, which is at the character `caret`, in `width`. */
static void draw(const char *source, size_t caret, size_t indent, size_t width, struct buffer *out)
{
  size_t all = characters(source, strlen(source));
  size_t first = 0, shown = all;
  if (all >= width) {
    first = caret > width * 2 / 3 ? caret - width * 2 / 3 : 0;
    shown = all - first < width ? all - first : width - 1;
  }
  bool is_cut_before = first > 0, is_cut_behind = first + shown < all;
  const char *from = skip(source, first + is_cut_before);
  const char *to = skip(source, first + shown - is_cut_behind);
  buffer_format(out, "%*s%s%.*s%s\n", (int)indent, "", is_cut_before ? "…" : "", (int)(to - from),
                from, is_cut_behind ? "…" : "");
  buffer_format(out, "%*s^\n", (int)(indent + caret - first), "");
}

void faults_draw(const json_t *fault, size_t indent, size_t columns, struct buffer *out)
{
  const char *text = json_string_value(json_object_get(fault, "source"));
  const char *message = json_string_value(json_object_get(fault, "message"));
  json_int_t column = json_integer_value(json_object_get(fault, "column"));
  if (!text)
    return;
  char *source = memory_text(text);
  for (char *c = source; *c; c++)
    if (*c == '\t')
      *c = ' ';
  utf8_make_plain(source, strlen(source));
  const char *place = column <= 0                        ? find_place(source, message ? message : "")
                      : (size_t)column <= strlen(source) ? source + column - 1
                                                         : source + strlen(source);
  draw(source, characters(source, (size_t)(place - source)), indent, columns - indent, out);
  free(source);
}

void faults_print(const json_t *faults, FILE *stream)
{
  for (size_t i = 0; i < json_array_size(faults); i++) {
    const json_t *fault = json_array_get(faults, i);
    long long line = json_integer_value(json_object_get(fault, "line"));
    fputs(json_string_value(json_object_get(fault, "file")), stream);
    if (line)
      fprintf(stream, ":%lld", line);
    fprintf(stream, ": %s\n", json_string_value(json_object_get(fault, "message")));
    struct buffer picture = {0};
    faults_draw(fault, INDENT, COLUMNS, &picture);
    fputs(buffer_text(&picture), stream);
    buffer_clear(&picture);
  }
}
