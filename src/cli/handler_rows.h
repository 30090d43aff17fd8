/* What `kaalua handlers` and `kaalua reload` print alike of one handler, an element of
 * handlers_list() (handlers/handlers_report.h). */
#ifndef KAALUA_CLI_HANDLER_ROWS_H
#define KAALUA_CLI_HANDLER_ROWS_H

#include "cli/terminal.h"

#include <jansson.h>

/* The type as a label, and a text; a long type has a line of its own. */
void handler_rows_head(const json_t *handler, enum terminal_tone tone, const char *text);

/* Its faults from the `first` on (0: all): each message, then the source line with a caret. */
void handler_rows_faults(const json_t *handler, size_t first);

/* The source line of its first fault, with a caret. */
void handler_rows_source(const json_t *handler);

/* What is wrong with the directories, an array of lines. */
void handler_rows_directories(const json_t *directories);

/* A member's text, "" where there is none. */
const char *handler_rows_text(const json_t *handler, const char *key);

#endif
