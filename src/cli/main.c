#include "cli/command_line.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct cli_command *const commands[] = {
    &cli_run,     &cli_call, &cli_check,  &cli_status, &cli_handlers,
    &cli_history, &cli_show, &cli_forget, &cli_reload};

enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_usage(FILE *stream)
{
  fprintf(stream, "kaalua %s: a device agent for the Kaa IoT platform\n\n", KAALUA_VERSION);
  for (int i = 0; i < COMMAND_COUNT; i++) {
    command_line_print_usage(stream, "  ", commands[i]);
    fprintf(stream, "      %s\n", commands[i]->summary);
  }
  fprintf(stream, "\nFlags beat the environment (KAALUA_URL, …), that beats the configuration\n"
                  "file: --config F, $KAALUA_CONFIG or /etc/kaalua/kaalua.lua.\n"
                  "Exit status: 0 done, 1 it failed, 2 wrong usage or configuration, 75 try again.\n");
}

static int run_command(const struct cli_command *command, int argc, char **argv)
{
  struct command_line line;
  bool help = false;
  int rc = command_line_read(&line, command, argc, argv, &help);
  if (rc != 0)
    return rc;
  if (help) {
    command_line_print_usage(stdout, "usage: ", command);
    printf("%s\n", command->summary);
    return CLI_DONE;
  }
  return command->run(&line);
}

/* A descriptor that we open must not become standard input, output or error. */
static void fill_standard_streams(void)
{
  int fd = open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= STDERR_FILENO)
    fd = dup(fd);
  if (fd > STDERR_FILENO)
    close(fd);
}

int main(int argc, char **argv)
{
  fill_standard_streams();
  signal(SIGPIPE, SIG_IGN);
  const char *name = argc > 1 ? argv[1] : "";
  for (int i = 0; i < COMMAND_COUNT; i++)
    if (!strcmp(name, commands[i]->name))
      return run_command(commands[i], argc - 1, argv + 1);
  if (!strcmp(name, "--version")) {
    printf("kaalua %s\n", KAALUA_VERSION);
    return CLI_DONE;
  }
  bool help = !strcmp(name, "--help") || !strcmp(name, "help");
  if (*name && !help)
    fprintf(stderr, "kaalua: unknown command %s\n", name);
  print_usage(help ? stdout : stderr);
  return help ? CLI_DONE : CLI_USAGE;
}
