/* A command as the operator sees it:
 *
 *   {"commandId":…,"commandType":"…","endpointId":"…","status":"PENDING|EXECUTED|EXPIRED",
 *    "statusCode":…,"reasonPhrase":…,"requestPayload":…,"responsePayload":…,
 *    "createdAt":"…","updatedAt":"…"}
 *
 * Status code and phrase are null while there are none; a payload that there is not
 * is left out, because null is a payload too. */
#ifndef KAA_LOCAL_DESCRIPTOR_H
#define KAA_LOCAL_DESCRIPTOR_H

#include "command_store.h"

#include "base/buffer.h"

void descriptor_write(struct buffer *out, const struct stored_command *command);

/* The path of the command's resource, owned. */
char *descriptor_location(const struct stored_command *command);

#endif
