/* What a journal holds of commands that are alive, so that a test can restart a core from
 * it. Fails the test where the core breaks a rule of core/storage.h. */
#ifndef KAALUA_TESTS_CORE_ROWS_H
#define KAALUA_TESTS_CORE_ROWS_H

#include "core/storage.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core_rows;

struct core_rows *core_rows_create(void);
void core_rows_destroy(struct core_rows *rows);

/* A batch begins to be read, and was read: what a storage may read did not change. */
void core_rows_look(struct core_rows *rows, const struct change *changes, size_t count);
void core_rows_look_again(struct core_rows *rows, const struct change *changes, size_t count);

/* Carries out a batch; `found` and `is_left` are set. */
void core_rows_submit(struct core_rows *rows, const struct change *changes, size_t count);

/* The machine is restarted: times on its clock are over. */
void core_rows_reboot(struct core_rows *rows);

/* In the order of sequences; NULL past the last. Borrowed until the next batch. */
const struct storage_row *core_rows_at(const struct core_rows *rows, size_t n);
const struct storage_row *core_rows_find(const struct core_rows *rows, int64_t id);

int64_t core_rows_last_sequence(const struct core_rows *rows);
unsigned core_rows_answered(const struct core_rows *rows); /* how often ANSWERED was stored */

/* Pairs that LISTED named, in that order: `key->endpoint` NULL past the last. */
struct command_key core_rows_listed(const struct core_rows *rows, size_t n);

#endif
