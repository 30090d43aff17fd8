/* What the page needs beside Kaa's REST API, under /api; ours, not Kaa's. */
#ifndef KAA_LOCAL_API_H
#define KAA_LOCAL_API_H

#include "events.h"
#include "http.h"
#include "service.h"
#include "switches.h"

#define API_ROOT "/api/"

struct api {
  struct service *service; /* all borrowed */
  struct events *events;
  struct switches *switches;
  const char *app_version, *http_url, *mqtt_url;
  bool is_open;
  void (*switched)(void *context); /* called when switches have changed */
  void *context;
};

/* Answers a request whose path begins with API_ROOT. */
void api_handle(const struct api *api, struct http_request *request);

#endif
