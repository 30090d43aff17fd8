/* Variables of the environment that make a program run other code than its own: a grant of
 * single programs is for these as they are. */
#ifndef KAALUA_BASE_CODE_VARIABLE_H
#define KAALUA_BASE_CODE_VARIABLE_H

#include <stdbool.h>

/* `entry` is "NAME" or "NAME=value". The dynamic linker's, those of libc, of shells and of
 * interpreters (ld.so(8), environ(7), and each one's manual). */
bool code_variable_is(const char *entry);

#endif
