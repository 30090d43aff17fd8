#include "cli/command_line.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct flag {
  const char *name;
  int group;
  size_t place; /* in struct command_line; not used without a value */
  bool has_value;
};

#define PLACE(member) offsetof(struct command_line, member)

static const struct flag flags[] = {
    {"config", FLAG_CONFIG, PLACE(flags.config), true},
    {"url", FLAG_PLATFORM, PLACE(flags.url), true},
    {"app-version", FLAG_PLATFORM, PLACE(flags.app_version), true},
    {"token", FLAG_PLATFORM, PLACE(flags.token), true},
    {"state", FLAG_PLATFORM | FLAG_STATE, PLACE(flags.state), true},
    {"log-level", FLAG_CONFIG, PLACE(flags.log_level), true},
    {"handlers", FLAG_HANDLERS, PLACE(flags.handlers), true},
    {"type", FLAG_SELECTION, PLACE(selection.type), true},
    {"endpoint", FLAG_SELECTION, PLACE(selection.endpoint), true},
    {"limit", FLAG_PAGE, PLACE(selection.limit), true},
    {"before", FLAG_PAGE, PLACE(selection.before), true},
    {"json", FLAG_JSON, 0, false},
    {"needs", FLAG_NEEDS, 0, false},
    {"help", 0, 0, false}, /* of every subcommand */
};

void command_line_print_usage(FILE *stream, const char *before, const struct cli_command *command)
{
  int indent = (int)(strlen(before) + strlen("kaalua ") + strlen(command->name) + 1);
  const char *usage = command->usage;
  size_t size = strcspn(usage, "\n");
  fprintf(stream, "%skaalua %.*s\n", before, (int)size, usage);
  while (usage[size]) {
    usage += size + 1;
    size = strcspn(usage, "\n");
    fprintf(stream, "%*s%.*s\n", indent, "", (int)size, usage);
  }
}

static int complain(const struct cli_command *command, const char *what, const char *word)
{
  fprintf(stderr, "kaalua %s: %s%s\n", command->name, what, word);
  command_line_print_usage(stderr, "usage: ", command);
  return CLI_USAGE;
}

/* The flag that "--name" or "--name=value" stands for, NULL for none. */
static const struct flag *find(const struct cli_command *command, const char *argument)
{
  size_t size = strcspn(argument + 2, "=");
  for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
    if (strlen(flags[i].name) == size && !strncmp(flags[i].name, argument + 2, size) &&
        (!flags[i].group || (flags[i].group & command->flags)))
      return &flags[i];
  return NULL;
}

static void take(struct command_line *line, const struct flag *flag, const char *value, bool *help)
{
  if (flag->has_value)
    *(const char **)((char *)line + flag->place) = value;
  else if (flag->group == FLAG_JSON)
    line->json = true;
  else if (flag->group == FLAG_NEEDS)
    line->needs = true;
  else
    *help = true;
}

/* getopt_long() would take the payload -5 for flags. Operands are moved to the
 * front of argv. */
int command_line_read(struct command_line *line, const struct cli_command *command, int argc,
                      char **argv, bool *help)
{
  *line = (struct command_line){.operands = argv};
  bool only_operands = false;
  for (int i = 1; i < argc; i++) {
    char *argument = argv[i];
    bool is_flag = !only_operands && argument[0] == '-' && argument[1] &&
                   !strchr("0123456789", argument[1]);
    if (!is_flag) {
      line->operands[line->operand_count++] = argument;
    } else if (!strcmp(argument, "--")) {
      only_operands = true;
    } else {
      const struct flag *flag = argument[1] == '-' ? find(command, argument) : NULL;
      char *value = strchr(argument, '=');
      if (!flag || (value && !flag->has_value))
        return complain(command, "unknown flag ", argument);
      if (flag->has_value && !value && i + 1 == argc)
        return complain(command, argument, " needs a value");
      take(line, flag, !flag->has_value ? NULL : value ? value + 1 : argv[++i], help);
    }
  }
  if (*help)
    return 0;
  if (line->operand_count < command->operands_min)
    return complain(command, "an argument is missing", "");
  if (command->operands_max >= 0 && line->operand_count > command->operands_max)
    return complain(command, "one argument too many: ", line->operands[command->operands_max]);
  return 0;
}

int command_line_config_status(int rc)
{
  if (!rc)
    return CLI_DONE;
  return rc == -EAGAIN ? CLI_TRY_AGAIN : CLI_USAGE;
}
