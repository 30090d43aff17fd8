/* What the core tells of itself, as lines of the log. */
#ifndef KAALUA_HOST_NOTES_H
#define KAALUA_HOST_NOTES_H

#include "core/core.h"

/* Has the form of core_ports.note; the context is not used. */
void notes_log(void *context, enum core_note note, const char *endpoint, const char *type,
               int64_t id, const char *detail);

#endif
