/* What the host and kaalua-worker say to each other (frames of base/frame.h).
 *
 * kaalua-worker is started in one of four ways, each under a leader: the process
 * that the host started becomes a subreaper, forks the one that does the work,
 * and ends everything beneath it when its lifeline closes.
 *
 *   kaalua-worker lua [IDS]           fd 3 frames, fd 4 lifeline, fd 6 marks, fd 7 descriptors;
 *                                     IDS: the working process becomes this user,
 *                                     "998:998,20": its number, that of its group, those of
 *                                     more groups
 *   kaalua-worker exec PROGRAM ARG…   fd 0, 1, 2 the program's, fd 4 lifeline
 *   kaalua-worker detach PROGRAM ARG… the same, but the leader sends its ending
 *                                     (wait_status 0) as soon as the program has
 *                                     started, and goes: the program lives on in a
 *                                     session of its own, also when the host ends
 *   kaalua-worker serve PROGRAM ARG…  fd 3 the program's frames, fd 4 lifeline: a
 *                                     program of our own (base/http_frames.h), which
 *                                     hears of its end by the end of its frames
 *
 * fd 5, where it is open, is a file of the host's state on which each leader but
 * detach's takes a POSIX read lock (F_SETLK, F_RDLCK, whole file) for its life: a
 * new host waits until the leaders of the one before it are gone. Only the leader keeps it.
 *
 * fd 6, where it is open, is the worker's file of marks (base/marks.h): only the
 * working process maps it, and closes the descriptor; a worker that cannot map it ends.
 *
 * fd 7, where it is open, is a socket (AF_UNIX, SOCK_SEQPACKET) on which the worker hands
 * over the file of a HTTP frame, before that frame: one message for each, the frame's call
 * (u32, of this machine) with one descriptor (SCM_RIGHTS). Nothing comes back.
 *
 * The lifeline, a socket. Host to leader: WORKER_LIFELINE_ASK (one byte: asks
 * the working process to stop: SIGUSR1, for a program SIGTERM to its group; a
 * command that has not had half of its time limit ignores it, as it was meant
 * for the one before, unless it is cancelled); WORKER_LIFELINE_CANCEL (one byte: SIGUSR2 for
 * the working process, not for a program: it looks into its marks whether what it does is
 * cancelled; it means nothing by itself); closing it ends the whole subtree with
 * SIGKILL, then the leader. Leader to host, once, when the working process has
 * ended: struct worker_ending. What that process left behind lives until the
 * lifeline closes.
 *
 * Frames, in the order of a worker's life. "text" and "bytes" are fields of
 * frame_put_bytes; JSON texts are UTF-8. */
#ifndef KAALUA_BASE_WORKER_FRAMES_H
#define KAALUA_BASE_WORKER_FRAMES_H

#include <stdint.h>

enum {
  WORKER_FRAMES_FD = 3,
  WORKER_LIFELINE_FD = 4,
  WORKER_PRESENCE_FD = 5,
  WORKER_MARKS_FD = 6,
  WORKER_DESCRIPTORS_FD = 7,
};

enum { WORKER_LIFELINE_ASK = 'A', WORKER_LIFELINE_CANCEL = 'C' };

struct worker_ending {
  int32_t wait_status; /* as waitpid() gives it */
  int32_t exec_errno;  /* of a PROGRAM: why it could not be started, or 0 */
};

enum worker_frame {
  /* host → worker, first and once: what to load.
   *   text  purpose     "handler" | "config"
   *   text  name        the command type; "" for a configuration
   *   text  chunk       name in messages: "park.lua"
   *   bytes source      the file's text
   *   text  options     JSON object: settings (of this handler, any value or absent),
   *                     private (array of absolute paths that no handler may read
   *                     or write), handlers (array of the handler directories: never writable),
   *                     needs (object: of it `write` counts, which the kernel is told before the
   *                     file is loaded; {} where the contract is not known yet: a handler that
   *                     writes is then loaded again, in a process that knows; absent: the
   *                     kernel is told after the load, by the contract),
   *                     ceiling (object of what may be granted, as a contract's needs, absent:
   *                     everything), is_placed (true: the host knows where the settings were
   *                     written)
   *   u32   count of libraries, then for each
   *     text  module    what require() is given: "valve" or "drivers.valve"
   *     text  chunk     "lib/valve.lua"
   *     bytes source */
  WORKER_VERSION = 'V',

  /* host → worker: a command to run. Several may follow each other; the worker
   * runs them in order, one at a time.
   *   i64   job         the host's number for it, echoed in MARK and FINISHED
   *   i64   id          the command's id
   *   text  type
   *   text  endpoint    its token
   *   i64   received_at milliseconds since 1970 UTC
   *   i64   received_boot  clock_boot_ms() at the first receipt, -1: before the machine was
   *                     started; max_age_s counts from it, and -1 is older than any
   *   i64   sequence    for the marks; 0: none are to be written
   *   u8    retried     1: it has begun before; past its age it is answered as interrupted
   *   bytes element     the command as delivered (11/CEP): {"id":…,"payload":…} */
  WORKER_COMMAND = 'C',

  /* host → worker: a command whose `resume` is to be called, in its turn. MARK and
   * FINISHED answer it as a command. The fields of COMMAND (max_age_s does not count),
   * then
   *   u8    has_saved
   *   bytes saved       JSON: what kaa.resume_after or kaa.checkpoint was given last
   *   i64   away_ms     since then; -1: the clock cannot be trusted */
  WORKER_RESUME = 'R',

  /* host → worker: what became of a KEEP.
   *   u32   call
   *   text  failure     "" where it was carried out: then it is durable; else one line
   *   u8    has_value   of get
   *   bytes value       JSON */
  WORKER_KEPT = 'k',

  /* host → worker: call the handler's tick, in its turn among the commands. MARK
   * and FINISHED answer it as a command (status 200: it went well; no payload).
   *   i64   job
   *   text  endpoint    its token; "": for the agent as a whole */
  WORKER_TICK = 't',

  /* host → worker: what became of an EXEC.
   *   u32   call
   *   text  failure     "" where the program ran and ended by itself, else one
   *                     line: "/bin/x: No such file or directory"
   *   i64   code        exit code, -1 where a signal ended it
   *   i64   signal      0 where none
   *   u8    timed_out
   *   i64   stdout_cut  bytes that were left out, 0 where all is there
   *   i64   stderr_cut
   *   bytes stdout
   *   bytes stderr */
  WORKER_EXECUTED = 'e',

  /* host → worker: what became of a HTTP.
   *   u32   call
   *   then the fields of HTTP_FETCHED (base/http_frames.h) */
  WORKER_FETCHED = 'h',

  /* worker → host, once after VERSION.
   *   text  JSON object:
   *     faults    array of {file, line (0: none), column? (in bytes, from 1), message, source
   *               (the line's text, or absent), setting? (the path of a setting that does not
   *               fit: it was not written here)}
   *     contract  where faults is empty and the purpose is "handler":
   *               {summary?, timeout_s, memory_mib, needs: {exec?: true|[paths],
   *                write?: true|[paths], net?: true|[…], native?: true|[…]}, needs_line? (where
   *                they were written), run: true|false
   *                (whether it takes commands), every_s? with per: "endpoint"|"agent",
   *                poll_s?, workers?, ordered?: true|false, exclusive?: "name",
     *                on_interrupt: "report"|"retry"|"resume", resume: true|false}
   *     value     where faults is empty and the purpose is "config": the table, checked,
   *               with defaults, unknown keys refused
   *     places    with value: object of {line, column, secret?} by the path of a setting */
  WORKER_LOADED = 'L',

  /* worker → host: the command or tick begins; its time limit starts.
   *   i64   job */
  WORKER_MARK = 'M',

  /* worker → host: instead of MARK and FINISHED: the host has cancelled the command
   * (base/marks.h) before it began, and it does not begin.
   *   i64   job */
  WORKER_SKIPPED = 's',

  /* worker → host: how far the command is (kaa.progress); at most 10 a second.
   *   i64   job
   *   i64   tenths      of a percent, 0 to 1000; -1: not said
   *   text  text        one line, at most 256 bytes; "": not said */
  WORKER_PROGRESS = 'p',

  /* worker → host: the host has revoked its marks (base/marks.h): what it has been given
   * and not marked does not begin, it takes no further frame, and waits to be ended. */
  WORKER_STANDS = 'S',

  /* worker → host: the result of the command or tick.
   *   i64   job
   *   i64   status      100 to 599
   *   text  reason      one line of UTF-8, at most 256 bytes
   *   u8    has_payload
   *   bytes payload     JSON
   *   text  trace       traceback for the log where the handler failed, else ""
   *   u8    spent       1: the Lua state is not to be used again (time or memory
   *                     limit); the worker runs no further command
   *   u8    waits       1: it returned after kaa.resume_after: no result, the command waits
   *                     for the restart; status 200, reason "OK", no payload */
  WORKER_FINISHED = 'F',

  /* worker → host: asked to stop, here is where: sent before the handler is
   * interrupted, so that the place is known even where it cannot be.
   *   i64   job
   *   text  place       "loop.lua:3", or "" */
  WORKER_AT = 'A',

  /* worker → host: samples for the platform, a JSON array of objects.
   *   text  endpoint
   *   bytes samples */
  WORKER_TELEMETRY = 'T',

  /* worker → host: metadata keys for the platform, a JSON object with at least one.
   *   text  endpoint
   *   bytes keys */
  WORKER_METADATA = 'm',

  /* worker → host: a line for the log.
   *   u8    level       enum log_level
   *   bytes message     at most 4 kB */
  WORKER_LOG = 'P',

  /* worker → host: run a program (kaa.exec). The worker waits for EXECUTED, for
   * a detached one too (it is answered once started).
   *   u32   call
   *   i64   job
   *   u32   count, then texts: argv
   *   u8    has_stdin
   *   bytes stdin
   *   i64   timeout_ms  0: none but the command's own
   *   text  cwd         "": the root directory
   *   u32   count, then texts NAME=VALUE: added to PATH, LANG and HOME
   *   i64   max_output  bytes kept of each stream
   *   u8    detach */
  WORKER_EXEC = 'E',

  /* worker → host: ask a server (kaa.http). The worker waits for FETCHED.
   *   u32   call
   *   i64   job
   *   text  method
   *   text  url
   *   u32   count, then texts "Name: value"
   *   u8    has_body
   *   bytes body        with what follows at most 64 MiB
   *   text  sha256      as in HTTP_FETCH
   *   text  ca          as in HTTP_FETCH
   *   i64   max_bytes
   *   i64   timeout_ms  waiting for its turn included; 0: none but the command's own
   *   u8    has_file    1: where a 2xx's body goes was handed over on fd 7 */
  WORKER_HTTP = 'H',

  /* worker → host: keep something (kaa.store, kaa.shared, kaa.checkpoint,
   * kaa.resume_after). The worker waits for KEPT.
   *   u32   call
   *   i64   job
   *   text  what        "get" | "set" | "delete" | "checkpoint" | "resume_after"
   *   text  scope       get, set, delete: "handler" | "device"; resume_after: "reboot" |
   *                     "restart"; else ""
   *   text  key         get, set, delete; else ""
   *   u8    has_value   set: always; checkpoint, resume_after: where something is saved
   *   bytes value       JSON, at most 64 kB
   *   i64   within_ms   resume_after; else 0 */
  WORKER_KEEP = 'K',
};

#endif
