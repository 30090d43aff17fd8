/* What becomes of results that were sent: the platform's answers, its silence,
 * the broker's word. Private to src/core. */
#ifndef KAALUA_CORE_VERDICT_H
#define KAALUA_CORE_VERDICT_H

#include "core/deadline.h"
#include "core/life.h"

#include <stdbool.h>

/* `status` 0: the platform has the results; else its error. */
void verdict_answered(struct core *core, const char *endpoint, const char *type,
                      uint32_t request_id, int status, const char *reason);

/* The results of this array wait at least so long, if they are to be sent again. */
void verdict_hold(struct core *core, uint32_t request_id, int64_t wait_ms);

/* The broker has the message; returns whether it was a result array. */
bool verdict_published(struct core *core, uint32_t request_id);

/* A report's deadline: no answer came. */
void verdict_silence(struct core *core, struct deadline *deadline);

/* A stored answer has had its turn. */
void verdict_drop_answer(struct core *core, struct command_life *life);

#endif
