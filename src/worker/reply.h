/* Requests that the host answers, one at a time: the worker waits for the answer, and
 * keeps the commands and ticks that come before it for their turn.
 *
 *   struct buffer *out = reply_begin(L, WORKER_EXEC);  … frame_put_…(out, …) …
 *   frame_end(out, 0);
 *   struct frame answer = reply_await(L, WORKER_EXECUTED);  … frame_get_…(&answer) …
 *
 * What raises between the two leaves nothing behind, and nothing half done is sent. */
#ifndef KAALUA_WORKER_REPLY_H
#define KAALUA_WORKER_REPLY_H

#include "base/frame.h"
#include "base/worker_frames.h"

#include <lua.h>
#include <stdbool.h>

/* Begins a frame in the worker's scratch buffer, with the fields that all requests begin
 * with: a new number of the call, and the job. Returns the buffer. */
struct buffer *reply_begin(lua_State *L, enum worker_frame kind);

/* Sends the request and waits for its answer, the next field of which is the one behind
 * the number. It is borrowed from the channel until the next read. Raises where the time
 * limit comes first. */
struct frame reply_await(lua_State *L, enum worker_frame kind);

/* The same, but returns false where the command is cancelled first (worker/cancel.h), which
 * it has heard of then; the answer that comes later is passed over. */
bool reply_await_or_cancel(lua_State *L, enum worker_frame kind, struct frame *answer);

/* The same, but raises nothing: where the time limit comes first the caller cleans up, then
 * calls limit_stop(). */
enum reply_end { REPLY_ANSWERED, REPLY_CANCELLED, REPLY_OUT_OF_TIME };
enum reply_end reply_wait(lua_State *L, enum worker_frame kind, struct frame *answer);

#endif
