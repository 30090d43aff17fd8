/* What a journal holds, read through its functions. */
#ifndef KAALUA_TESTS_POWER_READ_H
#define KAALUA_TESTS_POWER_READ_H

#include "journal_scene.h"
#include "power_state.h"

/* Reads what journal_open() tells and what was alive: between scene_try() and journal_start(). */
void power_read_start(struct scene *scene, struct power_state *state);

/* Adds what is over and what is stored: once the thread runs. */
void power_read_rest(struct scene *scene, struct power_state *state);

#endif
