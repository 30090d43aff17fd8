/* The log: one line an event on standard error,
 *
 *   2026-11-22T18:02:52.123Z info  mqtt  connected url=mqtt://127.0.0.1:1883
 *
 * level, tag (the part that speaks), what happened, key=value. Values may come
 * from anywhere: they are escaped, cut at 256 bytes, and quoted where they hold
 * a space. A secret is never given to the log; tokens go through log_token().
 * Any thread may log; a line is one write(2). The level is the only mutable
 * state of file scope in the program. */
#ifndef KAALUA_BASE_LOG_H
#define KAALUA_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

void log_set_level(enum log_level level);

/* "debug" | "info" | "warn" | "error"; returns 0, or -EINVAL. */
int log_parse_level(const char *name, enum log_level *level);

/* Logs `event` under `tag`, then pairs of C strings, key and value, ended by
 * NULL. A pair whose value is "" is left out. */
void log_event(enum log_level level, const char *tag, const char *event, ...)
    __attribute__((sentinel));

#define log_debug(...) log_event(LOG_LEVEL_DEBUG, __VA_ARGS__, (char *)0)
#define log_info(...) log_event(LOG_LEVEL_INFO, __VA_ARGS__, (char *)0)
#define log_warn(...) log_event(LOG_LEVEL_WARN, __VA_ARGS__, (char *)0)
#define log_error(...) log_event(LOG_LEVEL_ERROR, __VA_ARGS__, (char *)0)

/* Writes a number for a pair; returns `text`. Used through LOG_NUMBER. */
const char *log_number(char text[24], int64_t number);
#define LOG_NUMBER(n) log_number((char[24]){0}, (int64_t)(n))

/* Writes a token's first four bytes, of a token of at most 8 bytes the first half,
 * and "…"; returns `text`. */
const char *log_token(char text[24], const char *token);
#define LOG_TOKEN(token) log_token((char[24]){0}, (token))

/* One event for each line of `bytes` that is not empty: what another program printed. */
void log_lines(enum log_level level, const char *tag, const char *bytes, size_t size);

#endif
