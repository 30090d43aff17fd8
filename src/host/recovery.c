#include "host/recovery.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "supervision/sound.h"

#include <search.h>
#include <stdlib.h>

/* What the files say of one sequence. */
struct finding {
  int64_t sequence; /* first: the tree compares by it */
  bool is_finished; /* else it was begun last */
  bool waits;
  struct command_result result;
};

struct recovery {
  struct core *core;
  const struct journal_start *found;
  bool is_read_only;
  bool is_all_known; /* what no file names had not begun */
  void *findings;
  int64_t *staying; /* sequences of commands that were running and stay in the journal so */
  size_t staying_count;
  size_t interrupted;
};

static int compare(const void *a, const void *b)
{
  const struct finding *left = a, *right = b;
  return (left->sequence > right->sequence) - (left->sequence < right->sequence);
}

static struct finding *find(struct recovery *recovery, int64_t sequence)
{
  struct finding wanted = {.sequence = sequence};
  struct finding **node = tfind(&wanted, &recovery->findings, compare);
  return node ? *node : NULL;
}

static struct finding *find_or_add(struct recovery *recovery, int64_t sequence)
{
  struct finding *finding = find(recovery, sequence);
  if (finding)
    return finding;
  finding = memory_zeroed(1, sizeof *finding);
  finding->sequence = sequence;
  tsearch(finding, &recovery->findings, compare);
  return finding;
}

static void on_begun(void *context, int64_t sequence)
{
  find_or_add(context, sequence);
}

static void on_finished(void *context, const struct marks_result *said)
{
  struct command_result result = {
      .status = said->status,
      .reason = memory_text(said->reason),
      .payload = said->payload ? memory_copied(said->payload, said->payload_bytes) : NULL,
      .payload_bytes = said->payload_bytes,
  };
  struct finding *finding = find_or_add(context, said->sequence);
  if (finding->is_finished || !sound_result(&result)) {
    command_result_clear(&result);
    return;
  }
  finding->is_finished = true;
  finding->waits = said->waits != 0;
  finding->result = result;
}

static void free_finding(void *node)
{
  struct finding *finding = node;
  command_result_clear(&finding->result);
  free(finding);
}

static enum core_evidence judge(const struct recovery *recovery, const struct finding *finding)
{
  if (recovery->found->is_new_boot || recovery->found->is_lost)
    return CORE_BEGUN;
  if (!finding)
    return recovery->is_all_known ? CORE_NOT_BEGUN : CORE_BEGUN;
  return finding->is_finished ? CORE_FINISHED : CORE_BEGUN;
}

/* Returns whether it was taken. */
static bool restore(struct recovery *recovery, const struct storage_row *row,
                    enum core_evidence evidence, struct command_result *result)
{
  int rc = core_restore(recovery->core, row, evidence, result, recovery->found->is_new_boot,
                        clock_boot_ms(), clock_monotonic_ms());
  if (rc < 0)
    log_warn(row->type, "stays in the journal: its endpoint is not configured", "id",
             LOG_NUMBER(row->id), "endpoint", LOG_TOKEN(row->endpoint));
  return rc == 0;
}

static void stay(struct recovery *recovery, int64_t sequence)
{
  recovery->staying = memory_resized(recovery->staying,
                                     (recovery->staying_count + 1) * sizeof *recovery->staying);
  recovery->staying[recovery->staying_count++] = sequence;
}

static void restore_running(struct recovery *recovery, const struct storage_row *row)
{
  struct finding *finding = find(recovery, row->sequence);
  enum core_evidence evidence = judge(recovery, finding);
  bool waits = evidence == CORE_FINISHED && finding->waits;
  struct storage_row waiting = *row;
  waiting.state = COMMAND_WAITING;
  if (waits && !(row->has_saved && row->saved.restart != COMMAND_NO_RESTART)) {
    waits = false;
    evidence = CORE_BEGUN; /* what it says to wait for was never asked for */
  }
  if (restore(recovery, waits ? &waiting : row, evidence,
              evidence == CORE_FINISHED && !waits ? &finding->result : NULL))
    recovery->interrupted += evidence == CORE_BEGUN;
  else
    stay(recovery, row->sequence);
}

static void on_row(void *context, const struct storage_row *row)
{
  struct recovery *recovery = context;
  if (recovery->is_read_only && row->state != COMMAND_DONE)
    return;
  if (row->state == COMMAND_RUNNING)
    restore_running(recovery, row);
  else
    restore(recovery, row, CORE_NOT_BEGUN, NULL);
}

static void on_message(void *context, const struct storage_message *message)
{
  struct recovery *recovery = context;
  core_restore_message(recovery->core, message);
}

static void on_listed(void *context, const char *endpoint, const char *type)
{
  struct recovery *recovery = context;
  core_restore_listed(recovery->core, endpoint, type);
}

static void log_summary(const struct recovery *recovery)
{
  struct core_counts counts;
  core_get_counts(recovery->core, &counts);
  if (counts.done || counts.queued || counts.waiting || recovery->interrupted)
    log_info("agent", "restored", "done", LOG_NUMBER(counts.done), "queued",
             LOG_NUMBER(counts.queued), "held", LOG_NUMBER(counts.held), "interrupted",
             LOG_NUMBER(recovery->interrupted), "waiting", LOG_NUMBER(counts.waiting));
  if (*recovery->found->set_aside && recovery->found->is_missing)
    log_error("journal", "the journal is missing: what could be read of one that was set aside "
              "earlier is taken over", "file", recovery->found->set_aside, "reason",
              recovery->found->why);
  else if (*recovery->found->set_aside)
    log_error("journal", "damaged: set aside, what could be read of it is taken over", "file",
              recovery->found->set_aside, "reason", recovery->found->why);
  else if (*recovery->found->why && recovery->is_read_only)
    log_error("journal", "damaged: what it holds is not reported", "reason", recovery->found->why);
  else if (*recovery->found->why)
    log_error("journal", "the journal is missing: no result of before is reported any more, and what "
              "each type lists first is not run but answered 500", "reason", recovery->found->why);
}

static void read_marks(struct recovery *recovery, struct marks_files *marks)
{
  int rc = marks_files_read(marks, on_finished, on_begun, recovery);
  recovery->is_all_known = rc == 0 && marks_files_were_there(marks);
}

void recovery_run(struct core *core, struct journal *journal, const struct journal_start *found,
                  struct marks_files *marks)
{
  struct recovery recovery = {.core = core, .found = found, .is_read_only = !marks};
  if (marks)
    read_marks(&recovery, marks);
  journal_each_command(journal, on_row, &recovery);
  journal_each_message(journal, on_message, &recovery);
  journal_each_listed(journal, on_listed, &recovery);
  log_summary(&recovery);
  tdestroy(recovery.findings, free_finding);
  if (marks)
    marks_files_keep(marks, recovery.staying, recovery.staying_count);
  free(recovery.staying);
}
