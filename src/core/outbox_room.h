/* What comes into the outboxes and what goes for want of room or for its age.
 * Both share one bound: samples go first, the oldest first (over a transport that polls
 * what is under way last); metadata only where no
 * samples are left, and never for samples. Private to the outbox. */
#ifndef KAALUA_CORE_OUTBOX_ROOM_H
#define KAALUA_CORE_OUTBOX_ROOM_H

#include "core/outbox.h"

/* Destroys the message; one that is on the disk is to be released there. */
void outbox_room_remove(struct core *core, struct outbox *outbox, struct message *message);

/* Counts one drop and notes it. */
void outbox_room_drop(struct core *core, struct outbox *outbox, const char *endpoint,
                      const char *why);

/* Drops what is older than OUTBOX_MAX_AGE_MS: of this process by its clock; what was
 * restored by the wall clock, where that is plausible at both ends. Looks once an
 * hour; to be called before something is sent. */
void outbox_room_drop_old(struct core *core);

/* Notes what went for want of room: at most once in a while, summed. Returns when there
 * will be some to tell. */
int64_t outbox_room_tell_drops(struct core *core, struct outbox *outbox);

#endif
