#include "cli/command_line.h"
#include "host/agent.h"
#include "host/faults.h"

#include <stdio.h>

static int run(const struct command_line *line)
{
  struct loop *loop = loop_create();
  struct workplace workplace;
  struct error error = {0};
  if (workplace_open(&workplace, loop, &error) < 0) {
    fprintf(stderr, "kaalua: %s\n", error.text);
    loop_destroy(loop);
    return CLI_USAGE;
  }
  struct config config;
  json_t *faults = json_array();
  int status = command_line_config_status(
      config_load(&config, &line->flags, CONFIG_FOR_RUN, &workplace, faults));
  if (status) {
    faults_print(faults, stderr);
  } else {
    log_set_level(config.log_level);
    status = agent_run(&config, &workplace);
  }
  json_decref(faults);
  config_clear(&config);
  workplace_close(&workplace);
  loop_destroy(loop);
  return status;
}

const struct cli_command cli_run = {
    .name = "run",
    .usage = "run [--config F] [--log-level debug|info|warn|error]\n"
             "[--url U --app-version A --token T --handlers D --state S]",
    .summary = "connect to the platform and run its commands, until SIGTERM",
    .flags = FLAG_CONFIG | FLAG_PLATFORM | FLAG_HANDLERS,
    .run = run,
};
