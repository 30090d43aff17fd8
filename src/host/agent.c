#include "host/agent.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/core.h"
#include "core/memory_storage.h"
#include "host/handlers.h"
#include "host/notes.h"
#include "host/state.h"
#include "host/transport.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>

enum {
  EXIT_USAGE_STATUS = 2,
  EXIT_TRY_AGAIN = 75,
  RUNNING_MS = 10000,  /* what runs gets this long after SIGTERM */
  REPORTING_MS = 2000, /* and its results this long to be confirmed */
  HTTP_SILENCE_MS = 150000,
};

enum stage { STAGE_RUNS, STAGE_WORK_ENDS, STAGE_REPORTS };

struct agent {
  const struct config *config;
  struct workplace *workplace;
  struct loop *loop;
  struct state state;
  struct core *core;
  struct memory_storage *storage;
  struct handlers *handlers;
  struct transport transport;
  struct loop_timer *tick;
  struct loop_timer *stop;
  bool has_submitted; /* a batch is with the storage */
  bool has_transport, is_connected;
  enum stage stage;
  int exit_status;
};

/* Storage in memory carries a batch out at once; the core hears of it from the
 * loop, as it would from a storage that takes its time. */
static void submit(void *context, struct change *changes, size_t count)
{
  struct agent *agent = context;
  memory_storage_submit(agent->storage, changes, count);
  agent->has_submitted = true;
}

static void enter_reporting(struct agent *agent)
{
  agent->stage = STAGE_REPORTS;
  loop_timer_set(agent->stop, clock_monotonic_ms() + (agent->is_connected ? REPORTING_MS : 0));
}

/* Before the loop waits: what gathered goes to the storage and out. */
static void pump(void *context)
{
  struct agent *agent = context;
  for (;;) {
    core_flush(agent->core, clock_monotonic_ms());
    if (!agent->has_submitted)
      break;
    agent->has_submitted = false;
    core_stored(agent->core, clock_monotonic_ms());
  }
  loop_timer_set(agent->tick, core_next_deadline(agent->core));
  if (agent->stage == STAGE_WORK_ENDS && !handlers_busy(agent->handlers))
    enter_reporting(agent);
  if (agent->stage == STAGE_REPORTS && core_is_settled(agent->core))
    loop_stop(agent->loop);
}

static void on_tick(void *context)
{
  struct agent *agent = context;
  core_tick(agent->core, clock_monotonic_ms());
}

static void on_stop_time(void *context)
{
  struct agent *agent = context;
  if (agent->stage == STAGE_WORK_ENDS)
    handlers_interrupt(agent->handlers);
  else
    loop_stop(agent->loop);
}

static void on_signal(void *context, int signal)
{
  struct agent *agent = context;
  if (signal == SIGHUP) {
    if (agent->stage == STAGE_RUNS)
      handlers_rescan(agent->handlers);
    return;
  }
  log_info("agent", "stopping", "signal", signal == SIGTERM ? "SIGTERM" : "SIGINT", "running",
           LOG_NUMBER(handlers_busy(agent->handlers)));
  bool again = agent->stage != STAGE_RUNS;
  if (!again) {
    agent->stage = STAGE_WORK_ENDS;
    handlers_stop(agent->handlers);
  }
  loop_timer_set(agent->stop, clock_monotonic_ms() + (again ? 0 : RUNNING_MS));
}

/* The core's ports */

/* The handler of a type may have changed, and its pace. */
static void set_pace(struct agent *agent, const char *type)
{
  core_set_poll_interval(agent->core, type,
                         (int64_t)(handlers_poll_s(agent->handlers, type) * 1000));
}

static void hand_out(void *context, const char *type)
{
  struct agent *agent = context;
  size_t room = handlers_room(agent->handlers, type);
  if (room)
    core_hand_out(agent->core, type, room);
}

static void run(void *context, struct command *command)
{
  struct agent *agent = context;
  if (agent->stage == STAGE_RUNS)
    handlers_run(agent->handlers, command);
  else
    core_put_back(agent->core, command);
}

static int send_message(void *context, enum core_message kind, const char *endpoint,
                        const char *type, uint32_t request_id, const char *body, size_t size)
{
  struct agent *agent = context;
  if (!agent->has_transport)
    return -EAGAIN;
  return agent->transport.send(agent->transport.context, kind, endpoint, type, request_id, body, size);
}

/* The handlers' ports */

static void open_transport(struct agent *agent);

static void on_handlers_changed(void *context)
{
  struct agent *agent = context;
  const char **types;
  size_t count = handlers_types(agent->handlers, &types);
  core_set_types(agent->core, types, count);
  for (size_t i = 0; i < count; i++)
    set_pace(agent, types[i]);
  free(types);
  if (!agent->has_transport && agent->stage == STAGE_RUNS)
    open_transport(agent);
}

static void on_room(void *context, const char *type)
{
  set_pace(context, type);
  hand_out(context, type);
}

static void on_finished(void *context, struct command *command, struct command_result *result)
{
  struct agent *agent = context;
  log_debug(command->key.type, "answered", "id", LOG_NUMBER(command->key.id), "status",
            LOG_NUMBER(result->status), "reason", result->reason);
  core_finish(agent->core, command, result);
}

static void on_put_back(void *context, struct command *command)
{
  struct agent *agent = context;
  core_put_back(agent->core, command);
}

static void on_telemetry(void *context, const char *endpoint, const char *samples, size_t size)
{
  struct agent *agent = context;
  core_telemetry(agent->core, endpoint, samples, size);
}

static void on_metadata(void *context, const char *endpoint, const char *keys, size_t size)
{
  struct agent *agent = context;
  core_metadata(agent->core, endpoint, keys, size);
}

/* The transport's events */

static void on_connected(void *context)
{
  struct agent *agent = context;
  agent->is_connected = true;
  core_connected(agent->core, clock_monotonic_ms());
}

static void on_disconnected(void *context)
{
  struct agent *agent = context;
  agent->is_connected = false;
  core_disconnected(agent->core, clock_monotonic_ms());
}

static void on_writable(void *context)
{
  struct agent *agent = context;
  core_writable(agent->core);
}

static void on_published(void *context, uint32_t request_id)
{
  struct agent *agent = context;
  core_published(agent->core, request_id, clock_monotonic_ms());
}

static void on_commands(void *context, const char *endpoint, const char *type, uint32_t request_id,
                        const char *text, size_t size)
{
  struct agent *agent = context;
  log_debug("agent", "commands", "type", type, "endpoint", LOG_TOKEN(endpoint), "bytes",
            LOG_NUMBER(size));
  core_commands(agent->core, endpoint, type, request_id, text, size, clock_wall_ms(),
                clock_monotonic_ms());
}

static void on_hold(void *context, enum core_message kind, uint32_t request_id, int64_t wait_ms)
{
  struct agent *agent = context;
  core_hold(agent->core, kind, request_id, wait_ms);
}

static void on_answered(void *context, enum core_message kind, const char *endpoint,
                        const char *type, uint32_t request_id, int status, const char *reason)
{
  struct agent *agent = context;
  core_answered(agent->core, kind, endpoint, type, request_id, status, reason,
                clock_monotonic_ms());
}

static void open_transport(struct agent *agent)
{
  const struct transport_events events = {
      .context = agent,
      .connected = on_connected,
      .disconnected = on_disconnected,
      .writable = on_writable,
      .published = on_published,
      .commands = on_commands,
      .hold = on_hold,
      .answered = on_answered,
  };
  struct error error = {0};
  bool is_http = agent->config->wire == CONFIG_HTTP;
  int rc = is_http ? http_transport_open(&agent->transport, agent->workplace, agent->config, &events,
                                         &error)
                   : mqtt_transport_open(&agent->transport, agent->loop, agent->config, &agent->state,
                                         &events, &error);
  if (rc < 0) {
    log_error(is_http ? "http" : "mqtt", error.text);
    agent->exit_status = EXIT_USAGE_STATUS;
    loop_stop(agent->loop);
    return;
  }
  agent->has_transport = true;
}

static void create_core(struct agent *agent)
{
  const struct memory_storage_options storage_options = {.wall_ms = clock_wall_ms};
  agent->storage = memory_storage_create(&storage_options);
  const struct core_ports ports = {
      .context = agent, .queued = hand_out, .run = run, .send = send_message, .note = notes_log};
  const struct storage storage = {.context = agent, .submit = submit};
  bool polls = agent->config->wire == CONFIG_HTTP;
  struct core_options options = {
      .id_reuse_never = agent->config->id_reuse_never,
      .polls = polls,
      .poll_interval_ms = agent->config->poll_ms,
      .silence_ms = polls ? HTTP_SILENCE_MS : 0, /* the transport has limits of its own */
  };
  if (getrandom(&options.seed, sizeof options.seed, 0) < 0)
    options.seed = (uint64_t)clock_wall_ms();
  agent->core = core_create(&ports, &storage, &options);
  for (size_t i = 0; i < agent->config->token_count; i++)
    core_add_endpoint(agent->core, agent->config->tokens[i]);
}

static void create_handlers(struct agent *agent)
{
  const struct handlers_ports ports = {
      .context = agent,
      .changed = on_handlers_changed,
      .room = on_room,
      .finished = on_finished,
      .put_back = on_put_back,
      .telemetry = on_telemetry,
      .metadata = on_metadata,
  };
  const struct handlers_options options = {
      .directories = (const char *const *)agent->config->handlers,
      .directory_count = agent->config->handler_count,
      .settings = agent->config->settings,
      .idle_ms = agent->config->worker_idle_ms,
      .endpoints = (const char *const *)agent->config->tokens,
      .endpoint_count = agent->config->token_count,
  };
  agent->handlers = handlers_create(agent->workplace, &options, &ports);
}

static void open_parts(struct agent *agent)
{
  create_core(agent);
  create_handlers(agent);
  agent->tick = loop_timer_create(agent->loop, on_tick, agent);
  agent->stop = loop_timer_create(agent->loop, on_stop_time, agent);
  loop_each_turn(agent->loop, pump, agent);
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    loop_on_signal(agent->loop, signals[i], on_signal, agent);
}

static void close_parts(struct agent *agent)
{
  loop_each_turn(agent->loop, NULL, NULL);
  if (agent->has_transport)
    agent->transport.close(agent->transport.context, 1000);
  handlers_destroy(agent->handlers);
  loop_timer_destroy(agent->tick);
  loop_timer_destroy(agent->stop);
  core_destroy(agent->core);
  memory_storage_destroy(agent->storage);
}

/* Tokens and passwords are in our memory and environment: neither a debugger
 * nor a core dump nor /proc shows them to other processes of our user. */
static void hide_process(void)
{
#if !defined(__SANITIZE_ADDRESS__) /* whose leak check traces us */
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

int agent_run(const struct config *config, struct workplace *workplace)
{
  hide_process();
  struct agent agent = {.config = config, .workplace = workplace, .loop = workplace->loop};
  struct error error = {0};
  if (state_open(&agent.state, config->state, &error) < 0) {
    log_error("agent", error.text);
    state_close(&agent.state);
    return EXIT_TRY_AGAIN;
  }
  workplace_keep_private(workplace, config->state);
  open_parts(&agent);
  log_info("agent", "started", "version", KAALUA_VERSION, "endpoints",
           LOG_NUMBER(config->token_count), "state", config->state);
  handlers_start(agent.handlers);
  loop_run(agent.loop);
  close_parts(&agent);
  log_info("agent", "stopped");
  state_close(&agent.state);
  return agent.exit_status;
}
