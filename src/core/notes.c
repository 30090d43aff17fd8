#include "core/notes.h"

#include "base/memory.h"
#include "core/state.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { DETAIL_MAX_BYTES = 400 };

struct note {
  TAILQ_ENTRY(note) place;
  enum core_note what;
  char *endpoint;
  char *type;
  int64_t id;
  char detail[DETAIL_MAX_BYTES];
};

void notes_init(struct notes *notes)
{
  TAILQ_INIT(&notes->list);
}

static void destroy(struct note *note)
{
  free(note->endpoint);
  free(note->type);
  free(note);
}

static struct note *take(struct notes *notes)
{
  struct note *note = TAILQ_FIRST(&notes->list);
  if (note) {
    TAILQ_REMOVE(&notes->list, note, place);
    notes->count--;
  }
  return note;
}

void notes_clear(struct notes *notes)
{
  for (struct note *note; (note = take(notes));)
    destroy(note);
}

void notes_add(struct core *core, enum core_note what, const char *endpoint, const char *type,
               int64_t id, const char *format, ...)
{
  if (core->notes.count >= NOTES_MAX)
    return;
  struct note *note = memory_zeroed(1, sizeof *note);
  note->what = what;
  note->endpoint = memory_text(endpoint);
  note->type = memory_text(type);
  note->id = id;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(note->detail, sizeof note->detail, format, arguments);
  va_end(arguments);
  TAILQ_INSERT_TAIL(&core->notes.list, note, place);
  core->notes.count++;
}

void notes_tell(struct core *core)
{
  for (struct note *note; (note = take(&core->notes));) {
    core->ports.note(core->ports.context, note->what, note->endpoint, note->type, note->id,
                     note->detail);
    destroy(note);
  }
}
