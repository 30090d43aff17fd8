/* The files of marks (base/marks.h) in state/marks: one for each worker that runs
 * commands, held by the worker and by each command that it was handed, until that
 * command's end is durable. command->owner points to the file from worker_run() on.
 * One that nobody holds is removed; what is held when the agent ends is left to the
 * next one.
 *
 *   marks_files_open → marks_files_read (those of earlier hosts) → marks_files_remove_old
 *   → marks_file_create … → marks_files_close */
#ifndef KAALUA_SUPERVISION_MARKS_FILES_H
#define KAALUA_SUPERVISION_MARKS_FILES_H

#include "base/error.h"
#include "base/marks.h"
#include "core/command.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct marks_files;
struct marks_file;

/* Makes the folder where it is missing. Returns owned, or NULL with `error`. */
struct marks_files *marks_files_open(const char *state_directory, struct error *error);

/* Every worker is gone. NULL is fine. */
void marks_files_close(struct marks_files *files);

/* Whether the folder was there at marks_files_open(). */
bool marks_files_were_there(const struct marks_files *files);

/* Reads what earlier hosts left: `finished` for each result, `begun` for what each
 * worker began last. Returns how many files cannot be read, or a negative errno where
 * the folder cannot be. */
int marks_files_read(struct marks_files *files, marks_found *finished,
                     void (*begun)(void *context, int64_t sequence), void *context);

/* After marks_files_read(): those of them are not removed that name one of these sequences,
 * or cannot be read. */
void marks_files_keep(struct marks_files *files, const int64_t *sequences, size_t count);

/* What they left is not needed any more, but for what is kept. */
void marks_files_remove_old(struct marks_files *files);

/* For a new worker. Returns owned (marks_file_release), or NULL with `error`. */
struct marks_file *marks_file_create(struct marks_files *files, struct error *error);
int marks_file_fd(const struct marks_file *file);

/* The worker is about to be ended and begins nothing any more. Returns the sequence that
 * it began last; 0: none. NULL is fine. */
int64_t marks_file_revoke(struct marks_file *file);

/* As marks_cancel(). NULL is fine: `sequence`, as if it had begun. */
int64_t marks_file_cancel(struct marks_file *file, size_t place, int64_t sequence);

/* The results that its worker has written up to now and that are there still; as far as
 * they can be read. NULL is fine: none. */
void marks_file_look(const struct marks_file *file, marks_found *finished, void *context);

/* The worker is gone. NULL is fine. */
void marks_file_release(struct marks_file *file);

/* The command is about to be handed to the file's worker: sets its owner. NULL is fine. */
void marks_file_hold(struct marks_file *file, struct command *command);

/* The command was handed to the file's worker, which did not begin it and leaves no result of
 * it: takes its owner away. NULL is fine. */
void marks_file_let_go(struct marks_file *file, struct command *command);

/* The commands that it was handed and whose end is not durable. NULL is fine: 0. */
size_t marks_file_held(const struct marks_file *file);

/* The command's end is durable (port ended of the core). One without an owner is
 * passed over. */
void marks_file_ended(struct command *command);

#endif
