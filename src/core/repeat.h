/* Repeats of commands whose life is over: answered from what is stored, within
 * a limit, or found to be new commands under an old id. Private to src/core. */
#ifndef KAALUA_CORE_REPEAT_H
#define KAALUA_CORE_REPEAT_H

#include "core/command.h"
#include "core/deadline.h"
#include "core/storage.h"

#include <stdbool.h>

enum { REPEAT_MAX_RESENDS = 4096, REPEAT_GAP_MS = 5000 };

struct core;
struct command_life;

/* When stored answers were resent on this connection. Where there are too many,
 * one whose pause is over is forgotten; while none is, no other is answered: to
 * forget the pauses would be to have none. */
struct repeats {
  void *tree;
  struct deadlines pauses; /* each one's end; also the list of all */
};

/* Whether it is the same command, going by its payload. */
bool repeat_is_same(const struct core *core, const uint8_t a[JSONTEXT_DIGEST_BYTES],
                    const uint8_t b[JSONTEXT_DIGEST_BYTES]);

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

/* The limit of one command begins anew: the next delivery is looked for in the storage. */
void repeat_forget(struct core *core, const struct command_key *key);

/* Limits begin anew. */
void repeat_clear(struct repeats *repeats);

#endif
