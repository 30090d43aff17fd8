#include "supervision/worker_flow.h"

#include "base/clock.h"
#include "base/worker_frames.h"
#include "supervision/worker_parts.h"

enum {
  BYTES_PER_SECOND = 1024 * 1024,
  BURST_BYTES = 4 * 1024 * 1024, /* more than kaalua-worker lets a handler print at once */
  FRAME_COSTS_BYTES = 512, /* most of a small one is what follows from it */
  METADATA_COSTS_BYTES = 32 * 1024, /* each is merged into what waits to be sent */
  UNREAD_MAX = 1, /* a command that was cancelled asks on before it has read its last answer */
};

static void on_resume(void *context)
{
  struct worker *worker = context;
  worker->flow.is_paused = false;
  worker_take_frames(worker); /* may pause again, or end it */
  if (!worker->flow.is_paused && worker->process)
    process_read(worker->process, true);
}

void worker_flow_start(struct worker *worker)
{
  worker->flow = (struct worker_flow){
      .resume = loop_timer_create(worker->workplace->loop, on_resume, worker),
      .filled_ms = clock_monotonic_ms(),
      .left_bytes = BURST_BYTES,
  };
}

void worker_flow_stop(struct worker *worker)
{
  loop_timer_destroy(worker->flow.resume);
  worker->flow.resume = NULL;
}

static void fill(struct worker_flow *flow)
{
  int64_t now_ms = clock_monotonic_ms();
  int64_t more = (now_ms - flow->filled_ms) * (BYTES_PER_SECOND / 1000);
  int64_t room = BURST_BYTES - flow->left_bytes;
  flow->left_bytes += more < room ? more : room;
  flow->filled_ms = now_ms;
}

void worker_flow_charge(struct worker *worker, size_t size_bytes)
{
  struct worker_flow *flow = &worker->flow;
  flow->left_bytes -= (int64_t)size_bytes + FRAME_COSTS_BYTES;
  if (flow->left_bytes >= 0)
    return;
  fill(flow);
  if (flow->left_bytes >= 0 || flow->is_paused || worker->is_settled || !worker->process)
    return;
  flow->is_paused = true;
  process_read(worker->process, false);
  int64_t wait_ms = -flow->left_bytes / (BYTES_PER_SECOND / 1000) + 1;
  loop_timer_set(flow->resume, clock_monotonic_ms() + wait_ms);
}

void worker_flow_charge_frame(struct worker *worker, const struct frame *frame)
{
  if (frame->kind == WORKER_METADATA)
    worker_flow_charge(worker, METADATA_COSTS_BYTES + frame->size_bytes);
  else if (frame->kind == WORKER_TELEMETRY || frame->kind == WORKER_LOG)
    worker_flow_charge(worker, frame->size_bytes);
}

void worker_flow_answer(struct worker *worker, const void *bytes, size_t size)
{
  process_send(worker->process, bytes, size);
  worker->flow.answered = process_given(worker->process);
}

bool worker_flow_may_ask(struct worker *worker)
{
  struct worker_flow *flow = &worker->flow;
  flow->unread = process_taken(worker->process) < flow->answered ? flow->unread + 1 : 0;
  return flow->unread <= UNREAD_MAX;
}
