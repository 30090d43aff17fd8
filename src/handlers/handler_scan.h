/* When the handler directories are looked at: shortly after an event told of something,
 * when something that waits is due, and periodically, as events are only hints. Part of the
 * table of handlers (handlers/handler.h).
 *
 *   handler_scan_create → handler_scan_now at start → … → handler_scan_stop
 *   → handler_scan_destroy */
#ifndef KAALUA_HANDLERS_HANDLER_SCAN_H
#define KAALUA_HANDLERS_HANDLER_SCAN_H

#include <stdbool.h>

struct handlers;
struct handler_scan;

/* Returns owned; looks at nothing yet. */
struct handler_scan *handler_scan_create(struct handlers *handlers);
void handler_scan_destroy(struct handler_scan *scan);

/* Has the directories looked at in the next turn of the loop; `at_once`: what is there is taken
 * though nothing told of it, and what is away is removed. What is being written is not taken. */
void handler_scan_now(struct handler_scan *scan, bool at_once);

/* The same, within this call. */
void handler_scan_look(struct handler_scan *scan);

/* No more looks. */
void handler_scan_stop(struct handler_scan *scan);

#endif
