/* What the subcommands share: their descriptors, flags and exit statuses. */
#ifndef KAALUA_CLI_COMMAND_LINE_H
#define KAALUA_CLI_COMMAND_LINE_H

#include "host/config.h"

#include <stdbool.h>
#include <stdio.h>

/* Exit statuses of every subcommand. */
enum {
  CLI_DONE = 0,
  CLI_FAILED = 1,    /* it was done, and the answer is no */
  CLI_USAGE = 2,     /* wrong usage, or wrong configuration */
  CLI_TRY_AGAIN = 75, /* sysexits.h, EX_TEMPFAIL */
};

/* Flags that a subcommand takes, as bits. */
enum {
  FLAG_CONFIG = 1 << 0, /* --config F */
  FLAG_PLATFORM = 1 << 1, /* --url, --app-version, --token, --state */
  FLAG_HANDLERS = 1 << 2, /* --handlers D */
  FLAG_JSON = 1 << 3, /* --json */
  FLAG_STATE = 1 << 4, /* --state */
  FLAG_SELECTION = 1 << 5, /* --type, --endpoint */
  FLAG_PAGE = 1 << 6, /* --limit, --before */
  FLAG_NEEDS = 1 << 10, /* --needs */
};

/* Which commands are meant; each NULL where it was not given. Borrowed. */
struct selection_flags {
  const char *type;
  const char *endpoint; /* a token, or the beginning of one */
  const char *limit, *before;
};

struct command_line {
  struct config_flags flags;
  struct selection_flags selection;
  bool json;
  bool needs;
  char **operands; /* what is no flag */
  int operand_count;
};

struct cli_command {
  const char *name;
  const char *usage;   /* behind "kaalua ", in lines */
  const char *summary; /* one line */
  int flags;
  int operands_min, operands_max; /* -1: any number */
  int (*run)(const struct command_line *line);
};

extern const struct cli_command cli_run, cli_call, cli_check, cli_status, cli_history, cli_show,
    cli_forget, cli_handlers, cli_reload;

/* Prints the usage behind `before`, its further lines below the first one's arguments. */
void command_line_print_usage(FILE *stream, const char *before, const struct cli_command *command);

/* The exit status for what config_load() returned. */
int command_line_config_status(int rc);

/* Reads the arguments behind the subcommand's name. Returns 0, or CLI_USAGE
 * once it has said on standard error what is wrong; *help tells that --help
 * was asked for. */
int command_line_read(struct command_line *line, const struct cli_command *command, int argc,
                      char **argv, bool *help);

#endif
