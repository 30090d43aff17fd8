/* What the core has to tell of itself, kept until the port note may be called.
 * Private to src/core. */
#ifndef KAALUA_CORE_NOTES_H
#define KAALUA_CORE_NOTES_H

#include "core/core.h"

#include <sys/queue.h>

enum { NOTES_MAX = 1000 }; /* past that they are counted by the counters only */

struct note;
TAILQ_HEAD(note_list, note);

struct notes {
  struct note_list list;
  size_t count;
};

void notes_init(struct notes *notes);
void notes_clear(struct notes *notes);

/* Keeps a note. Copies the texts; `endpoint` and `type` may be NULL. */
void notes_add(struct core *core, enum core_note what, const char *endpoint, const char *type,
               int64_t id, const char *format, ...) __attribute__((format(printf, 6, 7)));

/* Calls the port for what was kept. */
void notes_tell(struct core *core);

#endif
