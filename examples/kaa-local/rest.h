/* The operator's side: Kaa's command REST API under /cex/api/v1. */
#ifndef KAA_LOCAL_REST_H
#define KAA_LOCAL_REST_H

#include "http.h"
#include "service.h"
#include "timers.h"

#define REST_ROOT "/cex/api/v1/"

struct rest;

/* All borrowed; `timers` is to be destroyed later. */
struct rest *rest_create(struct service *service, struct timers *timers, const char *app_version);

/* To be called when no request rests any more, that is, after http_stop(). */
void rest_destroy(struct rest *rest); /* NULL: nothing */

/* Answers a request whose path begins with REST_ROOT, at once or when its command is settled. */
void rest_handle(struct rest *rest, struct http_request *request);

/* A command is no longer pending, or no longer there: who waits for it is answered. */
void rest_settled(struct rest *rest, const struct stored_command *command, bool is_deleted);

#endif
