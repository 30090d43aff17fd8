#include "base/clock.h"
#include "base/memory.h"
#include "cli/command_line.h"
#include "handlers/sources.h"
#include "host/faults.h"
#include "kp/name.h"
#include "supervision/ceiling.h"
#include "supervision/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct call {
  const struct command_line *line;
  struct loop *loop;
  struct command command;
  struct command_result result; /* status 0 until there is one */
  json_t *telemetry;
  json_t *metadata; /* all keys that were given */
  json_t *kept[2];  /* what the handler, and the device, keep for this one call: key → value */
  bool waits;       /* it ended after kaa.resume_after */
};

static void set_result(struct call *call, int status, char *reason)
{
  call->result = (struct command_result){.status = status, .reason = reason};
}

/* The ports of the worker */

static void start(struct call *call, struct worker *worker, const json_t *contract)
{
  struct version *version = worker_version(worker);
  version_set_contract(version, contract);
  if (version->has_run) {
    worker_run(worker, &call->command);
    return;
  }
  set_result(call, 501, memory_format("No handler for %s: %s only ticks", version->type,
                                      version->source.chunk));
  loop_stop(call->loop);
}

static void on_loaded(void *context, struct worker *worker, const json_t *report)
{
  struct call *call = context;
  const json_t *faults = json_object_get(report, "faults");
  if (!json_array_size(faults)) {
    start(call, worker, json_object_get(report, "contract"));
    return;
  }
  json_t *paths = json_array();
  faults_add_reported(paths, faults, worker_version(worker)->source.chunk,
                      worker_version(worker)->path);
  faults_print(paths, stderr);
  json_decref(paths);
  const json_t *first = json_array_get(faults, 0);
  long long line = json_integer_value(json_object_get(first, "line"));
  const char *file = json_string_value(json_object_get(first, "file"));
  const char *message = json_string_value(json_object_get(first, "message"));
  set_result(call, 503, line ? memory_format("%s:%lld: %s", file, line, message)
                             : memory_format("%s: %s", file, message));
  loop_stop(call->loop);
}

static void on_finished(void *context, struct worker *worker, struct command *command,
                        struct command_result *result, const struct worker_finish *how)
{
  struct call *call = context;
  (void)worker;
  (void)command;
  call->result = *result;
  call->waits = how->waits;
  if (*how->trace)
    fprintf(stderr, "%s\n", how->trace);
  loop_stop(call->loop);
}

static void on_put_back(void *context, struct worker *worker, struct command *command)
{
  struct call *call = context; /* the worker ended between loading and beginning */
  (void)worker;
  (void)command;
  set_result(call, 500, memory_text("Handler ended before the command began"));
  loop_stop(call->loop);
}

static void on_telemetry(void *context, const char *endpoint, const char *samples, size_t size)
{
  struct call *call = context;
  (void)endpoint;
  char *text = memory_copied(samples, size);
  json_t *list = jsontext_parse(samples, size, NULL);
  json_array_extend(call->telemetry, list);
  json_decref(list);
  if (!call->line->json)
    log_info(call->command.key.type, "telemetry", "samples", text);
  free(text);
}

static void on_metadata(void *context, const char *endpoint, const char *keys, size_t size)
{
  struct call *call = context;
  (void)endpoint;
  char *text = memory_copied(keys, size);
  json_t *object = jsontext_parse(keys, size, NULL);
  json_object_update(call->metadata, object);
  json_decref(object);
  if (!call->line->json)
    log_info(call->command.key.type, "metadata", "keys", text);
  free(text);
}

static void on_progress(void *context, struct worker *worker, const struct command *command,
                        double percent, const char *text)
{
  char share[32] = "";
  (void)context;
  (void)worker;
  if (percent >= 0)
    snprintf(share, sizeof share, "%.4g", percent);
  log_info(command->key.type, "progress", "percent", share, "text", text);
}

/* What is kept lasts as long as this process. */
static void on_keep(void *context, struct worker *worker, struct command *command,
                    const struct worker_keep *keep, struct worker_ticket *ticket)
{
  struct call *call = context;
  json_t *kept = call->kept[keep->of_device];
  json_t *value = NULL;
  (void)worker;
  switch (keep->kind) {
  case WORKER_KEEP_GET: value = json_object_get(kept, keep->key); break;
  case WORKER_KEEP_SET:
    json_object_set_new(kept, keep->key, jsontext_parse(keep->value, keep->value_bytes, NULL));
    break;
  case WORKER_KEEP_DELETE: json_object_del(kept, keep->key); break;
  case WORKER_KEEP_CHECKPOINT: break;
  case WORKER_KEEP_RESUME_AFTER:
    command->has_saved = true;
    command->saved.restart = keep->restart;
    break;
  }
  struct buffer text = {0};
  if (value)
    jsontext_write(&text, value);
  worker_kept(ticket, NULL, value ? buffer_text(&text) : NULL, text.size_bytes);
  buffer_clear(&text);
}

static void on_over(void *context, struct worker *worker, enum worker_end end, const char *how)
{
  (void)context; /* its result or its fault came before */
  (void)worker;
  (void)end;
  (void)how;
}

static void run_in_worker(struct call *call, const struct workplace *workplace,
                          struct version *version, const struct config *config)
{
  const struct worker_ports ports = {
      .context = call,
      .loaded = on_loaded,
      .finished = on_finished,
      .put_back = on_put_back,
      .telemetry = on_telemetry,
      .metadata = on_metadata,
      .keep = on_keep,
      .progress = on_progress,
      .over = on_over,
  };
  const struct worker_options options = {
      .purpose = WORKER_HANDLER,
      .settings = json_object_get(config->settings, version->type),
      .ceiling = ceiling_of(config->ceiling, version->type),
      .places = config->places,
  };
  struct error error = {0};
  struct worker *worker = worker_start(workplace, version, &options, &ports, &error);
  if (!worker) {
    set_result(call, 503, memory_format("No worker could be started: %s", error.text));
    return;
  }
  while (!call->result.status)
    loop_run(call->loop);
  worker_destroy(worker);
}

static void run_type(struct call *call, const struct workplace *workplace,
                     const struct config *config)
{
  const char *type = call->command.key.type;
  struct sources *sources =
      sources_create((const char *const *)config->handlers, config->handler_count);
  sources_scan(sources);
  const char *fault;
  for (size_t i = 0; (fault = sources_fault(sources, i)); i++)
    fprintf(stderr, "%s\n", fault);
  const struct source_file *file = name_is_type(type, strlen(type)) ? sources_find(sources, type) : NULL;
  if (!file) {
    set_result(call, 501, memory_format("No handler for %s", type));
  } else if (file->fault) {
    set_result(call, 503, memory_format("%s: %s", file->name, file->fault));
  } else {
    struct version *version = version_create(type, file->path, file->name, file->text,
                                             file->text_bytes, sources_library(sources));
    run_in_worker(call, workplace, version, config);
    version_drop(version);
  }
  sources_destroy(sources);
}

static const char *restart_name(const struct call *call)
{
  return call->command.saved.restart == COMMAND_REBOOT ? "reboot" : "restart";
}

static void print_json(const struct call *call)
{
  struct buffer out = {0};
  buffer_format(&out, "{\"statusCode\":%d,\"reasonPhrase\":", call->result.status);
  jsontext_write_string(&out, call->result.reason, strlen(call->result.reason));
  if (call->result.payload) {
    buffer_append_text(&out, ",\"payload\":");
    buffer_append(&out, call->result.payload, call->result.payload_bytes);
  }
  if (call->waits)
    buffer_format(&out, ",\"waits\":\"%s\"", restart_name(call));
  buffer_append_text(&out, ",\"telemetry\":");
  jsontext_write(&out, call->telemetry);
  buffer_append_text(&out, ",\"metadata\":");
  jsontext_write(&out, call->metadata);
  printf("%s}\n", buffer_text(&out));
  buffer_clear(&out);
}

static void print_text(const struct call *call)
{
  if (call->waits) {
    printf("It waits for a %s; the agent would answer it after that.\n", restart_name(call));
    return;
  }
  printf("%d %s\n", call->result.status, call->result.reason);
  if (call->result.payload)
    printf("%.*s\n", (int)call->result.payload_bytes, call->result.payload);
}

/* Makes the element as the platform would deliver it. Returns false where the
 * payload is no JSON. */
static bool make_command(struct call *call)
{
  const char *payload = call->line->operand_count > 1 ? call->line->operands[1] : NULL;
  struct json_fault fault;
  json_t *value = payload ? jsontext_parse(payload, strlen(payload), &fault) : NULL;
  if (payload && !value) {
    fprintf(stderr, "kaalua call: the payload is no JSON: %s\n  %s\n  %*s\n"
                    "  a text needs quotes of its own: '\"text\"'\n",
            fault.text, payload, fault.position ? (int)fault.position : 1, "^");
    return false;
  }
  struct buffer element = {0};
  buffer_append_text(&element, "{\"id\":1");
  if (payload)
    buffer_format(&element, ",\"payload\":%s", payload);
  buffer_append_char(&element, '}');
  json_decref(value);
  call->command.key = (struct command_key){
      .endpoint = call->line->flags.token ? call->line->flags.token : "local",
      .type = call->line->operands[0],
      .id = 1,
  };
  call->command.received_wall_ms = clock_wall_ms();
  call->command.received_boot_ms = clock_boot_ms();
  call->command.element_bytes = element.size_bytes;
  call->command.element = buffer_take(&element);
  return true;
}

static int call_with(struct call *call, struct workplace *workplace)
{
  struct config config;
  json_t *faults = json_array();
  int status = command_line_config_status(
      config_load(&config, &call->line->flags, CONFIG_FOR_HANDLERS, workplace, faults));
  if (status) {
    faults_print(faults, stderr);
  } else {
    log_set_level(config.log_level);
    run_type(call, workplace, &config);
    if (call->line->json)
      print_json(call);
    else
      print_text(call);
    status = call->result.status >= 200 && call->result.status < 300 ? CLI_DONE : CLI_FAILED;
  }
  json_decref(faults);
  config_clear(&config);
  return status;
}

static int run(const struct command_line *line)
{
  struct call call = {.line = line,
                      .loop = loop_create(),
                      .telemetry = json_array(),
                      .metadata = json_object(),
                      .kept = {json_object(), json_object()}};
  struct workplace workplace;
  struct error error = {0};
  int status = CLI_USAGE;
  if (workplace_open(&workplace, call.loop, &error) < 0) {
    fprintf(stderr, "kaalua: %s\n", error.text);
  } else {
    if (make_command(&call))
      status = call_with(&call, &workplace);
    workplace_close(&workplace);
  }
  json_decref(call.telemetry);
  json_decref(call.metadata);
  json_decref(call.kept[0]);
  json_decref(call.kept[1]);
  command_result_clear(&call.result);
  free(call.command.element);
  loop_destroy(call.loop);
  return status;
}

const struct cli_command cli_call = {
    .name = "call",
    .usage = "call TYPE [PAYLOAD] [--handlers D] [--config F] [--json]",
    .summary = "run one command here, without the platform; PAYLOAD is JSON",
    .flags = FLAG_CONFIG | FLAG_HANDLERS | FLAG_JSON,
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
