#include "supervision/worker.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/worker_frames.h"
#include "supervision/fetch_file.h"
#include "supervision/worker_parts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int64_t PLAUSIBLE_SINCE_MS = 1704067200000; /* 2024-01-01 */
static const int64_t AWAY_MAX_MS = INT64_C(30) * 24 * 3600 * 1000;

static void on_send(void *context)
{
  struct worker *worker = context;
  process_send(worker->process, worker->out.data, worker->out.size_bytes);
  buffer_reset(&worker->out);
}

/* A configuration runs no commands. */
static int open_marks(struct worker *worker, const struct workplace *workplace,
                      const struct worker_options *options, struct error *error)
{
  struct error failure = {0};
  if (!workplace->marks || options->purpose != WORKER_HANDLER)
    return 0;
  worker->marks = marks_file_create(workplace->marks, &failure);
  return worker->marks || options->may_lack_marks ? 0
                                                  : error_set(error, failure.code, "%s", failure.text);
}

/* Returns the worker's end, to be closed, 0 for none: a configuration asks nobody. */
static int open_descriptors(struct worker *worker, enum worker_purpose purpose,
                            struct error *error)
{
  int pair[2];
  if (purpose != WORKER_HANDLER)
    return 0;
  int rc = fetch_file_open_sockets(pair);
  if (rc < 0)
    return error_set(error, rc, "socket: %s", strerror(-rc));
  if (worker->descriptors)
    close(worker->descriptors); /* of the process before */
  worker->descriptors = pair[0];
  return pair[1];
}

static int open_process(struct worker *worker, const struct workplace *workplace,
                        enum worker_purpose purpose, struct error *error)
{
  int descriptors = open_descriptors(worker, purpose, error);
  if (descriptors < 0)
    return descriptors;
  const char *const arguments[] = {"lua", workplace->user.ids, NULL};
  const struct process_options how = {
      .program = workplace->program,
      .arguments = arguments,
      .environment = (const char *const *)workplace->environment,
      .frames = true,
      .presence_fd = workplace->presence_fd,
      .marks_fd = worker->marks ? marks_file_fd(worker->marks) : 0,
      .descriptors_fd = descriptors,
      .witness = worker->witness,
      .received = worker_on_received,
      .ended = worker_on_ended,
      .context = worker,
  };
  worker->process = process_start(workplace->loop, &how, error);
  if (descriptors)
    close(descriptors);
  return worker->process ? 0 : error->code;
}

/* What the contract needs is not known before the first load: then nothing is written. */
static json_t *version_options(const struct workplace *workplace, const struct version *version,
                               const struct worker_options *options)
{
  json_t *object = json_pack("{s:O,s:O}", "private", workplace->private_paths, "handlers",
                             workplace->handler_paths);
  if (options->settings)
    json_object_set(object, "settings", (json_t *)options->settings);
  if (options->ceiling)
    json_object_set(object, "ceiling", (json_t *)options->ceiling);
  if (options->places)
    json_object_set_new(object, "is_placed", json_true());
  if (version->has_contract)
    json_object_set(object, "needs", version->needs);
  else
    json_object_set_new(object, "needs", json_object());
  return object;
}

static void send_version(struct worker *worker, enum worker_purpose purpose)
{
  struct buffer text = {0};
  jsontext_write(&text, worker->options);
  version_write(worker->version, purpose == WORKER_CONFIGURATION ? "config" : "handler",
                buffer_text(&text), &worker->out);
  buffer_clear(&text);
  on_send(worker);
  worker_expect_loaded(worker);
}

bool worker_may_write_too_little(const struct worker *worker, const json_t *report)
{
  const json_t *needs = json_object_get(json_object_get(report, "contract"), "needs");
  return json_object_get(needs, "write") && !worker->version->has_contract && !worker->job_count &&
         !json_object_get(json_object_get(worker->options, "needs"), "write");
}

int worker_start_again(struct worker *worker, const json_t *report, struct error *error)
{
  json_t *needs = json_object_get(json_object_get(report, "contract"), "needs");
  struct process *before = worker->process;
  if (open_process(worker, worker->workplace, WORKER_HANDLER, error) < 0) {
    worker->process = before;
    return error->code;
  }
  process_release(before);
  frame_reader_clear(&worker->reader);
  worker->flow.answered = 0;
  json_object_set(worker->options, "needs", needs);
  send_version(worker, WORKER_HANDLER);
  return 0;
}

struct worker *worker_start(const struct workplace *workplace, struct version *version,
                            const struct worker_options *options, const struct worker_ports *ports,
                            struct error *error)
{
  struct worker *worker = memory_zeroed(1, sizeof *worker);
  worker->witness = options->witness;
  if (open_marks(worker, workplace, options, error) < 0 ||
      open_process(worker, workplace, options->purpose, error) < 0) {
    marks_file_release(worker->marks);
    if (worker->descriptors)
      close(worker->descriptors);
    free(worker);
    return NULL;
  }
  worker->workplace = workplace;
  worker->version = version_keep(version);
  worker->ports = *ports;
  worker->ceiling = json_incref((json_t *)options->ceiling);
  worker->places = json_incref((json_t *)options->places);
  TAILQ_INIT(&worker->jobs);
  TAILQ_INIT(&worker->executions);
  TAILQ_INIT(&worker->fetches);
  worker->limit = loop_timer_create(workplace->loop, worker_on_limit, worker);
  worker->send = loop_timer_create(workplace->loop, on_send, worker);
  worker_flow_start(worker);
  worker->options = version_options(workplace, version, options);
  send_version(worker, options->purpose);
  return worker;
}

void worker_destroy(struct worker *worker)
{
  if (!worker)
    return;
  process_release(worker->process);
  executions_end(&worker->executions);
  fetches_end(&worker->fetches);
  if (worker->descriptors)
    close(worker->descriptors);
  loop_timer_destroy(worker->limit);
  loop_timer_destroy(worker->send);
  worker_flow_stop(worker);
  struct job *job;
  while ((job = TAILQ_FIRST(&worker->jobs)))
    worker_remove_job(worker, job);
  worker_drop_ticket(worker);
  marks_file_release(worker->marks);
  frame_reader_clear(&worker->reader);
  buffer_clear(&worker->out);
  version_drop(worker->version);
  json_decref(worker->ceiling);
  json_decref(worker->places);
  json_decref(worker->options);
  free(worker->place);
  free(worker);
}

struct version *worker_version(const struct worker *worker)
{
  return worker->version;
}

bool worker_is_loaded(const struct worker *worker)
{
  return worker->loaded;
}

bool worker_takes_commands(const struct worker *worker)
{
  return worker->marks || !worker->workplace->marks;
}

void worker_tick(struct worker *worker, const char *endpoint)
{
  struct job *job = worker_add_job(worker);
  job->endpoint = endpoint;
  size_t place = frame_begin(&worker->out, WORKER_TICK);
  frame_put_i64(&worker->out, job->number);
  frame_put_text(&worker->out, endpoint ? endpoint : "");
  frame_end(&worker->out, place);
}

/* How long ago something was kept; -1 where no clock tells. A wall clock that is set
 * goes to any length, so only what looks like a real time away is believed. */
static int64_t away_ms(const struct command_saved *saved)
{
  if (saved->boot_ms >= 0)
    return clock_boot_ms() - saved->boot_ms;
  int64_t now_ms = clock_wall_ms();
  int64_t away = now_ms - saved->wall_ms;
  bool is_plausible = saved->wall_ms >= PLAUSIBLE_SINCE_MS && away >= 0 && away <= AWAY_MAX_MS;
  return is_plausible ? away : -1;
}

static void put_saved(struct buffer *out, const struct command *command)
{
  const struct command_saved *saved = &command->saved;
  bool has_text = command->has_saved && saved->text;
  frame_put_u8(out, has_text);
  frame_put_bytes(out, saved->text, has_text ? saved->text_bytes : 0);
  frame_put_i64(out, command->has_saved ? away_ms(saved) : -1);
}

void worker_run(struct worker *worker, struct command *command)
{
  struct job *job = worker_add_job(worker);
  job->command = command;
  job->sequence = command->sequence;
  marks_file_hold(worker->marks, command);
  size_t place = frame_begin(&worker->out, command->resumes ? WORKER_RESUME : WORKER_COMMAND);
  frame_put_i64(&worker->out, job->number);
  frame_put_i64(&worker->out, command->key.id);
  frame_put_text(&worker->out, command->key.type);
  frame_put_text(&worker->out, command->key.endpoint);
  frame_put_i64(&worker->out, command->received_wall_ms);
  frame_put_i64(&worker->out, command->received_boot_ms);
  frame_put_i64(&worker->out, worker->marks ? command->sequence : 0);
  frame_put_u8(&worker->out, command_has_begun_before(command));
  frame_put_bytes(&worker->out, command->element, command->element_bytes);
  if (command->resumes)
    put_saved(&worker->out, command);
  frame_end(&worker->out, place);
}

size_t worker_load(const struct worker *worker)
{
  return worker->job_count;
}
