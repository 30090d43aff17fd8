/* What rest.c and rest_history.c share. */
#ifndef KAA_LOCAL_REST_STATE_H
#define KAA_LOCAL_REST_STATE_H

#include "rest.h"

struct waiter;

struct rest {
  struct service *service;
  struct timers *timers;
  const char *app_version;
  struct waiter *waiters;
};

/* GET endpoints/commands: the history of endpoints. */
void rest_history(struct rest *rest, struct http_request *request);

/* POST endpoints/commands/last: the newest of each type. */
void rest_history_last(struct rest *rest, struct http_request *request);

/* GET endpoints/commands/<application>: the history of all, by pages. */
void rest_history_pages(struct rest *rest, struct http_request *request, const char *application);

#endif
