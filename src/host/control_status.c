#include "host/control_status.h"

#include "base/clock.h"
#include "base/jsontext.h"
#include "base/memory.h"
#include "handlers/handlers_report.h"
#include "handlers/handlers_running.h"
#include "base/plain_text.h"
#include "supervision/confinement.h"

#include <stdlib.h>
#include <unistd.h>

enum { RUNNING_MAX = 50 };

static json_t *count(size_t number)
{
  return json_integer((json_int_t)number);
}

static json_t *connection(const struct control_sources *sources, int64_t started_ms, int64_t now_ms)
{
  const struct wire *wire = sources->wire;
  char since[CLOCK_STAMP_BYTES];
  int64_t for_ms = now_ms - (wire->changed_ms ? wire->changed_ms : started_ms);
  clock_stamp(clock_wall_ms() - for_ms, since);
  return json_pack("{s:b,s:s,s:I,s:o,s:o*}", "connected", wire->is_connected, "since", since, "for_s",
                   (json_int_t)(for_ms / 1000), "url", plain_text(sources->config->url), "reason",
                   plain_text(wire->reason));
}

static json_t *commands(const struct core_counts *counts)
{
  return json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}", "received", count(counts->received), "queued",
                   count(counts->queued), "held", count(counts->held), "running",
                   count(counts->running), "waiting", count(counts->waiting), "done",
                   count(counts->done));
}

static json_t *since_start(const struct core_counts *counts)
{
  return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "accepted", (json_int_t)counts->accepted,
                   "answered", (json_int_t)counts->answered, "confirmed",
                   (json_int_t)counts->confirmed, "refused", (json_int_t)counts->refused, "repeats",
                   (json_int_t)counts->repeats, "left", (json_int_t)counts->left, "dropped",
                   (json_int_t)counts->dropped, "malformed", (json_int_t)counts->malformed);
}

static json_t *outbox(const struct core_counts *counts)
{
  return json_pack("{s:{s:o,s:I},s:{s:o,s:I}}", "telemetry", "waiting",
                   count(counts->telemetry_waiting), "dropped",
                   (json_int_t)counts->telemetry_dropped, "metadata", "waiting",
                   count(counts->metadata_waiting), "dropped", (json_int_t)counts->metadata_dropped);
}

static json_t *journal(const struct control_sources *sources)
{
  json_t *numbers = journal_numbers(sources->journal);
  if (sources->found.set_aside[0])
    json_object_set_new(numbers, "set_aside", plain_text(sources->found.set_aside));
  if (sources->found.why[0])
    json_object_set_new(numbers, "why", plain_text(sources->found.why));
  return numbers;
}

static void add(json_t *all, char *text)
{
  json_array_append_new(all, plain_text(text));
  free(text);
}

/* What the start found wrong with the journal; returns owned, NULL for nothing. */
static char *damage(const struct journal_start *found)
{
  if (!found->why[0])
    return NULL;
  if (found->is_missing && found->set_aside[0])
    return memory_format("journal: was missing at the start; what could be read of %s, set aside "
                         "earlier, is taken over", found->set_aside);
  if (found->is_missing)
    return memory_text("journal: was missing at the start: what was not confirmed before is lost");
  if (found->set_aside[0])
    return memory_format("journal: was damaged at the start (%s), set aside as %s", found->why,
                         found->set_aside);
  return memory_format("journal: was damaged at the start (%s): what it holds is not reported",
                       found->why);
}

/* What somebody should look at, each in a line. */
static json_t *faults(const struct control_sources *sources, const json_t *handlers)
{
  json_t *all = json_array();
  enum journal_condition condition = journal_condition(sources->journal);
  if (condition == JOURNAL_FULL)
    add(all, memory_text("journal: the disk is full: no command is accepted"));
  if (condition == JOURNAL_READ_ONLY)
    add(all, memory_text(sources->found.is_full
                             ? "journal: the disk is full: nothing runs"
                             : "journal: the file system is read-only: nothing runs"));
  char *found = damage(&sources->found);
  if (found)
    add(all, found);
  json_t *directories = json_object_get(handlers, "directories");
  if (directories)
    json_array_append(all, directories);
  size_t i;
  json_t *each;
  json_array_foreach(json_object_get(handlers, "faulty"), i, each)
    add(all, memory_format("handler %s: %s", json_string_value(json_object_get(each, "type")),
                           json_string_value(json_object_get(each, "fault"))));
  return all;
}

json_t *control_status(const struct control_sources *sources, int64_t started_ms)
{
  int64_t now_ms = clock_monotonic_ms();
  struct core_counts counts;
  core_get_counts(sources->core, &counts);
  json_t *handlers = handlers_report(sources->handlers);
  json_t *problems = faults(sources, handlers);
  size_t more;
  json_t *running = handlers_running(sources->handlers, RUNNING_MAX, &more);
  json_t *status = json_pack("{s:s,s:i,s:I,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o}", "version",
                   KAALUA_VERSION, "pid", (int)getpid(), "uptime_s", (json_int_t)((now_ms - started_ms) / 1000),
                   "state", plain_text(sources->config->state), "connection",
                   connection(sources, started_ms, now_ms), "endpoints", count(sources->config->token_count), "handlers", handlers,
                   "commands", commands(&counts), "running", running,
                   "since_start", since_start(&counts), "outbox",
                   outbox(&counts), "journal", journal(sources), "faults", problems);
  json_object_set_new(status, "confinement", confinement_report(sources->workplace));
  return status;
}

static size_t size_of(const json_t *document)
{
  struct buffer text = {0};
  jsontext_write(&text, document);
  size_t size = text.size_bytes;
  buffer_clear(&text);
  return size;
}

/* Halves an array. Returns how many went. */
static size_t shorten(json_t *array)
{
  size_t count = json_array_size(array), kept = count / 2;
  for (size_t i = count; i > kept; i--)
    json_array_remove(array, i - 1);
  return count - kept;
}

json_t *control_status_bounded(const struct control_sources *sources, int64_t started_ms,
                               size_t most_bytes)
{
  json_t *document = control_status(sources, started_ms);
  json_t *lists[] = {json_object_get(json_object_get(document, "handlers"), "faulty"),
                     json_object_get(document, "faults"), json_object_get(document, "running")};
  size_t left_out = 0, gone = 1;
  while (gone && size_of(document) > most_bytes) {
    gone = 0;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
      gone += shorten(lists[i]);
    left_out += gone;
    json_object_set_new(document, "left_out", json_integer((json_int_t)left_out));
  }
  return document;
}
