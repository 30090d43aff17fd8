#include "core/verdict.h"

#include "core/state.h"

#include <stddef.h>
#include <string.h>

enum { TRUST_TRIES = 5, TRUST_AFTER_MS = 10 * 60 * 1000 };

void verdict_drop_answer(struct core *core, struct command_life *life)
{
  TAILQ_REMOVE(&core->reports.answers, life, all);
  life_destroy(core, life);
}

static void settle(struct core *core, struct command_life *life, enum change_kind kind)
{
  if (life->is_answer) {
    verdict_drop_answer(core, life);
    return;
  }
  report_give_up(core, life);
  batch_add(core, kind, life);
}

/* A suspect that the broker took, and after which the connection stood on, is
 * none any more. */
static void retry(struct core *core, struct deadline *deadline)
{
  struct command_life *life =
      (void *)((char *)deadline - offsetof(struct command_life, retry));
  if (life->is_published &&
      core->now_ms - life->sent_ms >= core->options.silence_ms + REPORT_ACQUIT_MS)
    life->disconnections = 0;
  report_ready(core, life, false);
}

/* `spread` is the array's: results of one array with as many failures meet
 * again in one. */
static void back_off(struct core *core, struct command_life *life, double spread, int64_t least_ms)
{
  if (life->is_answer) {
    verdict_drop_answer(core, life); /* the platform repeats what it misses */
    return;
  }
  report_leave(core, life);
  life->where = LIFE_BACKING_OFF;
  int64_t delay_ms = (int64_t)((double)state_back_off_ms(REPORT_RETRY_MS, life->failures) * spread);
  if (life->failures < UINT8_MAX)
    life->failures++;
  if (life->disconnections >= REPORT_SUSPECT_AT && delay_ms < REPORT_ACQUIT_MS)
    delay_ms = REPORT_ACQUIT_MS;
  if (delay_ms < least_ms)
    delay_ms = least_ms;
  life->held_until_ms = core->now_ms + least_ms;
  deadline_arm(&core->deadlines, &life->retry, core->now_ms + delay_ms, retry);
}

static void back_off_all(struct core *core, struct report *report)
{
  double spread = 0.8 + 0.4 * state_random(core);
  for (size_t i = 0; i < report->count; i++) {
    struct command_life *life = report_member_life(core, report, i);
    if (life && life->report == report)
      back_off(core, life, spread, report->wait_ms);
  }
}

/* An array also answers for results that were sent again since. */
static void confirm(struct core *core, struct report *report)
{
  for (size_t i = 0; i < report->count; i++) {
    struct command_life *life = report_member_life(core, report, i);
    if (life && life->where != LIFE_SETTLING)
      settle(core, life, CHANGE_CONFIRM);
  }
}

static void send_one_by_one(struct core *core, struct report *report)
{
  for (size_t i = report->count; i-- > 0;) {
    struct command_life *life = report_member_life(core, report, i);
    if (!life || life->report != report)
      continue;
    life->goes_alone = true;
    report_ready(core, life, true);
  }
}

/* An answer, whatever it says: the connection outlived them, and silence has to
 * begin anew before the broker's word may count. */
static void hear(struct core *core, struct report *report)
{
  for (size_t i = 0; i < report->count; i++) {
    struct command_life *life = report_member_life(core, report, i);
    if (!life || life->report != report)
      continue;
    life->disconnections = 0;
    life->tries = 0;
  }
}

static bool is_final(int status)
{
  return status == 400 || status == 404 || status == 409 || status == 410 || status == 422;
}

static void refuse(struct core *core, struct report *report, int status, const char *reason)
{
  struct command_life *life = report_member_life(core, report, 0);
  if (!life || life->report != report)
    return;
  if (!life->is_answer)
    notes_add(core, CORE_NOTE_RESULT_REFUSED, report->endpoint->token, report->type->name,
              report->members[0].id, "the platform refused the result: %d %s", status, reason);
  settle(core, life, CHANGE_REFUSE);
}

static void failed(struct core *core, struct report *report, int status, const char *reason)
{
  if (report->count == 1 && is_final(status) && ask_has_success(core, report->endpoint)) {
    refuse(core, report, status, reason);
    return;
  }
  hear(core, report);
  /* What the platform wants later is not refused for what is in it. */
  bool one_by_one = report->count > 1 && status >= 400 && status < 500 && !report->wait_ms;
  notes_add(core, CORE_NOTE_RESULT_RETRY, report->endpoint->token, report->type->name,
            report->members[0].id, "%zu result%s not accepted: %d %s; sent again%s", report->count,
            report->count == 1 ? "" : "s", status, reason, one_by_one ? " one by one" : " later");
  if (one_by_one)
    send_one_by_one(core, report);
  else
    back_off_all(core, report);
}

void verdict_answered(struct core *core, const char *endpoint, const char *type,
                      uint32_t request_id, int status, const char *reason)
{
  struct report *report = request_id ? report_find(core, request_id) : NULL;
  if (!report || strcmp(report->endpoint->token, endpoint) || !type ||
      strcmp(report->type->name, type)) {
    if (status)
      notes_add(core, CORE_NOTE_RESULT_RETRY, endpoint, type, 0,
                "an error that belongs to no result array under way: %d %s", status, reason);
    return;
  }
  if (!status) {
    if (!core->reports.was_answered)
      batch_append(core, CHANGE_ANSWERED);
    core->reports.was_answered = true;
    confirm(core, report);
  } else if (report->lane) {
    failed(core, report, status, reason);
  }
  report_destroy(core, report);
}

void verdict_hold(struct core *core, uint32_t request_id, int64_t wait_ms)
{
  struct report *report = report_find(core, request_id);
  if (report)
    report->wait_ms = wait_ms;
}

bool verdict_published(struct core *core, uint32_t request_id)
{
  struct report *report = report_find(core, request_id);
  if (!report)
    return false;
  report->is_published = true;
  struct command_life *life = report_member_life(core, report, 0);
  if (life && report->count == 1) /* a suspect goes alone */
    life->is_published = true;
  return true;
}

/* A platform that has never confirmed a result by its request id may never do so. */
static void trust_broker(struct core *core, struct report *report)
{
  if (core->reports.was_answered || !report->is_published)
    return;
  for (size_t i = 0; i < report->count; i++) {
    struct command_life *life = report_member_life(core, report, i);
    if (!life || life->report != report || life->is_answer || life->tries < TRUST_TRIES ||
        core->now_ms - life->first_sent_ms < TRUST_AFTER_MS)
      continue;
    notes_add(core, CORE_NOTE_TRUSTED, report->endpoint->token, report->type->name,
              report->members[i].id, "confirmed at the broker's word after %u tries: "
              "the platform has never answered a result", life->tries);
    settle(core, life, CHANGE_CONFIRM);
  }
}

/* Stored answers are not sent again: the platform repeats what it misses. `*id` becomes
 * the first one's. */
static size_t count_under_way(struct core *core, const struct report *report, int64_t *id)
{
  size_t count = 0;
  for (size_t i = 0; i < report->count; i++) {
    struct command_life *life = report_member_life(core, report, i);
    if (life && life->report == report && !life->is_answer && !count++)
      *id = report->members[i].id;
  }
  return count;
}

void verdict_silence(struct core *core, struct deadline *deadline)
{
  struct report *report = (void *)((char *)deadline - offsetof(struct report, silence));
  trust_broker(core, report);
  int64_t id = 0;
  size_t count = count_under_way(core, report, &id);
  if (count)
    notes_add(core, CORE_NOTE_RESULT_RETRY, report->endpoint->token, report->type->name, id,
              "%zu result%s not answered in %lld s; sent again later", count,
              count == 1 ? "" : "s", (long long)(core->options.silence_ms / 1000));
  back_off_all(core, report);
  if (count)
    report_silence(core, report);
  else
    report_destroy(core, report);
}
