#include "events.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { ALIVE_MS = 15 * 1000 };

struct watcher {
  struct events *events;
  struct watcher *next;
  struct http_stream *stream;
  char *endpoint_id; /* or NULL: all */
};

struct events {
  struct timers *timers;
  struct watcher *first;
};

static void write_all(struct events *events, const char *text)
{
  for (struct watcher *watcher = events->first; watcher; watcher = watcher->next)
    http_stream_write(watcher->stream, text, strlen(text));
}

/* Proxies and browsers keep the connection, and we find out who has gone. */
static void say_alive(void *context)
{
  struct events *events = context;
  write_all(events, ": alive\n\n");
  timers_add(events->timers, ALIVE_MS, say_alive, NULL, events);
}

struct events *events_create(struct timers *timers)
{
  struct events *events = memory_zeroed(1, sizeof *events);
  events->timers = timers;
  timers_add(timers, ALIVE_MS, say_alive, NULL, events);
  return events;
}

void events_destroy(struct events *events)
{
  free(events);
}

static void forget(void *context)
{
  struct watcher *watcher = context;
  struct watcher **place = &watcher->events->first;
  while (*place != watcher)
    place = &(*place)->next;
  *place = watcher->next;
  free(watcher->endpoint_id);
  free(watcher);
}

void events_watch(struct events *events, struct http_request *request, const char *endpoint_id)
{
  struct watcher *watcher = memory_zeroed(1, sizeof *watcher);
  watcher->events = events;
  watcher->endpoint_id = memory_text(endpoint_id);
  watcher->next = events->first;
  events->first = watcher;
  http_add_header(request, "Cache-Control", "no-store");
  watcher->stream = http_stream(request, "text/event-stream", forget, watcher);
  static const char opening[] = "retry: 1000\n\n";
  http_stream_write(watcher->stream, opening, strlen(opening));
}

void events_send(struct events *events, const char *endpoint_id, const char *name,
                 const char *json)
{
  char *text = memory_format("event: %s\ndata: %s\n\n", name, json);
  bool is_for_all = !strcmp(name, "endpoint");
  for (struct watcher *watcher = events->first; watcher; watcher = watcher->next)
    if (is_for_all || !watcher->endpoint_id || !strcmp(watcher->endpoint_id, endpoint_id))
      http_stream_write(watcher->stream, text, strlen(text));
  free(text);
}
