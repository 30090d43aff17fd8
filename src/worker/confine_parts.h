/* What worker/confine.c is put together from; one file each. All return 0 or a negative
 * errno, and have no effect where they fail. */
#ifndef KAALUA_WORKER_CONFINE_PARTS_H
#define KAALUA_WORKER_CONFINE_PARTS_H

#include "worker/confine.h"

#include <stdint.h>

/* confine_identity.c: becomes "uid:gid,gid…"; NULL is fine. */
int confine_become(const char *ids);

/* confine_identity.c: gives up all capabilities but those over files. */
int confine_drop_capabilities(void);

/* confine_system_calls.c: installs the filter; 0 also where the kernel has none. */
int confine_refuse_system_calls(void);

/* confine_files.c: keeps away from other processes and from what no handler needs; 0 also
 * where the kernel has no Landlock. */
int confine_separate(void);

/* confine_files.c: from here on only what is granted is written. */
int confine_keep_files(struct confine_grant *grant);

/* confine_resources.c: core dumps, descriptors, locked memory, priorities; no file grows
 * until confine_let_files_grow(). */
int confine_limit_resources(void);
int confine_let_files_grow(void);

/* confine_resources.c: all memory, by the limit for Lua's; `for_good` it cannot be raised. */
int confine_limit_memory(int64_t memory_mib, bool for_good);

#endif
