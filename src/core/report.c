#include "core/report.h"

#include "base/memory.h"
#include "core/state.h"
#include "core/verdict.h"
#include "kp/cep.h"

#include <search.h>
#include <stdlib.h>

enum { SCRATCH_KEPT_BYTES = 16 * 1024 };

static int compare(const void *a, const void *b)
{
  const struct report *left = a, *right = b;
  return left->request_id < right->request_id ? -1 : left->request_id > right->request_id;
}

void report_init(struct reports *reports)
{
  TAILQ_INIT(&reports->outstanding);
  TAILQ_INIT(&reports->silent);
  TAILQ_INIT(&reports->sending);
  TAILQ_INIT(&reports->unconfirmed);
  TAILQ_INIT(&reports->answers);
  TAILQ_INIT(&reports->suspects);
}

struct report *report_find(const struct core *core, uint32_t request_id)
{
  struct report wanted = {.request_id = request_id};
  struct report **node = tfind(&wanted, &core->reports.tree, compare);
  return node ? *node : NULL;
}

bool report_is_known(const struct core *core, uint32_t request_id)
{
  return report_find(core, request_id) != NULL;
}

struct command_life *report_member_life(struct core *core, const struct report *report, size_t i)
{
  struct command_key key = {.endpoint = report->endpoint->token,
                            .type = report->type->name,
                            .id = report->members[i].id};
  struct command_life *life = life_find(core, &key);
  return life && life->command.sequence == report->members[i].sequence ? life : NULL;
}

/* Requests of a transport that polls overtake each other. */
static unsigned max_outstanding(const struct core *core)
{
  return core->options.polls ? 1 : REPORT_MAX_OUTSTANDING;
}

/* A lane is listed while it has something to send and room for an array. */
static void list_lane(struct core *core, struct lane *lane)
{
  bool should = !TAILQ_EMPTY(&lane->ready) && lane->outstanding < max_outstanding(core);
  if (should && !lane->is_sending)
    TAILQ_INSERT_TAIL(&core->reports.sending, lane, sending);
  else if (!should && lane->is_sending)
    TAILQ_REMOVE(&core->reports.sending, lane, sending);
  lane->is_sending = should;
}

/* Takes the array from those under way. */
static void release(struct core *core, struct report *report)
{
  struct lane *lane = report->lane;
  if (!lane)
    return;
  deadline_disarm(&core->deadlines, &report->silence);
  TAILQ_REMOVE(&core->reports.outstanding, report, place);
  if (core->reports.suspect == report)
    core->reports.suspect = NULL;
  report->lane = NULL;
  lane->outstanding--;
  list_lane(core, lane);
  life_release_lane(core, lane);
}

void report_destroy(struct core *core, struct report *report)
{
  if (report->lane) {
    release(core, report);
  } else {
    TAILQ_REMOVE(&core->reports.silent, report, place);
    core->reports.silent_results -= report->count;
  }
  tdelete(report, &core->reports.tree, compare);
  free(report);
}

void report_silence(struct core *core, struct report *report)
{
  struct reports *reports = &core->reports;
  release(core, report);
  TAILQ_INSERT_TAIL(&reports->silent, report, place);
  reports->silent_results += report->count;
  while (reports->silent_results > REPORT_MAX_SILENT && TAILQ_FIRST(&reports->silent) != report)
    report_destroy(core, TAILQ_FIRST(&reports->silent));
}

void report_forget_silent(struct core *core)
{
  while (!TAILQ_EMPTY(&core->reports.silent))
    report_destroy(core, TAILQ_FIRST(&core->reports.silent));
}

static void list_suspect(struct reports *reports, struct command_life *life)
{
  struct command_life *before = TAILQ_LAST(&reports->suspects, life_list);
  while (before && before->disconnections > life->disconnections)
    before = TAILQ_PREV(before, life_list, place);
  if (before)
    TAILQ_INSERT_AFTER(&reports->suspects, before, life, place);
  else
    TAILQ_INSERT_HEAD(&reports->suspects, life, place);
}

void report_ready(struct core *core, struct command_life *life, bool goes_first)
{
  report_leave(core, life);
  if (life->disconnections >= REPORT_SUSPECT_AT) {
    life->where = LIFE_SUSPECT;
    list_suspect(&core->reports, life);
    return;
  }
  life->where = LIFE_READY;
  if (goes_first)
    TAILQ_INSERT_HEAD(&life->lane->ready, life, place);
  else
    TAILQ_INSERT_TAIL(&life->lane->ready, life, place);
  list_lane(core, life->lane);
}

void report_leave(struct core *core, struct command_life *life)
{
  switch ((enum life_place)life->where) {
  case LIFE_READY:
    TAILQ_REMOVE(&life->lane->ready, life, place);
    list_lane(core, life->lane);
    break;
  case LIFE_SUSPECT: TAILQ_REMOVE(&core->reports.suspects, life, place); break;
  case LIFE_BACKING_OFF: deadline_disarm(&core->deadlines, &life->retry); break;
  case LIFE_OUTSTANDING: life->report = NULL; break;
  case LIFE_NOWHERE:
  case LIFE_SETTLING: break;
  }
  life->where = LIFE_NOWHERE;
}

void report_done(struct core *core, struct command_life *life)
{
  if (life->where == LIFE_SETTLING) /* given up at once */
    return;
  core->counts.answered++;
  if (life->is_refusal)
    life_set_state(core, life, COMMAND_DONE);
  report_restored(core, life);
}

void report_restored(struct core *core, struct command_life *life)
{
  life->gap_ms = REPEAT_GAP_MS;
  TAILQ_INSERT_TAIL(&core->reports.unconfirmed, life, all);
  report_ready(core, life, false);
}

void report_give_up(struct core *core, struct command_life *life)
{
  report_leave(core, life);
  life->where = LIFE_SETTLING;
  TAILQ_REMOVE(&core->reports.unconfirmed, life, all);
}

void report_answer(struct core *core, struct command_life *life)
{
  life->is_answer = true;
  TAILQ_INSERT_TAIL(&core->reports.answers, life, all);
  report_ready(core, life, false);
}

void report_hasten(struct core *core, struct command_life *life)
{
  if (life->where != LIFE_BACKING_OFF || core->now_ms - life->sent_ms < life->gap_ms ||
      core->now_ms < life->held_until_ms)
    return;
  life->gap_ms = state_back_off_ms(life->gap_ms, 1);
  report_ready(core, life, false);
}

/* Writes the next results of a lane as an array; returns how many they are. */
static size_t write_array(struct buffer *out, struct command_life *first, bool is_alone)
{
  size_t count = 0;
  buffer_append_char(out, '[');
  for (struct command_life *life = first; life; life = TAILQ_NEXT(life, place)) {
    size_t before = out->size_bytes;
    const struct command_result *result = &life->command.result;
    if (count && life->goes_alone)
      break;
    if (count)
      buffer_append_char(out, ',');
    cep_write_result(out, life->command.key.id, result->status, result->reason, result->payload,
                     result->payload_bytes);
    if (count && out->size_bytes + 1 > REPORT_MAX_BYTES) {
      out->size_bytes = before;
      break;
    }
    count++;
    if (is_alone || life->goes_alone)
      break;
  }
  buffer_append_char(out, ']');
  return count;
}

static struct report *create(struct core *core, struct command_life *first, size_t count)
{
  struct report *report =
      memory_zeroed(1, sizeof *report + count * sizeof(struct report_member));
  report->request_id = state_next_request_id(core);
  report->lane = first->lane;
  report->endpoint = first->lane->endpoint;
  report->type = first->lane->type;
  report->count = count;
  TAILQ_INSERT_TAIL(&core->reports.outstanding, report, place);
  tsearch(report, &core->reports.tree, compare);
  first->lane->outstanding++;
  for (size_t i = 0; i < count; i++) {
    struct command_life *life = first;
    first = TAILQ_NEXT(life, place);
    report->members[i] = (struct report_member){life->command.key.id, life->command.sequence};
    report_leave(core, life);
    life->where = LIFE_OUTSTANDING;
    life->report = report;
  }
  list_lane(core, report->lane);
  return report;
}

/* Not sent after all: everything as before. */
static void undo(struct core *core, struct report *report)
{
  for (size_t i = report->count; i-- > 0;) {
    struct command_life *life = report_member_life(core, report, i);
    if (!life || life->report != report)
      continue;
    life->tries--;
    report_ready(core, life, true);
  }
  report_destroy(core, report);
}

static void stamp_sent(struct core *core, const struct report *report)
{
  for (size_t i = 0; i < report->count; i++) {
    struct command_life *life = report_member_life(core, report, i);
    if (!life || life->report != report)
      continue;
    life->sent_ms = core->now_ms;
    life->is_published = false;
    if (!life->tries++)
      life->first_sent_ms = core->now_ms;
  }
}

/* The platform may answer from within the port, so that the array is looked for
 * by its id after the call. */
static int send_array(struct core *core, struct command_life *first, bool is_suspect)
{
  struct reports *reports = &core->reports;
  struct buffer body = reports->scratch;
  reports->scratch = (struct buffer){0};
  buffer_reset(&body);
  size_t count = write_array(&body, first, is_suspect);
  struct report *report = create(core, first, count);
  uint32_t request_id = report->request_id;
  if (is_suspect)
    reports->suspect = report;
  deadline_arm(&core->deadlines, &report->silence, core->now_ms + core->options.silence_ms,
               verdict_silence);
  stamp_sent(core, report);
  int rc = state_send(core, CORE_RESULT, report->endpoint, report->type, request_id, body.data,
                      body.size_bytes);
  if (rc && (report = report_find(core, request_id)) && report->lane)
    undo(core, report);
  if (body.capacity_bytes > SCRATCH_KEPT_BYTES || reports->scratch.data)
    buffer_clear(&body);
  else
    reports->scratch = body;
  return rc;
}

void report_send(struct core *core)
{
  struct lane *lane;
  while (core->is_connected && !core->is_blocked && (lane = TAILQ_FIRST(&core->reports.sending))) {
    TAILQ_REMOVE(&core->reports.sending, lane, sending); /* in turn with the others */
    TAILQ_INSERT_TAIL(&core->reports.sending, lane, sending);
    send_array(core, TAILQ_FIRST(&lane->ready), false);
  }
}

/* What may cut the connection goes when everything else had its chance: were it
 * sent at once, each connection would be lost before its requests are answered. */
void report_send_suspect(struct core *core)
{
  struct reports *reports = &core->reports;
  struct command_life *life = TAILQ_FIRST(&reports->suspects);
  if (!core->is_connected || !life) {
    deadline_disarm(&core->deadlines, &reports->suspect_wait);
    return;
  }
  int64_t wait_ms = (int64_t)REPORT_SUSPECT_WAIT_MS << (life->disconnections - REPORT_SUSPECT_AT);
  if (wait_ms > REPORT_SUSPECT_MAX_WAIT_MS)
    wait_ms = REPORT_SUSPECT_MAX_WAIT_MS;
  if (core->now_ms - core->connected_ms < wait_ms)
    deadline_arm(&core->deadlines, &reports->suspect_wait, core->connected_ms + wait_ms,
                 deadline_wake);
  else if (!reports->suspect && !core->is_blocked && TAILQ_EMPTY(&reports->sending) &&
           core->asks.is_first_round_over)
    send_array(core, life, true);
}

void report_connected(struct core *core)
{
  struct command_life *life;
  TAILQ_FOREACH(life, &core->reports.unconfirmed, all) {
    life->failures = 0;
    life->gap_ms = REPEAT_GAP_MS;
    report_ready(core, life, false);
  }
}

/* While a suspect is under way no other is suspected. */
static bool precedes_disconnection(const struct reports *reports, const struct command_life *life)
{
  if (life->disconnections >= REPORT_SUSPECT_AT)
    return life->where == LIFE_OUTSTANDING || life->where == LIFE_BACKING_OFF;
  return life->where == LIFE_OUTSTANDING && !reports->suspect;
}

void report_disconnected(struct core *core)
{
  struct reports *reports = &core->reports;
  struct command_life *life;
  while ((life = TAILQ_FIRST(&reports->answers)))
    verdict_drop_answer(core, life);
  TAILQ_FOREACH(life, &reports->unconfirmed, all) {
    if (precedes_disconnection(reports, life) && life->disconnections < REPORT_SUSPECT_MOST)
      life->disconnections++;
    if (life->where == LIFE_OUTSTANDING || life->where == LIFE_BACKING_OFF)
      report_leave(core, life);
  }
  while (!TAILQ_EMPTY(&reports->outstanding))
    report_silence(core, TAILQ_FIRST(&reports->outstanding));
}

static void free_report(void *report)
{
  free(report);
}

void report_clear(struct core *core)
{
  tdestroy(core->reports.tree, free_report);
  buffer_clear(&core->reports.scratch);
}
