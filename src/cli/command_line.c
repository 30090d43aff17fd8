#include "cli/command_line.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>

struct flag {
  const char *name;
  int group;
  size_t place; /* in struct config_flags; not used without a value */
  bool has_value;
};

static const struct flag flags[] = {
    {"config", FLAG_CONFIG, offsetof(struct config_flags, config), true},
    {"url", FLAG_PLATFORM, offsetof(struct config_flags, url), true},
    {"app-version", FLAG_PLATFORM, offsetof(struct config_flags, app_version), true},
    {"token", FLAG_PLATFORM, offsetof(struct config_flags, token), true},
    {"state", FLAG_PLATFORM, offsetof(struct config_flags, state), true},
    {"log-level", FLAG_CONFIG, offsetof(struct config_flags, log_level), true},
    {"handlers", FLAG_HANDLERS, offsetof(struct config_flags, handlers), true},
    {"json", FLAG_JSON, 0, false},
    {"help", 0, 0, false}, /* of every subcommand */
};

enum { FLAG_COUNT = sizeof flags / sizeof *flags };

static int complain(const struct cli_command *command, const char *what)
{
  fprintf(stderr, "kaalua %s: %s\nusage: kaalua %s\n", command->name, what, command->usage);
  return CLI_USAGE;
}

static void take(struct command_line *line, const struct flag *flag, const char *value, bool *help)
{
  if (flag->has_value)
    *(const char **)((char *)&line->flags + flag->place) = value;
  else if (flag->group == FLAG_JSON)
    line->json = true;
  else
    *help = true;
}

int command_line_read(struct command_line *line, const struct cli_command *command, int argc,
                      char **argv, bool *help)
{
  struct option options[FLAG_COUNT + 1] = {0};
  int known[FLAG_COUNT], count = 0;
  for (int i = 0; i < FLAG_COUNT; i++)
    if (!flags[i].group || (flags[i].group & command->flags)) {
      options[count].name = flags[i].name;
      options[count].has_arg = flags[i].has_value ? required_argument : no_argument;
      known[count++] = i;
    }
  *line = (struct command_line){0};
  opterr = 0;
  optind = 1;
  int index, rc;
  while ((rc = getopt_long(argc, argv, ":", options, &index)) != -1) {
    char text[200];
    if (rc != 0) {
      snprintf(text, sizeof text, rc == ':' ? "%s needs a value" : "unknown flag %s", argv[optind - 1]);
      return complain(command, text);
    }
    take(line, &flags[known[index]], optarg, help);
  }
  line->operands = argv + optind;
  line->operand_count = argc - optind;
  if (*help)
    return 0;
  if (line->operand_count < command->operands_min)
    return complain(command, "an argument is missing");
  if (command->operands_max >= 0 && line->operand_count > command->operands_max)
    return complain(command, "too many arguments");
  return 0;
}
