/* Commands that outlive the host: what they keep for their resume, and the restart that
 * they wait for. Private to src/core. */
#ifndef KAALUA_CORE_RESUME_H
#define KAALUA_CORE_RESUME_H

#include "core/life.h"

#define RESUME_INTERRUPTED "Interrupted: the outcome is unknown"

/* SAVE is durable. Takes what `saved` owns. */
void resume_saved(struct core *core, struct command_life *life, struct command_saved *saved);

/* WAIT is durable, or was when the host ended: its time runs, until life.until_ms. */
void resume_waits(struct core *core, struct command_life *life);

/* A command that is not at work, or whose worker is gone, is answered by the core.
 * Takes `reason`. */
void resume_end(struct core *core, struct command_life *life, int status, char *reason);

#endif
