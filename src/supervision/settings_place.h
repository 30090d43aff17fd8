/* Where a setting that does not fit its handler was written: in the configuration. */
#ifndef KAALUA_SUPERVISION_SETTINGS_PLACE_H
#define KAALUA_SUPERVISION_SETTINGS_PLACE_H

#include <jansson.h>

/* Gives the faults of a WORKER_LOADED report that name a setting the file (an absolute path, which
 * no chunk's name is), line, column and source line of the configuration. `places` is struct
 * config's; NULL: they stay as they are. */
void settings_place(json_t *report, const json_t *places);

#endif
