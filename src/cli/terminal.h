/* Output for a technician on a serial console: 80 columns, nothing that steers the terminal
 * but our own colours, and those only on a terminal. */
#ifndef KAALUA_CLI_TERMINAL_H
#define KAALUA_CLI_TERMINAL_H

#include "base/buffer.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TERMINAL_COLUMNS = 80, TERMINAL_LABEL_COLUMNS = 13 };

enum terminal_tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_FAINT };

/* Prints text in a tone, where standard output shows colours. */
void terminal_print(enum terminal_tone tone, const char *text);

/* Prints "label        text", the text wrapped between words at 80 columns. */
void terminal_row(const char *label, enum terminal_tone tone, const char *text);

/* Appends a text from anywhere as printable characters of one line; NULL as "". */
void terminal_plain(struct buffer *out, const char *text);

/* Likewise, at most `columns` of it (a cut ends in "…"), filled up with spaces. */
void terminal_cell(struct buffer *out, const char *text, size_t columns);

/* The characters of valid UTF-8, each counted as one column. */
size_t terminal_width(const char *text);

/* The bytes of the first `characters` of valid UTF-8, or of all of it. */
size_t terminal_bytes(const char *text, size_t characters);

/* Appends "12 s", "3 min 4 s", "2 h 5 min", "3 d 4 h". */
void terminal_duration(struct buffer *out, int64_t seconds);

/* Appends "512 B", "1.5 kB", "3.2 MB". */
void terminal_size(struct buffer *out, int64_t bytes);

/* Appends "42 %, erasing", of what kaa.progress has said: {"percent", "text"}. */
void terminal_progress(struct buffer *out, const json_t *progress);

#endif
