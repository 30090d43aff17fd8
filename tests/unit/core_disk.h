/* What a journal would hold of the outbox, for the tests of a core that ends and begins
 * anew. Part of the fixture: checks what is submitted as it goes. */
#ifndef KAALUA_TESTS_CORE_DISK_H
#define KAALUA_TESTS_CORE_DISK_H

#include "core_fixture.h"

enum { DISK_MAX = 2000 };

#define DISK_WALL_MS 1790000000000 /* in 2026: what the fixture's wall clock begins with */

struct disk {
  struct fixture *f;
  struct storage_message rows[DISK_MAX]; /* owns the bodies */
  size_t count;
  int64_t last_number;
  size_t writings; /* batches with a KEEP or RELEASE */
  size_t kept, released;
  size_t left; /* KEEPs for which there was no room */
  int64_t wrote_ms, gap_ms; /* the last writing, and the smallest time between two */
};

/* A fixture on this disk; as fixture_open(). */
void disk_open(struct fixture *f, struct disk *disk, const struct core_options *options);

/* A process of its own on what is on the disk, with endpoints E1 and E2, not connected. */
void disk_reopen(struct fixture *f, struct disk *disk, const struct core_options *options);

/* Closes the fixture and empties the disk. */
void disk_close(struct fixture *f, struct disk *disk);

/* The parts of these. */
void disk_attach(struct disk *disk, struct fixture *f);
void disk_restore(struct disk *disk, struct core *core);
void disk_clear(struct disk *disk);

/* A batch becomes durable. Has the form of fixture.stores with the disk as user. */
void disk_stores(void *disk, const struct change *changes, size_t count);

/* The bodies on the disk with their numbers: "1 [1] 2 [2] ". Good until the next call. */
const char *disk_text(struct disk *disk);

#endif
