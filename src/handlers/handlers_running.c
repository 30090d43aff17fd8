#include "handlers/handlers_running.h"

#include "base/clock.h"
#include "base/log.h"
#include "handlers/handler.h"

#include <errno.h>
#include <string.h>

void handler_running_progress(void *context, struct worker *worker, const struct command *command,
                              double percent, const char *text)
{
  const struct handlers_ports *ports = &((struct handler *)context)->table->ports;
  (void)worker;
  if (ports->progress)
    ports->progress(ports->context, command, percent, text);
}

int handlers_cancel(struct handlers *handlers, const struct command_key *key, bool *begun)
{
  struct handler *handler = handler_find(handlers, key->type);
  struct crew_place *place;
  *begun = false;
  if (!handler)
    return -ENOENT;
  TAILQ_FOREACH(place, &handler->crew.places, link) {
    int rc = place->worker ? worker_cancel(place->worker, key, begun) : -ENOENT;
    if (rc != -ENOENT)
      return rc; /* the places may be others by then */
  }
  return -ENOENT;
}

static json_t *progress_of(const struct worker_running *running)
{
  if (!running->text)
    return NULL;
  json_t *progress = json_object();
  double percent = running->percent;
  bool is_whole = percent == (double)(int)percent;
  if (percent >= 0)
    json_object_set_new(progress, "percent",
                        is_whole ? json_integer((int)percent) : json_real(percent));
  if (*running->text)
    json_object_set_new(progress, "text", json_string(running->text));
  return progress;
}

json_t *handlers_progress(const struct handlers *handlers, const struct command_key *key)
{
  const struct handler *handler = handler_find(handlers, key->type);
  const struct crew_place *place;
  struct worker_running running;
  if (!handler)
    return NULL;
  TAILQ_FOREACH(place, &handler->crew.places, link)
    if (place->worker && worker_get_running(place->worker, &running) &&
        !command_key_compare(&running.command->key, key))
      return progress_of(&running);
  return NULL;
}

static json_t *entry_of(const struct worker_running *running)
{
  const struct command_key *key = &running->command->key;
  json_int_t for_s = (clock_monotonic_ms() - running->began_ms) / 1000;
  json_t *entry = json_pack("{s:s,s:I,s:s,s:I,s:o*}", "type", key->type, "id", (json_int_t)key->id,
                            "endpoint", LOG_TOKEN(key->endpoint), "for_s",
                            for_s, "progress", progress_of(running));
  if (running->is_cancelled)
    json_object_set_new(entry, "cancelled", json_true());
  return entry;
}

json_t *handlers_running(const struct handlers *handlers, size_t most, size_t *more)
{
  json_t *all = json_array();
  const struct handler *handler;
  *more = 0;
  TAILQ_FOREACH(handler, &handlers->all, link) {
    const struct crew_place *place;
    struct worker_running running;
    TAILQ_FOREACH(place, &handler->crew.places, link) {
      if (!place->worker || !worker_get_running(place->worker, &running))
        continue;
      if (json_array_size(all) < most)
        json_array_append_new(all, entry_of(&running));
      else
        ++*more;
    }
  }
  return all;
}
