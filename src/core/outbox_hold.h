/* Who waits because messages failed, over a transport that polls, where requests
 * are answered one by one. A message that failed holds back its own endpoint, doubling,
 * also where it goes for want of room: the next one goes on waiting. Where endpoints
 * that did not fail before begin to, and nothing is taken, all pause between tries,
 * and once something is taken all try again soon. Private to the outbox. */
#ifndef KAALUA_CORE_OUTBOX_HOLD_H
#define KAALUA_CORE_OUTBOX_HOLD_H

#include "core/outbox.h"

/* The message failed, and is to be sent again: its until_ms. */
void outbox_hold_failed(struct core *core, struct outbox *outbox, struct message *message);

/* The platform took a message of this endpoint, or refused it for good: outbox.failures
 * begin anew, over any transport. */
void outbox_hold_over(struct core *core, struct outbox *outbox, struct endpoint *endpoint);

/* Until when a message of this endpoint that was never sent waits: INT64_MIN: it may
 * go; INT64_MAX: until another one of the endpoint is answered. */
int64_t outbox_hold_until_ms(const struct core *core, const struct outbox *outbox,
                             const struct endpoint *endpoint);

/* The message is the endpoint's one that was sent, or it goes. */
void outbox_hold_sent(const struct outbox *outbox, const struct message *message);
void outbox_hold_gone(const struct outbox *outbox, const struct message *message);

void outbox_hold_disconnected(struct core *core, const struct outbox *outbox);

#endif
