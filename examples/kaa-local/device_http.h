/* The device's side over HTTP: POST /kp1/<app version>/<extension>/<token>/<resource>. */
#ifndef KAA_LOCAL_DEVICE_HTTP_H
#define KAA_LOCAL_DEVICE_HTTP_H

#include "http.h"
#include "service.h"
#include "switches.h"
#include "timers.h"

#define DEVICE_HTTP_ROOT "/kp1/"

/* Answers a request whose path begins with DEVICE_HTTP_ROOT, at once or after delay_ms. */
void device_http_handle(struct service *service, const struct switches *switches,
                        struct timers *timers, struct http_request *request);

#endif
