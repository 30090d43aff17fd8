/* Who may write a handler decides what the device does: files and directories that others
 * can write are refused. */
#ifndef KAALUA_HANDLERS_TRUST_H
#define KAALUA_HANDLERS_TRUST_H

#include <sys/stat.h>

/* Why a file or directory is refused, with the command that mends it; returns owned, or NULL.
 * It must belong to root or to the agent's user; be writable by nobody else, and by a group
 * only where that is root's or the agent's user's own (of the same number). */
char *trust_refusal(const char *path, const struct stat *status);

/* The same for the name itself where it is a symbolic link: who owns the link may lead it
 * elsewhere. What it leads to is checked for itself. */
char *trust_link_refusal(const char *path);

#endif
