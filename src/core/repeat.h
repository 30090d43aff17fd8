/* Repeats of commands whose life is over: answered from what is stored, within
 * a limit, or found to be new commands under an old id. Private to src/core. */
#ifndef KAALUA_CORE_REPEAT_H
#define KAALUA_CORE_REPEAT_H

#include "core/command.h"
#include "core/storage.h"

#include <stdbool.h>
#include <sys/queue.h>

enum { REPEAT_MAX_RESENDS = 1000, REPEAT_GAP_MS = 5000 };

struct core;
struct command_life;
struct resend;
TAILQ_HEAD(resend_list, resend);

/* When stored answers were resent on this connection; the oldest goes first
 * where there are too many. */
struct repeats {
  void *tree;
  struct resend_list by_age;
  size_t count;
};

void repeat_init(struct repeats *repeats);

/* Whether it was answered from the storage so lately that it is not to be
 * answered, nor looked for in the storage, again. */
bool repeat_is_too_soon(struct core *core, const struct command_key *key,
                        const uint8_t digest[JSONTEXT_DIGEST_BYTES]);

/* A stored answer is on its way to the platform, and the same id comes with
 * another payload: a new command. */
bool repeat_is_new(const struct core *core, const struct command_life *life,
                   const uint8_t digest[JSONTEXT_DIGEST_BYTES]);

/* The storage knows the command: answers it, or accepts it as a new one. Takes
 * `record`; `life` may be gone afterwards. */
void repeat_found(struct core *core, struct command_life *life, struct storage_record *record);

/* Limits begin anew. */
void repeat_clear(struct repeats *repeats);

#endif
