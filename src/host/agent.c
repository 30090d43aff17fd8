#include "host/agent.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/core.h"
#include "handlers/handlers.h"
#include "host/agent_metadata.h"
#include "host/control_answers.h"
#include "host/recovery.h"
#include "host/state.h"
#include "host/wire.h"
#include "host/work.h"
#include "journal/journal.h"
#include "supervision/confinement.h"
#include "supervision/marks_files.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

enum {
  EXIT_USAGE_STATUS = 2,
  EXIT_TRY_AGAIN = 75,
  RUNNING_MS = 10000,  /* what runs gets this long after SIGTERM */
  LATE_MS = 20,        /* more than one turn of the loop */
  REPORTING_MS = 2000, /* and its results this long to be confirmed */
  STORING_MS = 5000,   /* at the end, what has gathered this long to be durable */
  IDLE_MS = 10000,     /* without anything stored: memory goes back to the system */
  HTTP_SILENCE_MS = 150000,
};

enum stage { STAGE_RUNS, STAGE_WORK_ENDS, STAGE_REPORTS, STAGE_STORES };

struct agent {
  const struct config *config;
  struct workplace *workplace;
  struct loop *loop;
  struct state state;
  struct journal *journal;
  struct marks_files *marks; /* NULL: the journal is read-only, nothing is run */
  struct core *core;
  struct handlers *handlers;
  struct work work;
  struct wire wire;
  struct control_answers *answers;
  struct own_commands *own;
  struct agent_metadata *metadata; /* NULL: it is not wanted */
  struct loop_timer *tick;
  struct loop_timer *stop;
  struct loop_timer *idle;
  bool is_restored; /* what was restored is durable: the marks of before are not needed */
  bool has_failed;  /* the journal has: nothing is stored or sent any more */
  enum stage stage;
  bool is_late; /* the time of what runs is over, what has come meanwhile is looked at */
  int exit_status;
};

static void enter_reporting(struct agent *agent)
{
  agent->stage = STAGE_REPORTS;
  loop_timer_set(agent->stop, clock_monotonic_ms() + (agent->wire.is_connected ? REPORTING_MS : 0));
}

/* The restored states go with the first batch. Only then commands are handed out, so that
 * no sequence is named by marks of two processes (host/recovery.h). */
static void open_work(struct agent *agent)
{
  agent->is_restored = agent->is_restored || !journal_is_busy(agent->journal);
  if (!agent->is_restored || !agent->marks || !handlers_are_ready(agent->handlers))
    return;
  marks_files_remove_old(agent->marks);
  work_open(&agent->work);
}

/* Before the loop waits: what gathered goes to the storage and out. */
static void pump(void *context)
{
  struct agent *agent = context;
  if (agent->has_failed)
    return;
  own_commands_look(agent->own);
  agent_metadata_set_connected(agent->metadata,
                               agent->wire.is_connected && agent->stage == STAGE_RUNS);
  core_flush(agent->core, clock_monotonic_ms());
  if (!agent->work.is_open && agent->stage == STAGE_RUNS) {
    open_work(agent);
    core_flush(agent->core, clock_monotonic_ms());
  }
  loop_timer_set(agent->tick, core_next_deadline(agent->core));
  if (agent->stage == STAGE_WORK_ENDS && !handlers_busy(agent->handlers) &&
      !own_commands_busy(agent->own))
    enter_reporting(agent);
  if (agent->stage == STAGE_REPORTS && core_is_settled(agent->core))
    loop_stop(agent->loop);
}

/* The journal's events */

static void on_stored(void *context)
{
  struct agent *agent = context;
  core_stored(agent->core, clock_monotonic_ms());
  loop_timer_set(agent->idle, clock_monotonic_ms() + IDLE_MS);
  agent->is_restored = true;
  if (agent->stage == STAGE_STORES)
    loop_stop(agent->loop);
}

static void on_condition(void *context, enum journal_condition condition, const char *text)
{
  (void)context;
  log_event(condition == JOURNAL_GOOD ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "journal", text, (char *)0);
}

/* What is on the disk is not known: only reading it again tells. */
static void on_failed(void *context, const char *text)
{
  struct agent *agent = context;
  log_error("journal", text, "exit", LOG_NUMBER(EXIT_TRY_AGAIN));
  agent->has_failed = true;
  agent->exit_status = EXIT_TRY_AGAIN;
  loop_stop(agent->loop);
}

static void on_tick(void *context)
{
  struct agent *agent = context;
  core_tick(agent->core, clock_monotonic_ms());
}

static void on_idle(void *context)
{
  (void)context;
  malloc_trim(0);
}

/* This process may have stood still itself: what has come meanwhile is read first. */
static void on_stop_time(void *context)
{
  struct agent *agent = context;
  if (agent->stage != STAGE_WORK_ENDS) {
    loop_stop(agent->loop);
  } else if (!agent->is_late) {
    agent->is_late = true;
    loop_timer_set(agent->stop, clock_monotonic_ms() + LATE_MS);
  } else {
    handlers_interrupt(agent->handlers);
    own_commands_look(agent->own);
    enter_reporting(agent); /* whatever a kaalua-cancel still waits for: it is run again */
  }
}

static void on_signal(void *context, int signal)
{
  struct agent *agent = context;
  if (agent->stage == STAGE_STORES)
    return;
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
    work_stop(&agent->work);
  }
  loop_timer_set(agent->stop, clock_monotonic_ms() + (again ? 0 : RUNNING_MS));
}

/* The ports that are not the work's */

static int send_message(void *context, enum core_message kind, const char *endpoint,
                        const char *type, uint32_t request_id, const char *body, size_t size)
{
  struct agent *agent = context;
  return wire_send(&agent->wire, kind, endpoint, type, request_id, body, size);
}

static void open_wire(struct agent *agent)
{
  if (wire_open(&agent->wire, agent->config, &agent->state, agent->workplace) == 0)
    return;
  agent->exit_status = EXIT_USAGE_STATUS;
  loop_stop(agent->loop);
}

static void on_news(void *context)
{
  struct agent *agent = context;
  agent_metadata_changed(agent->metadata);
}

static void on_handlers_changed(void *context)
{
  struct agent *agent = context;
  agent_metadata_changed(agent->metadata);
  const char **types;
  size_t count = own_commands_add_types(&types, handlers_types(agent->handlers, &types));
  core_set_types(agent->core, types, count);
  for (size_t i = 0; i < count; i++)
    work_tell_type(&agent->work, types[i]);
  free(types);
  if (!agent->wire.is_open && agent->stage == STAGE_RUNS)
    open_wire(agent);
}

static void create_core(struct agent *agent, const struct journal_start *found)
{
  struct core_ports ports;
  work_fill_core_ports(&agent->work, &ports);
  const struct storage storage = {.context = agent->journal, .submit = journal_submit};
  bool polls = agent->config->wire == CONFIG_HTTP;
  struct core_options options = {
      .id_reuse_never = agent->config->id_reuse_never,
      .polls = polls,
      .poll_interval_ms = agent->config->poll_ms,
      .silence_ms = polls ? HTTP_SILENCE_MS : 0, /* the transport has limits of its own */
      .last_sequence = found->last_sequence,
      .last_message = found->last_message,
      .was_answered = found->was_answered,
      .is_lost = found->is_lost,
      .wall_ms = clock_wall_ms(),
  };
  if (getrandom(&options.seed, sizeof options.seed, 0) < 0)
    options.seed = (uint64_t)clock_wall_ms();
  agent->core = core_create(&ports, &storage, &options);
  for (size_t i = 0; i < agent->config->token_count; i++)
    core_add_endpoint(agent->core, agent->config->tokens[i]);
}

static void create_handlers(struct agent *agent)
{
  struct handlers_ports ports;
  work_fill_handlers_ports(&agent->work, &ports);
  const struct handlers_options options = {
      .directories = (const char *const *)agent->config->handlers,
      .directory_count = agent->config->handler_count,
      .settings = agent->config->settings,
      .ceiling = agent->config->ceiling,
      .places = agent->config->places,
      .idle_ms = agent->config->worker_idle_ms,
      .endpoints = (const char *const *)agent->config->tokens,
      .endpoint_count = agent->config->token_count,
      .state = agent->config->state,
  };
  agent->handlers = handlers_create(agent->workplace, &options, &ports);
}

/* Returns 0 or the exit status. */
static int open_marks(struct agent *agent, struct error *error)
{
  struct error failure = {0};
  if (agent->state.is_read_only)
    return 0;
  agent->marks = marks_files_open(agent->config->state, &failure);
  if (agent->marks)
    return 0;
  agent->state.is_read_only = failure.code == -EROFS;
  if (agent->state.is_read_only)
    return 0;
  error_set(error, failure.code, "%s", failure.text);
  return EXIT_TRY_AGAIN;
}

/* Returns 0 or the exit status. */
static int open_journal(struct agent *agent, struct journal_start *found, struct error *error)
{
  const struct journal_options options = {
      .directory = agent->config->state,
      .boot_id = agent->state.boot_id,
      .version = KAALUA_VERSION,
      .is_normal = agent->config->durability_normal,
      .is_read_only = agent->state.is_read_only,
  };
  const struct journal_events events = {
      .context = agent, .stored = on_stored, .changed = on_condition, .failed = on_failed};
  int rc = journal_open(&agent->journal, agent->loop, &options, &events, found, error);
  if (rc < 0)
    return rc == -EPROTONOSUPPORT ? EXIT_USAGE_STATUS : EXIT_TRY_AGAIN;
  if (journal_condition(agent->journal) == JOURNAL_READ_ONLY) {
    log_error("journal", found->is_full ? "the disk has no room to open it: commands are left with "
                                          "the platform, results are reported"
                                        : "read-only: commands are left with the platform, results "
                                          "are reported");
    marks_files_close(agent->marks);
    agent->marks = NULL;
  }
  agent->workplace->marks = agent->marks;
  return 0;
}

static void create_answers(struct agent *agent, const struct journal_start *found)
{
  const struct control_sources sources = {
      .config = agent->config,
      .core = agent->core,
      .handlers = agent->handlers,
      .journal = agent->journal,
      .wire = &agent->wire,
      .workplace = agent->workplace,
      .found = *found,
  };
  agent->answers = control_answers_create(&sources, agent->loop);
  struct own_commands_ports ports;
  work_fill_own_ports(&agent->work, &ports);
  agent->own = own_commands_create(&sources, agent->handlers, &ports);
  agent->work.own = agent->own;
}

static void create_metadata(struct agent *agent)
{
  const struct agent_metadata_options options = {
      .config = agent->config,
      .core = agent->core,
      .handlers = agent->handlers,
      .boot_id = agent->state.boot_id,
  };
  if (agent->config->tells_metadata)
    agent->metadata = agent_metadata_create(&options, agent->loop);
}

/* Returns 0 or the exit status. */
static int open_parts(struct agent *agent, struct error *error)
{
  const struct work_owner owner = {
      .context = agent, .send = send_message, .changed = on_handlers_changed, .news = on_news};
  struct journal_start found = {0};
  work_init(&agent->work, &owner);
  int status = open_marks(agent, error);
  if (!status)
    status = open_journal(agent, &found, error);
  if (status)
    return status;
  create_core(agent, &found);
  recovery_run(agent->core, agent->journal, &found, agent->marks);
  if (journal_start(agent->journal, error) < 0)
    return EXIT_TRY_AGAIN;
  create_handlers(agent);
  agent->work.core = agent->core;
  agent->wire.core = agent->core;
  agent->work.handlers = agent->handlers;
  agent->work.journal = agent->journal;
  agent->tick = loop_timer_create(agent->loop, on_tick, agent);
  agent->stop = loop_timer_create(agent->loop, on_stop_time, agent);
  agent->idle = loop_timer_create(agent->loop, on_idle, agent);
  create_answers(agent, &found);
  create_metadata(agent);
  return 0;
}

static void start(struct agent *agent)
{
  loop_each_turn(agent->loop, pump, agent);
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
  for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
    loop_on_signal(agent->loop, signals[i], on_signal, agent);
  if (!agent->marks)
    handlers_stop(agent->handlers);
  log_info("agent", "started", "version", KAALUA_VERSION, "endpoints",
           LOG_NUMBER(agent->config->token_count), "state", agent->config->state);
  confinement_log(agent->workplace);
  handlers_start(agent->handlers);
}

/* The storage must be idle before the core goes, and what gathered is worth keeping: a
 * confirmation that is lost here is a result sent twice. A disk that is full may never
 * be done. */
static void finish_storage(struct agent *agent)
{
  int64_t deadline_ms = clock_monotonic_ms() + STORING_MS;
  agent->stage = STAGE_STORES;
  loop_timer_set(agent->stop, deadline_ms);
  core_keep_messages(agent->core);
  while (!agent->has_failed && clock_monotonic_ms() < deadline_ms) {
    core_flush(agent->core, clock_monotonic_ms());
    if (!journal_is_busy(agent->journal))
      break;
    loop_run(agent->loop);
  }
}

static void close_parts(struct agent *agent)
{
  loop_each_turn(agent->loop, NULL, NULL);
  control_answers_close(agent->answers);
  own_commands_close(agent->own);
  wire_close(&agent->wire, agent->has_failed ? 0 : 1000);
  work_end(&agent->work);
  agent_metadata_destroy(agent->metadata);
  agent->metadata = NULL; /* handlers that go are no news */
  handlers_destroy(agent->handlers);
  if (agent->handlers)
    finish_storage(agent);
  loop_timer_destroy(agent->tick);
  loop_timer_destroy(agent->stop);
  journal_close(agent->journal); /* what it still stores sets the idle timer */
  loop_timer_destroy(agent->idle);
  control_answers_destroy(agent->answers);
  own_commands_destroy(agent->own);
  if (agent->core)
    core_destroy(agent->core);
  work_clear(&agent->work);
  marks_files_close(agent->marks);
  agent->workplace->marks = NULL;
}

/* Tokens and passwords are in our memory and environment: neither a debugger
 * nor a core dump nor /proc shows them to other processes of our user. */
static void hide_process(void)
{
  struct rlimit core;
  if (!getrlimit(RLIMIT_CORE, &core)) {
    core.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &core);
  }
#if !defined(__SANITIZE_ADDRESS__) /* whose leak check traces us */
  prctl(PR_SET_DUMPABLE, 0);
#endif
}

static int run(struct agent *agent)
{
  struct error error = {0};
  int status = EXIT_TRY_AGAIN;
  if (state_open(&agent->state, agent->config->state, &error) == 0) {
    workplace_keep_private(agent->workplace, agent->config->state);
    agent->workplace->presence_fd = agent->state.presence_fd;
    status = open_parts(agent, &error);
    if (!status) {
      start(agent);
      loop_run(agent->loop);
    }
    close_parts(agent);
  }
  if (status)
    log_error("agent", error.text);
  else
    log_info("agent", "stopped");
  agent->workplace->presence_fd = 0;
  state_close(&agent->state);
  return status ? status : agent->exit_status;
}

int agent_run(const struct config *config, struct workplace *workplace)
{
  struct error error = {0};
  hide_process();
  if (handler_user_choose(&workplace->user, config->handler_user, &error) < 0) {
    log_error("agent", error.text);
    return EXIT_USAGE_STATUS;
  }
  mallopt(M_ARENA_MAX, 1); /* three threads, and little that they allocate at the same time */
  struct agent agent = {.config = config, .workplace = workplace, .loop = workplace->loop};
  return run(&agent);
}
