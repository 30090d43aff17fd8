/* The extensions behind device.h: each carries out a request to a resource. `reply` is
 * prepared with 200 and no body. */
#ifndef KAA_LOCAL_DEVICE_EXTENSIONS_H
#define KAA_LOCAL_DEVICE_EXTENSIONS_H

#include "device.h"
#include "service_state.h"

/* Makes the reply an error. */
void device_refuse(struct device_reply *reply, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* 11/CEP: command/<type>, result/<type>. */
void device_cex(struct service *service, struct endpoint *endpoint, const char *resource,
                const struct device_request *request, struct device_reply *reply);

/* 2/DCP: json, plain/<name>. */
void device_dcx(struct service *service, struct endpoint *endpoint, const char *resource,
                const struct device_request *request, struct device_reply *reply);

/* 10/EPMP: get, get/keys, update, update/keys, delete/keys. */
void device_epmx(struct service *service, struct endpoint *endpoint, const char *resource,
                 const struct device_request *request, struct device_reply *reply);

#endif
