/* Three clocks: one that only goes forward, for limits and intervals; one that
 * goes forward while the machine sleeps, too, for ages; and the wall clock, for
 * stamps that people read. */
#ifndef KAALUA_BASE_CLOCK_H
#define KAALUA_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since an unspecified start; never goes back. */
int64_t clock_monotonic_ms(void);

/* Milliseconds since the machine was started, sleep included: the same for all
 * processes until the next start. */
int64_t clock_boot_ms(void);

/* Milliseconds since 1970-01-01 UTC, as the machine believes. */
int64_t clock_wall_ms(void);

enum { CLOCK_STAMP_BYTES = 25 };

/* Writes `wall_ms` as ISO 8601 UTC, "2026-11-22T18:02:52.123Z". */
void clock_stamp(int64_t wall_ms, char text[CLOCK_STAMP_BYTES]);

#endif
