#include "worker/session.h"

#include "base/worker_frames.h"
#include "worker/cancel.h"
#include "worker/load.h"
#include "worker/run.h"
#include "worker/worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_PROTOCOL = 1 };

/* The first frame is the version. */
static void receive_version(struct worker *worker)
{
  struct frame frame;
  while (!channel_next(&worker->channel, &frame))
    channel_read(&worker->channel);
  if (frame.kind != WORKER_VERSION || version_read(&worker->version, &frame)) {
    fputs("kaalua-worker: no version to load\n", stderr);
    _exit(EXIT_PROTOCOL);
  }
}

/* Without its marks a worker must not run what the host believes to be marked. */
static void attach_marks(struct worker *worker)
{
  int rc = 0;
  if (fcntl(WORKER_MARKS_FD, F_GETFD) < 0)
    return;
  worker->marks = marks_attach(WORKER_MARKS_FD, &rc);
  close(WORKER_MARKS_FD);
  if (worker->marks)
    return;
  fprintf(stderr, "kaalua-worker: descriptor 6 has no marks: %s\n", strerror(-rc));
  _exit(EXIT_PROTOCOL);
}

/* A result leaves with the mark of the next command, or before the worker waits. */
static void serve(struct worker *worker)
{
  for (;;) {
    struct frame frame;
    if (!channel_next(&worker->channel, &frame)) {
      channel_flush(&worker->channel);
      channel_read(&worker->channel);
    } else if (frame.kind == WORKER_COMMAND && !worker->is_spent) {
      run_command(worker, &frame);
    } else if (frame.kind == WORKER_RESUME && !worker->is_spent) {
      run_resume(worker, &frame);
    } else if (frame.kind == WORKER_TICK && !worker->is_spent) {
      run_tick(worker, &frame);
    }
  }
}

void session_run(void)
{
  struct worker worker = {.lua = NULL};
  prctl(PR_SET_NAME, "kaalua-worker");
  channel_init(&worker.channel, WORKER_FRAMES_FD);
  output_init(&worker.output, &worker.channel);
  limit_init(&worker.limit, &worker);
  cancel_init();
  attach_marks(&worker);
  confine_process();
  receive_version(&worker);
  confine_before_load(&worker);
  if (load_version(&worker))
    worker.is_spent = true;
  confine_after_load(&worker);
  if (!worker.is_spent)
    worker.heap.limit_bytes = (size_t)worker.memory_mib * 1024 * 1024;
  serve(&worker);
}
