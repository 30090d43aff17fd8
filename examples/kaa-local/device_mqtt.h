/* The device's side over MQTT: what the link brings, and what goes out over it. */
#ifndef KAA_LOCAL_DEVICE_MQTT_H
#define KAA_LOCAL_DEVICE_MQTT_H

#include "link.h"
#include "service.h"
#include "switches.h"
#include "timers.h"

struct device_mqtt {
  struct service *service; /* all borrowed */
  const struct switches *switches;
  struct timers *timers;
  struct link *link;
};

/* Carries out what a device has published, and answers it on …/status or …/error: a success of
 * zero length only where there is a request id (1/KP). */
void device_mqtt_take(struct device_mqtt *mqtt, uint64_t connection, int qos, const char *topic,
                      const char *payload, size_t size);

/* Sends a message, as late as delay_ms says. All borrowed for the call. */
void device_mqtt_push(struct device_mqtt *mqtt, uint64_t connection, const char *topic,
                      const char *payload, size_t size);

#endif
