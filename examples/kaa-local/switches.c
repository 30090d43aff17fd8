#include "switches.h"

#include "base/jsontext.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { IS_BOOL, IS_NUMBER, IS_CHOICE, IS_TEXT };

struct description {
  const char *name;
  enum kind kind;
  size_t offset;
  int64_t least, most;
  const char *choices[5]; /* of IS_CHOICE, and the texts of numbers that are choices */
};

#define PLACE(member) offsetof(struct switches, member)

static const struct description descriptions[] = {
    {"confirm_results", IS_BOOL, PLACE(confirm_results), 0, 1, {0}},
    {"confirm_drop_every", IS_NUMBER, PLACE(confirm_drop_every), 0, INT_MAX, {0}},
    {"deliver_twice_every", IS_NUMBER, PLACE(deliver_twice_every), 0, INT_MAX, {0}},
    {"reserialise_every", IS_NUMBER, PLACE(reserialise_every), 0, INT_MAX, {0}},
    {"delay_ms", IS_NUMBER, PLACE(delay_ms), 0, 600000, {0}},
    {"unknown_result", IS_CHOICE, PLACE(unknown_result), 0, 3, {"ok", "404", "409", "silent"}},
    {"push_with_request_id", IS_BOOL, PLACE(push_with_request_id), 0, 1, {0}},
    {"replay_on_connect", IS_BOOL, PLACE(replay_on_connect), 0, 1, {0}},
    {"require_subscribe", IS_BOOL, PLACE(require_subscribe), 0, 1, {0}},
    {"http_success", IS_NUMBER, PLACE(http_success), 200, 204, {"200", "204"}},
    {"refuse", IS_NUMBER, PLACE(refuse), 0, 599, {0}},
    {"retry_after_s", IS_NUMBER, PLACE(retry_after_s), 0, 86400, {0}},
    {"silent", IS_BOOL, PLACE(silent), 0, 1, {0}},
    {"cut_connection", IS_BOOL, PLACE(cut_connection), 0, 1, {0}},
    {"credentials", IS_TEXT, PLACE(credentials), 0, 0, {0}},
    {"push_qos", IS_NUMBER, PLACE(push_qos), 0, 1, {0}},
    {"idle_cutoff_s", IS_NUMBER, PLACE(idle_cutoff_s), 0, 86400, {0}},
};
enum { COUNT = sizeof descriptions / sizeof *descriptions };

void switches_init(struct switches *switches)
{
  *switches = (struct switches){.confirm_results = true, .http_success = 200, .push_qos = 1};
}

static const struct description *find(const char *name, size_t size)
{
  for (size_t i = 0; i < COUNT; i++)
    if (strlen(descriptions[i].name) == size && !memcmp(descriptions[i].name, name, size))
      return &descriptions[i];
  return NULL;
}

static int refuse_value(const struct description *description, struct error *error)
{
  const char *const *choices = description->choices;
  switch (description->kind) {
  case IS_BOOL: return error_set(error, -EINVAL, "%s is true or false", description->name);
  case IS_TEXT:
    return error_set(error, -EINVAL, "%s is a text like user:password, or empty",
                     description->name);
  case IS_CHOICE:
    return error_set(error, -EINVAL, "%s is %s, %s, %s or %s", description->name, choices[0],
                     choices[1], choices[2], choices[3]);
  default:
    if (choices[0])
      return error_set(error, -EINVAL, "%s is %s or %s", description->name, choices[0],
                       choices[1]);
    return error_set(error, -EINVAL, "%s is a whole number from %lld to %lld", description->name,
                     (long long)description->least, (long long)description->most);
  }
}

static bool set_number(struct switches *switches, const struct description *description,
                       int64_t number)
{
  bool is_between = number >= description->least && number <= description->most;
  if (description->offset == PLACE(http_success))
    is_between = number == 200 || number == 204;
  if (description->offset == PLACE(refuse))
    is_between = !number || (number >= 400 && number <= 599);
  if (is_between)
    *(int64_t *)(void *)((char *)switches + description->offset) = number;
  return is_between;
}

static bool set_bool(struct switches *switches, const struct description *description, bool value)
{
  *(bool *)((char *)switches + description->offset) = value;
  return true;
}

static bool set_choice(struct switches *switches, const struct description *description,
                       const char *text)
{
  for (int64_t i = 0; description->choices[i]; i++)
    if (!strcmp(description->choices[i], text))
      return set_number(switches, description, i);
  return false;
}

static bool set_credentials(struct switches *switches, const char *text)
{
  if ((*text && (!strchr(text, ':') || *text == ':')) ||
      strlen(text) >= sizeof switches->credentials)
    return false;
  strcpy(switches->credentials, text);
  return true;
}

static bool set_value(struct switches *switches, const struct description *description,
                      const char *text)
{
  char *end;
  switch (description->kind) {
  case IS_TEXT: return set_credentials(switches, text);
  case IS_CHOICE: return set_choice(switches, description, text);
  case IS_BOOL:
    return (!strcmp(text, "true") || !strcmp(text, "false")) &&
           set_bool(switches, description, *text == 't');
  default:
    errno = 0;
    long long number = strtoll(text, &end, 10);
    return *text && !*end && !errno && set_number(switches, description, number);
  }
}

int switches_set_text(struct switches *switches, const char *text, struct error *error)
{
  size_t size = strcspn(text, "=");
  const struct description *description = find(text, size);
  if (!description)
    return error_set(error, -EINVAL, "there is no switch %.*s", (int)size, text);
  if (!text[size] && description->kind == IS_BOOL)
    return set_bool(switches, description, true) ? 0 : -EINVAL;
  if (!text[size] || !set_value(switches, description, text + size + 1))
    return refuse_value(description, error);
  return 0;
}

static bool set_member(struct switches *switches, const struct description *description,
                       const json_t *value)
{
  if (json_is_boolean(value) && description->kind == IS_BOOL)
    return set_bool(switches, description, json_is_true(value));
  if (json_is_integer(value) && description->kind == IS_NUMBER)
    return set_number(switches, description, json_integer_value(value));
  if (json_is_integer(value) && description->kind == IS_CHOICE) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    return set_choice(switches, description, text);
  }
  return json_is_string(value) &&
         (description->kind == IS_CHOICE || description->kind == IS_TEXT) &&
         set_value(switches, description, json_string_value(value));
}

int switches_set_json(struct switches *switches, const json_t *object, struct error *error)
{
  if (!json_is_object(object))
    return error_set(error, -EINVAL, "the body is an object with switches as its members");
  struct switches wanted = *switches;
  const char *name;
  json_t *value;
  json_object_foreach((json_t *)object, name, value) {
    const struct description *description = find(name, strlen(name));
    if (!description)
      return error_set(error, -EINVAL, "there is no switch %s", name);
    if (!set_member(&wanted, description, value))
      return refuse_value(description, error);
  }
  *switches = wanted;
  return 0;
}

static void write_value(const struct switches *switches, const struct description *description,
                        struct buffer *out)
{
  const char *place = (const char *)switches + description->offset;
  int64_t number;
  switch (description->kind) {
  case IS_BOOL: buffer_append_text(out, *(const bool *)place ? "true" : "false"); break;
  case IS_TEXT: jsontext_write_string(out, place, strlen(place)); break;
  default:
    memcpy(&number, place, sizeof number);
    if (description->kind == IS_CHOICE)
      buffer_format(out, "\"%s\"", description->choices[number]);
    else
      jsontext_write_integer(out, number);
  }
}

void switches_write(const struct switches *switches, struct buffer *out)
{
  for (size_t i = 0; i < COUNT; i++) {
    buffer_format(out, "%c\"%s\":", i ? ',' : '{', descriptions[i].name);
    write_value(switches, &descriptions[i], out);
  }
  buffer_append_char(out, '}');
}
