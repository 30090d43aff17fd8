#include "io/loop.h"

#include "base/clock.h"
#include "base/memory.h"
#include "io/uv_loop.h"

#include <stdlib.h>

enum { SIGNALS_MAX = 4, CLOSING_MAX_MS = 3000 };

struct signal_watch {
  uv_signal_t handle;
  void (*callback)(void *context, int signal);
  void *context;
};

struct loop {
  uv_loop_t uv;
  uv_prepare_t prepare;
  void (*each_turn)(void *context);
  void *each_turn_context;
  struct signal_watch signals[SIGNALS_MAX];
  int signal_count;
  char *scratch;
};

struct loop_timer {
  uv_timer_t handle;
  void (*callback)(void *context);
  void *context;
};

struct loop_wake {
  uv_async_t handle;
  void (*callback)(void *context);
  void *context;
};

uv_loop_t *loop_uv(struct loop *loop)
{
  return &loop->uv;
}

char *loop_scratch(struct loop *loop)
{
  if (!loop->scratch)
    loop->scratch = memory_zeroed(1, LOOP_SCRATCH_BYTES);
  return loop->scratch;
}

static void on_prepare(uv_prepare_t *handle)
{
  struct loop *loop = handle->data;
  if (loop->each_turn)
    loop->each_turn(loop->each_turn_context);
}

struct loop *loop_create(void)
{
  struct loop *loop = memory_zeroed(1, sizeof *loop);
  if (uv_loop_init(&loop->uv) < 0)
    abort(); /* no epoll descriptor to be had: nothing can run */
  uv_prepare_init(&loop->uv, &loop->prepare);
  loop->prepare.data = loop;
  uv_prepare_start(&loop->prepare, on_prepare);
  uv_unref((uv_handle_t *)&loop->prepare);
  return loop;
}

static void on_patience_over(uv_timer_t *handle)
{
  uv_stop(handle->loop);
}

void loop_destroy(struct loop *loop)
{
  if (!loop)
    return;
  loop->each_turn = NULL;
  uv_close((uv_handle_t *)&loop->prepare, NULL);
  for (int i = 0; i < loop->signal_count; i++)
    uv_close((uv_handle_t *)&loop->signals[i].handle, NULL);
  uv_timer_t patience;
  uv_timer_init(&loop->uv, &patience);
  uv_timer_start(&patience, on_patience_over, CLOSING_MAX_MS, 0);
  uv_unref((uv_handle_t *)&patience);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  uv_close((uv_handle_t *)&patience, NULL);
  uv_run(&loop->uv, UV_RUN_NOWAIT);
  if (uv_loop_close(&loop->uv) < 0)
    return; /* a process that cannot be ended: its objects go with ours */
  free(loop->scratch);
  free(loop);
}

void loop_run(struct loop *loop)
{
  uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *loop)
{
  uv_stop(&loop->uv);
}

void loop_each_turn(struct loop *loop, void (*callback)(void *context), void *context)
{
  loop->each_turn = callback;
  loop->each_turn_context = context;
}

static void on_signal(uv_signal_t *handle, int signal)
{
  struct signal_watch *watch = handle->data;
  watch->callback(watch->context, signal);
}

void loop_on_signal(struct loop *loop, int signal, void (*callback)(void *context, int signal),
                    void *context)
{
  if (loop->signal_count == SIGNALS_MAX)
    abort(); /* a fault of the program, not of the world */
  struct signal_watch *watch = &loop->signals[loop->signal_count++];
  *watch = (struct signal_watch){.callback = callback, .context = context};
  uv_signal_init(&loop->uv, &watch->handle);
  watch->handle.data = watch;
  uv_signal_start(&watch->handle, on_signal, signal);
  uv_unref((uv_handle_t *)&watch->handle);
}

static void on_timer(uv_timer_t *handle)
{
  struct loop_timer *timer = handle->data;
  timer->callback(timer->context);
}

struct loop_timer *loop_timer_create(struct loop *loop, void (*callback)(void *context), void *context)
{
  struct loop_timer *timer = memory_zeroed(1, sizeof *timer);
  timer->callback = callback;
  timer->context = context;
  uv_timer_init(&loop->uv, &timer->handle);
  timer->handle.data = timer;
  return timer;
}

void loop_timer_set(struct loop_timer *timer, int64_t at_ms)
{
  if (at_ms == INT64_MAX) {
    uv_timer_stop(&timer->handle);
    return;
  }
  uv_update_time(timer->handle.loop); /* a long turn must not shorten the wait */
  int64_t wait = at_ms - clock_monotonic_ms();
  uv_timer_start(&timer->handle, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void free_handle_data(uv_handle_t *handle)
{
  free(handle->data);
}

void loop_timer_destroy(struct loop_timer *timer)
{
  if (timer)
    uv_close((uv_handle_t *)&timer->handle, free_handle_data);
}

static void on_wake(uv_async_t *handle)
{
  struct loop_wake *wake = handle->data;
  wake->callback(wake->context);
}

struct loop_wake *loop_wake_create(struct loop *loop, void (*callback)(void *context), void *context)
{
  struct loop_wake *wake = memory_zeroed(1, sizeof *wake);
  wake->callback = callback;
  wake->context = context;
  if (uv_async_init(&loop->uv, &wake->handle, on_wake) < 0)
    abort();
  wake->handle.data = wake;
  return wake;
}

void loop_wake(struct loop_wake *wake)
{
  uv_async_send(&wake->handle);
}

void loop_wake_destroy(struct loop_wake *wake)
{
  if (wake)
    uv_close((uv_handle_t *)&wake->handle, free_handle_data);
}
