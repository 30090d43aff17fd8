/* Server-sent events: what happens, told to the pages that watch. */
#ifndef KAA_LOCAL_EVENTS_H
#define KAA_LOCAL_EVENTS_H

#include "http.h"
#include "timers.h"

struct events;

/* `timers` is borrowed; it is to be destroyed later. */
struct events *events_create(struct timers *timers);

/* To be called when no stream is left, that is, after http_stop(). */
void events_destroy(struct events *events); /* NULL: nothing */

/* Answers the request with a stream of the events of one endpoint (NULL: of all); how
 * endpoints are connected is told of all of them. */
void events_watch(struct events *events, struct http_request *request, const char *endpoint_id);

/* Sends one event; `json` is one line. */
void events_send(struct events *events, const char *endpoint_id, const char *name,
                 const char *json);

#endif
