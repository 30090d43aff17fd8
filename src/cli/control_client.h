/* Asks the running agent one thing over its control socket (host/control_answers.h), with a
 * plain blocking socket. */
#ifndef KAALUA_CLI_CONTROL_CLIENT_H
#define KAALUA_CLI_CONTROL_CLIENT_H

#include "cli/command_line.h"

#include <jansson.h>

enum { CONTROL_CLIENT_PATIENCE_S = 5, CONTROL_CLIENT_ANSWER_BYTES = 16 * 1024 * 1024 };

/* Asks `request` (taken). Returns CLI_DONE with *answer owned, or an exit status once it has said
 * on standard error what is wrong: CLI_FAILED where no agent runs or it says no, CLI_USAGE,
 * CLI_TRY_AGAIN where it does not answer in time or ends meanwhile. */
int control_client_ask(const struct command_line *line, json_t *request, json_t **answer);

/* Likewise, and waits `patience_s` for the answer: of what takes a while. */
int control_client_ask_slowly(const struct command_line *line, json_t *request, int patience_s,
                              json_t **answer);

/* The part of a request that selects commands: --type and --endpoint of the line, and its first
 * operand as the id. Returns 0, or CLI_USAGE once it has said why. */
int control_client_select(const struct command_line *line, json_t *request);
int control_client_select_one(const struct command_line *line, const char *ask, json_t **request);

/* Asks `request` (taken) and prints the answer: with --json by `print_json`
 * (control_client_print_json() for most), else by `print`. Returns as control_client_ask(). */
int control_client_show(const struct command_line *line, json_t *request,
                        void (*print)(const json_t *answer),
                        void (*print_json)(const json_t *answer));

/* Prints a document in one line: what --json shows. */
void control_client_print_json(const json_t *document);

#endif
