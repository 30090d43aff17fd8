/* The checksum of a row of the journal: 64 bits over its columns in a fixed order.
 * Each step is a bijection of what it is given, so a row in which one column
 * differs never has the same. Written to disk: never changes. Private to the journal. */
#ifndef KAALUA_IO_JOURNAL_SUM_H
#define KAALUA_IO_JOURNAL_SUM_H

#include <stddef.h>
#include <stdint.h>

/* Begins the sum of a row of this table. */
uint64_t journal_sum_begin(const char *table);

uint64_t journal_sum_integer(uint64_t sum, int64_t value);

/* NULL is another value than no bytes. */
uint64_t journal_sum_bytes(uint64_t sum, const void *bytes, size_t size);

/* As it stands in the row: half as wide where `is_short`. */
int64_t journal_sum_end(uint64_t sum, int is_short);

#endif
