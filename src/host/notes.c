#include "host/notes.h"

#include "base/log.h"

static const struct {
  enum log_level level;
  const char *event;
} lines[] = {
    [CORE_NOTE_MALFORMED] = {LOG_LEVEL_WARN, "malformed message, nothing of it was run"},
    [CORE_NOTE_REFUSED_ELEMENT] = {LOG_LEVEL_WARN, "malformed command, answered"},
    [CORE_NOTE_REPEAT] = {LOG_LEVEL_WARN, "repeated command, answered again and not run"},
    [CORE_NOTE_LEFT] = {LOG_LEVEL_WARN, "the queue is full: commands were left with the platform"},
    [CORE_NOTE_RESULT_REFUSED] = {LOG_LEVEL_ERROR, "the platform refused the result for good"},
    [CORE_NOTE_RESULT_RETRY] = {LOG_LEVEL_WARN, "result not confirmed, it is sent again"},
    [CORE_NOTE_TRUSTED] = {LOG_LEVEL_WARN, "the platform answers no results: taken at the broker's word"},
    [CORE_NOTE_REQUEST_ERROR] = {LOG_LEVEL_WARN, "a command request failed"},
    [CORE_NOTE_TELEMETRY_DROPPED] = {LOG_LEVEL_WARN, "telemetry dropped"},
    [CORE_NOTE_METADATA_DROPPED] = {LOG_LEVEL_WARN, "metadata dropped"},
    [CORE_NOTE_RESTORED] = {LOG_LEVEL_WARN, "alive when the agent ended"},
    [CORE_NOTE_DROPPED] = {LOG_LEVEL_WARN, "stale and not listed any more: not run"},
    [CORE_NOTE_LOST] = {LOG_LEVEL_WARN, "not run, answered: the journal was lost"},
};

void notes_log(void *context, enum core_note note, const char *endpoint, const char *type,
               int64_t id, const char *detail)
{
  (void)context;
  log_event(lines[note].level, "core", lines[note].event, "type", type ? type : "", "endpoint",
            endpoint && *endpoint ? LOG_TOKEN(endpoint) : "", "id", id ? LOG_NUMBER(id) : "",
            "detail", detail ? detail : "", (char *)0);
}
