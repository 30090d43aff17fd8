/* Lists of faults in files: a JSON array of {file, line (0: none), column (in bytes, from 1, or
 * absent), message, source (the line's text, or absent)}, as WORKER_LOADED reports them. */
#ifndef KAALUA_HOST_FAULTS_H
#define KAALUA_HOST_FAULTS_H

#include "base/buffer.h"

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* Appends a fault; `file` is a path, or where the value came from ("--url"). */
void faults_add(json_t *faults, const char *file, long line, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Appends what a worker reported; its chunk names become paths: `path` for
 * `chunk`, `folder`/… for any other. What is a path already stays. */
void faults_add_reported(json_t *faults, const json_t *reported, const char *chunk,
                         const char *path);

/* Appends the fault's source line and a line with a caret below its column (without one, below
 * what the message is about), each behind `indent` spaces and at most `columns` wide (a longer
 * one is cut around the caret), as printable characters. Nothing where the fault has no source
 * line. */
void faults_draw(const json_t *fault, size_t indent, size_t columns, struct buffer *out);

/* Prints each as "file:line: message", then the source line, two columns in, with a caret. */
void faults_print(const json_t *faults, FILE *stream);

#endif
