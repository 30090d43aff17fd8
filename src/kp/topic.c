#include "kp/topic.h"

#include "kp/name.h"

#include <stdint.h>
#include <string.h>

static const struct {
  const char *path;
  bool has_type;
} kinds[] = {
    [TOPIC_COMMAND] = {"command", true},
    [TOPIC_RESULT] = {"result", true},
    [TOPIC_TELEMETRY] = {"json", false},
    [TOPIC_METADATA] = {"update/keys", false},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static const char *instance_of(const struct topic_scheme *scheme, enum topic_kind kind)
{
  switch (kind) {
  case TOPIC_TELEMETRY: return scheme->dcx;
  case TOPIC_METADATA: return scheme->epmx;
  default: return scheme->cex;
  }
}

static void write_path(struct buffer *out, const struct topic_scheme *scheme, enum topic_kind kind,
                       const char *token)
{
  const char *levels[] = {"kp1/", scheme->app_version, "/", instance_of(scheme, kind),
                          "/",    token,               "/", kinds[kind].path};
  for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
    buffer_append_text(out, levels[i]);
}

void topic_write(struct buffer *out, const struct topic_scheme *scheme, enum topic_kind kind,
                 const char *token, const char *type, uint32_t request_id)
{
  write_path(out, scheme, kind, token);
  if (kinds[kind].has_type) {
    buffer_append_char(out, '/');
    buffer_append_text(out, type);
  }
  if (request_id)
    buffer_format(out, "/%lu", (unsigned long)request_id);
}

struct level {
  const char *text;
  size_t size_bytes;
};

/* Takes the next level; `*rest` is NULL after the last one. */
static struct level take_level(const char **rest)
{
  if (!*rest)
    return (struct level){"", 0};
  const char *end = strchrnul(*rest, '/');
  struct level level = {*rest, (size_t)(end - *rest)};
  *rest = *end ? end + 1 : NULL;
  return level;
}

/* Passes over `path`, which may be several levels; something must follow it. */
static bool take_path(const char **rest, const char *path)
{
  size_t size = strlen(path);
  if (!*rest || strncmp(*rest, path, size) || (*rest)[size] != '/')
    return false;
  *rest += size + 1;
  return true;
}

static bool level_is(const struct level *level, const char *word)
{
  return level->size_bytes == strlen(word) && !memcmp(level->text, word, level->size_bytes);
}

/* The platform carries request ids as signed 32 bit: a larger number was never ours. */
static bool read_request_id(const struct level *level, uint32_t *id)
{
  uint32_t number = 0;
  for (size_t i = 0; i < level->size_bytes; i++) {
    char c = level->text[i];
    if (c < '0' || c > '9')
      return false;
    uint32_t digit = (uint32_t)(c - '0');
    if (number > (INT32_MAX - digit) / 10)
      return false;
    number = number * 10 + digit;
  }
  *id = number;
  return level->size_bytes > 0;
}

/* Reads what follows the path: [/<type>][/<request id>](/status|/error). */
static bool read_tail(const char *rest, bool has_type, struct topic_response *response)
{
  if (has_type) {
    struct level type = take_level(&rest);
    if (!name_is_type(type.text, type.size_bytes))
      return false;
    response->type = type.text;
    response->type_bytes = type.size_bytes;
  }
  struct level last = take_level(&rest);
  if (read_request_id(&last, &response->request_id))
    last = take_level(&rest);
  response->is_error = level_is(&last, "error");
  return !rest && (response->is_error || level_is(&last, "status"));
}

bool topic_read(const struct topic_scheme *scheme, const char *topic,
                struct topic_response *response)
{
  const char *own = topic;
  if (!take_path(&own, "kp1") || !take_path(&own, scheme->app_version))
    return false;
  for (int i = 0; i < KINDS; i++) {
    enum topic_kind kind = (enum topic_kind)i;
    const char *rest = own;
    if (!take_path(&rest, instance_of(scheme, kind)))
      continue;
    struct level token = take_level(&rest);
    if (!name_is_level(token.text, token.size_bytes) || !take_path(&rest, kinds[kind].path))
      continue;
    *response = (struct topic_response){
        .kind = kind, .token = token.text, .token_bytes = token.size_bytes};
    return read_tail(rest, kinds[kind].has_type, response);
  }
  return false;
}

void topic_filter(struct buffer *out, const struct topic_scheme *scheme, const char *token, int n)
{
  static const struct {
    enum topic_kind kind;
    const char *tail;
  } filters[TOPIC_FILTERS] = {
      {TOPIC_COMMAND, "/+/status"},   {TOPIC_COMMAND, "/+/+/status"},
      {TOPIC_COMMAND, "/+/error"},    {TOPIC_COMMAND, "/+/+/error"},
      {TOPIC_RESULT, "/+/status"},    {TOPIC_RESULT, "/+/+/status"},
      {TOPIC_RESULT, "/+/error"},     {TOPIC_RESULT, "/+/+/error"},
      {TOPIC_TELEMETRY, "/+/status"}, {TOPIC_TELEMETRY, "/+/error"},
      {TOPIC_METADATA, "/+/status"},  {TOPIC_METADATA, "/+/error"},
  };
  write_path(out, scheme, filters[n].kind, token);
  buffer_append_text(out, filters[n].tail);
}
