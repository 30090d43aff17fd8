#include "peer.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LEVELS = 8 };

/* kp1/A/cex/T/result/TYPE/ID and the like, cut into their levels. */
struct path {
  char text[1024];
  const char *levels[MAX_LEVELS];
  size_t count; /* 0 where there are more, or too much text */
};

static void cut(struct path *path, const char *topic)
{
  path->count = 0;
  if ((size_t)snprintf(path->text, sizeof path->text, "%s", topic) >= sizeof path->text)
    return;
  size_t count = 0;
  char *rest = path->text;
  for (char *level; (level = strsep(&rest, "/"));) {
    if (count == MAX_LEVELS)
      return;
    path->levels[count++] = level;
  }
  path->count = count;
}

static bool is_number(const char *text)
{
  return *text && !text[strspn(text, "0123456789")];
}

static bool is_cex(const struct path *path, const char *resource)
{
  return path->count == 7 && !strcmp(path->levels[2], "cex") &&
         !strcmp(path->levels[4], resource) && is_number(path->levels[6]);
}

static bool is_telemetry(const struct path *path)
{
  if (path->count < 6 || !is_number(path->levels[path->count - 1]))
    return false;
  return (path->count == 6 && !strcmp(path->levels[2], "dcx")) ||
         (path->count == 7 && !strcmp(path->levels[2], "epmx"));
}

bool platform_switch(struct peer *peer, const char *name, bool is_on)
{
  const struct {
    const char *name;
    bool *place;
    const char *filters[2];
  } switches[] = {
      {"confirm", &peer->confirms, {"kp1/+/cex/+/result/+/+"}},
      {"replies", &peer->replies, {"kp1/+/cex/+/command/+/+"}},
      {"telemetry", &peer->takes_telemetry, {"kp1/+/dcx/+/json/+", "kp1/+/epmx/+/update/keys/+"}},
  };
  for (size_t i = 0; i < sizeof switches / sizeof *switches; i++) {
    if (strcmp(switches[i].name, name) != 0)
      continue;
    *switches[i].place = is_on;
    for (size_t f = 0; is_on && f < 2 && switches[i].filters[f]; f++)
      peer_subscribe(peer, switches[i].filters[f]);
    return true;
  }
  return false;
}

static void respond(struct peer *peer, const char *topic, const char *suffix, const char *body)
{
  struct buffer response = {0};
  buffer_format(&response, "%s/%s", topic, suffix);
  peer_publish(peer, buffer_text(&response), body, strlen(body), &(struct publishing){0});
  buffer_clear(&response);
}

static void refuse(struct peer *peer, const char *topic)
{
  struct buffer body = {0};
  buffer_format(&body, "{\"statusCode\":%d,\"reasonPhrase\":\"%s\"}", peer->refusal,
                peer->refusal_reason);
  respond(peer, topic, "error", buffer_text(&body));
  buffer_clear(&body);
}

static size_t occurrences(const char *text, const char *word)
{
  size_t count = 0;
  for (const char *at = text; (at = strstr(at, word)); at++)
    count++;
  return count;
}

void platform_answer(struct peer *peer, const char *topic, const char *payload)
{
  struct path path;
  cut(&path, topic);
  peer->message_count++;
  if (is_cex(&path, "result")) {
    peer->result_count += occurrences(payload, "\"statusCode\":");
    if (peer->refusal)
      refuse(peer, topic);
    else if (peer->confirms)
      respond(peer, topic, "status", "");
  } else if (is_cex(&path, "command") && peer->replies) {
    respond(peer, topic, "status", "[]");
  } else if (is_telemetry(&path) && peer->takes_telemetry) {
    respond(peer, topic, "status", "");
  }
}
