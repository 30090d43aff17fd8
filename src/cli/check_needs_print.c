#include "cli/check_needs.h"

#include "base/buffer.h"
#include "base/memory.h"
#include "cli/terminal.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* What a capability means where it is not narrowed. */
static const struct whole {
  const char *name, *words;
} wholes[] = {
    {"exec", "every program"},
    {"native", "every installed module"},
    {"net", "every host"},
    {"write", "every file but the agent's own"},
};

static const char *text_of(const json_t *object, const char *key)
{
  const char *text = json_string_value(json_object_get(object, key));
  return text ? text : "";
}

/* Appends "/usr/bin/df, /usr/bin/du", or what the whole capability means. */
static void append_grant(struct buffer *out, const struct whole *whole, const json_t *grant)
{
  if (!json_is_array(grant))
    buffer_append_text(out, whole->words);
  for (size_t i = 0; i < json_array_size(grant); i++) {
    if (i)
      buffer_append_text(out, ", ");
    terminal_plain(out, json_string_value(json_array_get(grant, i)));
  }
}

static void print_row(const char *label, enum terminal_tone tone, struct buffer *text)
{
  terminal_row(label, tone, buffer_text(text));
  buffer_clear(text);
}

static void append_place(struct buffer *out, const json_t *object)
{
  json_int_t line = json_integer_value(json_object_get(object, "line"));
  terminal_plain(out, text_of(object, "file"));
  if (line)
    buffer_format(out, ":%lld", (long long)line);
}

static void print_grants(const json_t *needs)
{
  for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
    const json_t *grant = json_object_get(needs, wholes[i].name);
    if (!grant)
      continue;
    struct buffer text = {0};
    char *label = memory_format("  %s", wholes[i].name);
    append_grant(&text, &wholes[i], grant);
    print_row(label, json_is_array(grant) ? TONE_PLAIN : TONE_BAD, &text);
    free(label);
  }
}

/* "reboot       /etc/kaalua/handlers/reboot.lua:3", a long type on a line of its own. */
static void print_needy(const json_t *handler)
{
  struct buffer place = {0};
  const char *type = text_of(handler, "type");
  bool is_long = terminal_width(type) >= TERMINAL_LABEL_COLUMNS;
  if (is_long)
    printf("%s\n", type);
  append_place(&place, handler);
  print_row(is_long ? "" : type, TONE_FAINT, &place);
  print_grants(json_object_get(handler, "needs"));
}

enum kind { NEEDY, NEEDLESS, FAULTY };

static enum kind kind_of(const json_t *handler)
{
  const json_t *needs = json_object_get(handler, "needs");
  if (!needs)
    return FAULTY;
  return json_object_size(needs) ? NEEDY : NEEDLESS;
}

/* One row with the types of a kind, or nothing. */
static void print_types(const char *label, const json_t *handlers, enum kind kind)
{
  struct buffer names = {0};
  for (size_t i = 0; i < json_array_size(handlers); i++)
    if (kind_of(json_array_get(handlers, i)) == kind)
      buffer_format(&names, "%s%s", names.size_bytes ? ", " : "",
                    text_of(json_array_get(handlers, i), "type"));
  if (names.size_bytes)
    terminal_row(label, TONE_PLAIN, buffer_text(&names));
  buffer_clear(&names);
}

/* "write in /var/tmp; exec every program". */
static void print_limit(const char *label, const json_t *limit)
{
  struct buffer text = {0};
  if (json_is_object(limit) && !json_object_size(limit))
    buffer_append_text(&text, "nothing");
  if (!json_is_object(limit))
    buffer_append_text(&text, "everything");
  for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
    const json_t *grant = json_object_get(limit, wholes[i].name);
    if (!grant)
      continue;
    buffer_format(&text, "%s%s ", text.size_bytes ? "; " : "", wholes[i].name);
    append_grant(&text, &wholes[i], grant);
  }
  char *indented = memory_format("  %s", label);
  bool is_long = terminal_width(indented) >= TERMINAL_LABEL_COLUMNS;
  if (is_long)
    printf("%s\n", indented);
  print_row(is_long ? "" : indented, TONE_PLAIN, &text);
  free(indented);
}

static void print_ceiling(const json_t *ceiling)
{
  struct buffer place = {0};
  const char *type;
  json_t *limit;
  if (!ceiling) {
    terminal_row("ceiling", TONE_PLAIN, "none: a handler is granted all that its needs name");
    return;
  }
  append_place(&place, ceiling);
  print_row("ceiling", TONE_FAINT, &place);
  print_limit("all", json_object_get(ceiling, "all"));
  json_object_foreach(json_object_get(ceiling, "handlers"), type, limit)
    print_limit(type, limit);
}

static void print_confinement(const json_t *confinement)
{
  const json_t *missing = json_object_get(confinement, "missing");
  if (!confinement)
    return;
  struct buffer user = {0};
  terminal_plain(&user, text_of(confinement, "user"));
  if (json_is_true(json_object_get(confinement, "user_is_own")))
    buffer_append_text(&user, ", the agent's own user");
  print_row("run as", TONE_PLAIN, &user);
  if (!json_array_size(missing))
    terminal_row("not enforced", TONE_PLAIN, "nothing: this machine enforces all of it");
  for (size_t i = 0; i < json_array_size(missing); i++) {
    struct buffer text = {0};
    terminal_plain(&text, json_string_value(json_array_get(missing, i)));
    print_row(i ? "" : "not enforced", TONE_BAD, &text);
  }
}

static void print_warnings(const json_t *warnings)
{
  for (size_t i = 0; i < json_array_size(warnings); i++) {
    const json_t *warning = json_array_get(warnings, i);
    struct buffer text = {0};
    append_place(&text, warning);
    buffer_append_text(&text, ": ");
    terminal_plain(&text, text_of(warning, "message"));
    print_row("warning", TONE_BAD, &text);
  }
}

void check_needs_print(const json_t *document)
{
  const json_t *handlers = json_object_get(document, "handlers");
  for (size_t i = 0; i < json_array_size(handlers); i++)
    if (kind_of(json_array_get(handlers, i)) == NEEDY)
      print_needy(json_array_get(handlers, i));
  print_types("no needs", handlers, NEEDLESS);
  print_types("faulty", handlers, FAULTY);
  putchar('\n');
  print_ceiling(json_object_get(document, "ceiling"));
  print_confinement(json_object_get(document, "confinement"));
  print_warnings(json_object_get(document, "warnings"));
}
