#include "supervision/fetch.h"

#include "base/clock.h"
#include "base/http_frames.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/worker_frames.h"
#include "io/process.h"
#include "supervision/fetch_file.h"
#include "supervision/fetch_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
  GRACE_MS = 2000, /* behind its time: a helper that has not answered by then hangs */
};

struct fetch {
  TAILQ_ENTRY(fetch) link; /* of its worker's */
  TAILQ_ENTRY(fetch) turn; /* of the queue */
  struct fetches *list;
  struct fetch_queue *queue;
  const struct workplace *workplace;
  struct fetch_caller caller;
  struct fetch_request request; /* with a failure it is answered in place of a transfer */
  int file;                     /* 0: none */
  int64_t until_ms;
  struct loop_timer *timer;
  struct process *process; /* NULL: it waits its turn */
  struct frame_reader reader;
};

struct fetch_queue {
  struct fetches waiting, under_way;
  size_t under_way_count;
  struct loop_timer *timer;
};

static void launch(struct fetch *fetch);

/* ---- turns ---- */

static size_t count_under_way(const struct fetch_queue *queue, const char *type)
{
  size_t count = 0;
  const struct fetch *fetch;
  TAILQ_FOREACH(fetch, &queue->under_way, turn)
    count += !strcmp(fetch->caller.type, type);
  return count;
}

static struct fetch *choose_next(const struct fetch_queue *queue)
{
  struct fetch *fetch, *best = NULL;
  size_t fewest = FETCHES_OF_TYPE_MAX;
  TAILQ_FOREACH(fetch, &queue->waiting, turn) {
    size_t count = count_under_way(queue, fetch->caller.type);
    if (count >= fewest)
      continue;
    fewest = count;
    best = fetch;
  }
  return best;
}

static void on_turn(void *context)
{
  struct fetch_queue *queue = context;
  struct fetch *next;
  while (queue->under_way_count < FETCHES_MAX && (next = choose_next(queue))) {
    TAILQ_REMOVE(&queue->waiting, next, turn);
    TAILQ_INSERT_TAIL(&queue->under_way, next, turn);
    queue->under_way_count++;
    launch(next);
  }
}

struct fetch_queue *fetch_queue_create(struct loop *loop)
{
  struct fetch_queue *queue = memory_zeroed(1, sizeof *queue);
  TAILQ_INIT(&queue->waiting);
  TAILQ_INIT(&queue->under_way);
  queue->timer = loop_timer_create(loop, on_turn, queue);
  return queue;
}

void fetch_queue_destroy(struct fetch_queue *queue)
{
  if (!queue)
    return;
  loop_timer_destroy(queue->timer);
  free(queue);
}

/* Gives its turn to the next one, in the loop's next turn. */
static void leave_queue(struct fetch *fetch)
{
  struct fetch_queue *queue = fetch->queue;
  if (!queue)
    return;
  fetch->queue = NULL;
  if (!fetch->process && !fetch->request.failure) {
    TAILQ_REMOVE(&queue->waiting, fetch, turn);
    return;
  }
  TAILQ_REMOVE(&queue->under_way, fetch, turn);
  queue->under_way_count--;
  if (!TAILQ_EMPTY(&queue->waiting))
    loop_timer_set(queue->timer, 0);
}

static void enter_queue(struct fetch *fetch)
{
  fetch->queue = fetch->workplace->fetches;
  TAILQ_INSERT_TAIL(&fetch->queue->waiting, fetch, turn);
  loop_timer_set(fetch->queue->timer, 0);
}

/* ---- its end ---- */

static void destroy(struct fetch *fetch)
{
  leave_queue(fetch);
  TAILQ_REMOVE(fetch->list, fetch, link);
  process_release(fetch->process);
  loop_timer_destroy(fetch->timer);
  frame_reader_clear(&fetch->reader);
  fetch_request_clear(&fetch->request);
  if (fetch->file)
    close(fetch->file);
  free(fetch);
}

/* Answers with the fields of HTTP_FETCHED, and is done. */
static void answer(struct fetch *fetch, const char *fields, size_t size)
{
  struct fetch_caller caller = fetch->caller;
  struct buffer out = {0};
  size_t at = frame_begin(&out, WORKER_FETCHED);
  frame_put_u32(&out, fetch->request.call);
  buffer_append(&out, fields, size);
  frame_end(&out, at);
  destroy(fetch);
  caller.answer(caller.context, out.data, out.size_bytes);
  buffer_clear(&out);
}

static void fail(struct fetch *fetch, const char *failure)
{
  struct buffer fields = {0};
  frame_put_text(&fields, failure);
  frame_put_text(&fields, fetch->request.place);
  frame_put_u32(&fields, 0); /* status */
  frame_put_text(&fields, "");
  frame_put_u32(&fields, 0); /* headers */
  frame_put_i64(&fields, 0);
  frame_put_bytes(&fields, "", 0);
  answer(fetch, fields.data, fields.size_bytes);
  buffer_clear(&fields);
}

static void on_time(void *context)
{
  struct fetch *fetch = context;
  char text[160];
  if (fetch->request.failure)
    snprintf(text, sizeof text, "%s", fetch->request.failure);
  else if (fetch->process)
    snprintf(text, sizeof text, "kaalua-http hangs, and was ended");
  else
    snprintf(text, sizeof text, "took longer than %g s: %zu other transfers were before it",
             (double)fetch->request.timeout_ms / 1000, fetch->queue->under_way_count);
  fail(fetch, text);
}

/* ---- the helper ---- */

static void on_received(void *context, enum process_stream stream, const char *bytes, size_t size)
{
  struct fetch *fetch = context;
  struct frame frame;
  if (stream != PROCESS_FRAMES) {
    log_lines(LOG_LEVEL_WARN, "http", bytes, size);
    return;
  }
  frame_feed(&fetch->reader, bytes, size);
  int rc = frame_next(&fetch->reader, &frame);
  if (rc > 0 && frame.kind == HTTP_FETCHED)
    answer(fetch, frame.body, frame.size_bytes);
  else if (rc)
    fail(fetch, "kaalua-http does not speak this version's frames");
}

static void on_ended(void *context, const struct worker_ending *ending)
{
  struct fetch *fetch = context;
  char why[160];
  process_format_end("kaalua-http", ending, why, sizeof why);
  fail(fetch, why);
}

static void send_order(struct fetch *fetch)
{
  struct buffer *order = &fetch->request.order;
  fetch_request_complete(&fetch->request, fetch->until_ms - clock_monotonic_ms());
  process_send(fetch->process, order->data, order->size_bytes);
  buffer_clear(order);
}

static void launch(struct fetch *fetch)
{
  const struct workplace *workplace = fetch->workplace;
  const char *slash = strrchr(workplace->program, '/'); /* it lies beside kaalua-worker */
  char *program = memory_format("%.*s/kaalua-http", (int)(slash - workplace->program),
                                workplace->program);
  const char *const arguments[] = {"serve", program, "fetch", NULL};
  const struct process_options options = {
      .program = workplace->program,
      .arguments = arguments,
      .environment = (const char *const *)workplace->environment,
      .frames = true,
      .presence_fd = workplace->presence_fd,
      .output_fd = fetch->file,
      .received = on_received,
      .ended = on_ended,
      .witness = fetch->caller.witness,
      .context = fetch,
  };
  struct error error = {0};
  fetch->process = process_start(workplace->loop, &options, &error);
  free(program);
  if (!fetch->process) {
    fetch->request.failure = memory_text(error.text);
    loop_timer_set(fetch->timer, 0);
    return;
  }
  if (fetch->request.timeout_ms)
    loop_timer_set(fetch->timer, fetch->until_ms + GRACE_MS);
  send_order(fetch);
}

/* ---- its start ---- */

static int take_file(struct fetch *fetch, int descriptors)
{
  int file = fetch_file_take(descriptors, fetch->request.call);
  if (file == -EPROTO)
    return -EPROTO;
  if (file < 0 && !fetch->request.failure)
    fetch->request.failure = memory_text("its file is none that a body is written to");
  fetch->file = file < 0 ? 0 : file;
  return 0;
}

int fetch_start(struct fetches *list, const struct workplace *workplace, struct frame *frame,
                const json_t *needs, int descriptors, const struct fetch_caller *caller)
{
  struct fetch *fetch = memory_zeroed(1, sizeof *fetch);
  fetches_end(list);
  TAILQ_INSERT_TAIL(list, fetch, link);
  fetch->list = list;
  fetch->workplace = workplace;
  fetch->caller = *caller;
  if (fetch_request_read(&fetch->request, frame, needs) < 0 ||
      (fetch->request.has_file && take_file(fetch, descriptors) < 0)) {
    destroy(fetch);
    return -EPROTO;
  }
  fetch->until_ms = clock_monotonic_ms() + fetch->request.timeout_ms;
  fetch->timer = loop_timer_create(workplace->loop, on_time, fetch);
  if (fetch->request.failure)
    loop_timer_set(fetch->timer, 0);
  else if (fetch->request.timeout_ms)
    loop_timer_set(fetch->timer, fetch->until_ms);
  if (!fetch->request.failure)
    enter_queue(fetch);
  return 0;
}

void fetches_end(struct fetches *list)
{
  struct fetch *fetch;
  while ((fetch = TAILQ_FIRST(list)))
    destroy(fetch);
}
