/* What becomes of the commands that were alive when the agent before ended: their
 * rows in the journal are put together with the marks that its workers left, and both
 * given to the core. Between journal_open() and the loop; no worker of it lives
 * (state_open()).
 *
 *   recovery_run → … the core's first batch is stored → marks_files_remove_old, and only
 *   then a command is handed out
 *
 * A command that is RUNNING in the journal had been handed to a worker, or was about to
 * be. What is known of it:
 *
 *   a file holds its result         it had ended, so
 *   a file names it as begun last   it may have had its effect: its policy decides
 *   no file names it                it had not begun
 *
 * The last is right because a worker without a file of marks is given no command
 * (worker_start()), writes its mark before the handler runs, and a file stays until the
 * end of every command that its worker was handed is durable. It would be wrong where
 * files were lost, so what no file names counts as begun, too, where the machine was
 * started anew (memory that was not on the disk is gone), the folder was missing,
 * anything in it cannot be read, or the journal was damaged.
 *
 * One sequence is named by the files of one process only: those of its predecessors are
 * removed before it hands out the first command, and within one process a command that
 * has begun is not handed out again. Files stay that name a command of an endpoint that is
 * not configured and is RUNNING, as it may come back; then a sequence may be named by an
 * older file, too, which makes it count as begun, never as not begun. A result in a file was
 * written by a process that runs code of others: one that is not sound counts as none. */
#ifndef KAALUA_HOST_RECOVERY_H
#define KAALUA_HOST_RECOVERY_H

#include "core/core.h"
#include "journal/journal.h"
#include "supervision/marks_files.h"

/* Gives the core all that the journal holds, and logs one line of what became of it
 * where there was something. `marks` NULL (a read-only file system): only what is done
 * is given, the rest is left to a start that can write. */
void recovery_run(struct core *core, struct journal *journal, const struct journal_start *found,
                  struct marks_files *marks);

#endif
