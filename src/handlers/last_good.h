/* The last good version of each handler, kept under the state directory across restarts: in
 * `versions/TYPE.version` what its file held when it was taken into service (supervision/version_file.h),
 * in `versions/TYPE.since` since when that file is faulty.
 *
 * Files are written and removed in a thread of its own that lives as long as there is something
 * to write: a slow disk keeps no command waiting. Of several versions of one type that come
 * meanwhile only the last is written, and only where it differs from what is there. What cannot
 * be written is said once; service goes on. Everything here is called from the loop's thread.
 *
 *   last_good_create → last_good_types, last_good_read (at the start) → last_good_keep,
 *   last_good_set_since, last_good_forget … → last_good_destroy
 *
 * NULL in place of a store is fine: nothing is kept. */
#ifndef KAALUA_HANDLERS_LAST_GOOD_H
#define KAALUA_HANDLERS_LAST_GOOD_H

#include "supervision/version.h"

#include <stdbool.h>
#include <stdint.h>

struct last_good;

/* Touches nothing. What could not be written is tried again after `repeat_ms`; 0: 60,000. Returns
 * owned. */
struct last_good *last_good_create(const char *state_directory, int64_t repeat_ms);

/* Waits until all is written, for at most 5 s. */
void last_good_destroy(struct last_good *store);

/* The types of which there is a version, ended by NULL; the caller frees each and the array.
 * Removes what an interrupted write left. */
char **last_good_types(struct last_good *store);

/* Whether there is a version of the type. */
bool last_good_has(struct last_good *store, const char *type);

/* Returns the version with one reference, and in *since_ms (wall clock) since when its file is
 * faulty, 0 where that is not known. NULL where there is none; one that is damaged, or that others
 * could have written, counts as none and is logged. */
struct version *last_good_read(struct last_good *store, const char *type, int64_t *since_ms);

/* The version is in service, and its file is good. Copies what it needs. */
void last_good_keep(struct last_good *store, const struct version *version);

/* The file of the version is faulty since then (wall clock). */
void last_good_set_since(struct last_good *store, const char *type, int64_t since_ms);

/* The file of the type is gone. */
void last_good_forget(struct last_good *store, const char *type);

/* True where something could not be written and the time for another try has come, counted from
 * the first call of this that follows: last_good_keep() is to be called again for all that are in
 * service. */
bool last_good_is_to_be_repeated(struct last_good *store);

#endif
