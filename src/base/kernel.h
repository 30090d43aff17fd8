/* What the running kernel offers for confining processes; asked of the kernel itself,
 * as a container may withhold what its version has. */
#ifndef KAALUA_BASE_KERNEL_H
#define KAALUA_BASE_KERNEL_H

#include <stdbool.h>

/* Landlock's ABI, from 1; or a negative errno: -ENOSYS (not built in), -EOPNOTSUPP
 * (switched off at boot), -EPERM (withheld). */
int kernel_landlock_abi(void);

/* Whether seccomp takes filters that refuse a system call with an errno. */
bool kernel_has_seccomp(void);

#endif
