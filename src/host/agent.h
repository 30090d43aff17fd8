/* The agent: core, handlers, transport and storage put together on one loop. */
#ifndef KAALUA_HOST_AGENT_H
#define KAALUA_HOST_AGENT_H

#include "host/config.h"
#include "supervision/workplace.h"

/* Runs until SIGTERM or SIGINT and then stops in order: nothing new starts,
 * what runs gets 10 s (none after a second signal), results get 2 s to be
 * confirmed. Returns the exit status: 0; 2 where the configuration cannot work;
 * 75 where it may work later (another agent has the state directory, …). */
int agent_run(const struct config *config, struct workplace *workplace);

#endif
