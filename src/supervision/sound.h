/* Whether what a worker says may go on to the platform. A worker runs code of
 * others, and what it says goes into messages with what others say: what is not
 * well-formed stops here. Pure. */
#ifndef KAALUA_SUPERVISION_SOUND_H
#define KAALUA_SUPERVISION_SOUND_H

#include "core/command.h"

#include <stdbool.h>
#include <stddef.h>

/* Status, reason and payload are what 11/CEP and the agent's limits allow. */
bool sound_result(const struct command_result *result);

/* A JSON array of at least one object. */
bool sound_samples(const char *text, size_t size);

/* A JSON object with at least one key, all of 10/EPMP's form. */
bool sound_metadata(const char *text, size_t size);

#endif
