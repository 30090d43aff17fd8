/* A disk whose power can be cut: of each file in one folder, what is durable and what was
 * written since it was synced last; of the folder's names likewise. The real files hold
 * what programs see (the page cache); this holds what a cut leaves of them.
 *
 *   crash_disk_create → crash_disk_arm → crash_disk_write … → crash_disk_cut →
 *   crash_disk_materialise → crash_disk_destroy
 *
 * A write that is not synced is kept, dropped, torn (per sector of 512 bytes) or garbage, in
 * any order; names change in their order, so far as no sync of the folder came behind.
 * journal.mark is mapped, so nobody sees its stores: it is looked at with each call, and a
 * cut leaves any content that was seen since it was synced, or a mix of two in a row.
 * journal.ballast is not kept.
 *
 * Any thread may call; create, revive, materialise and destroy while nothing else does. */
#ifndef KAALUA_TESTS_CRASH_DISK_H
#define KAALUA_TESTS_CRASH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct crash_disk;
struct crash_inode;

/* What a call comes to. */
enum crash_answer {
  CRASH_DONE,
  CRASH_FAILED, /* a sync: what it was to write never will be, though it can be read */
  CRASH_DEAD,   /* the power, or the process, is gone: nothing more is done */
};

enum crash_end {
  CRASH_NEVER,
  CRASH_CUT,        /* the power, at this call */
  CRASH_KILL,       /* the process: crash_disk_revive() lets the next one go on */
  CRASH_SYNC_FAILS, /* the first sync from this call on, once */
};

/* A random number below `below`; `*seed` is not 0. */
uint64_t crash_random(uint64_t *seed, uint64_t below);

/* What is in `directory` is durable. Returns owned. */
struct crash_disk *crash_disk_create(const char *directory, uint64_t seed);
void crash_disk_destroy(struct crash_disk *disk);

/* After `calls` more calls that write, sync or name. */
void crash_disk_arm(struct crash_disk *disk, uint64_t calls, enum crash_end end);
bool crash_disk_is_dead(struct crash_disk *disk);
void crash_disk_revive(struct crash_disk *disk); /* puts the mark back as the kill left it */

/* Syncs of this name do nothing, and succeed. */
void crash_disk_lie(struct crash_disk *disk, const char *name);

/* The name of a path in the folder; NULL: it is elsewhere, or not kept. */
const char *crash_disk_name(const struct crash_disk *disk, const char *path);

enum crash_answer crash_disk_link(struct crash_disk *disk, const char *name); /* a new file */
enum crash_answer crash_disk_unlink(struct crash_disk *disk, const char *name);
enum crash_answer crash_disk_rename(struct crash_disk *disk, const char *from, const char *to);
enum crash_answer crash_disk_sync_names(struct crash_disk *disk);

/* NULL: there is none of this name. */
struct crash_inode *crash_disk_find(struct crash_disk *disk, const char *name);
enum crash_answer crash_disk_write(struct crash_disk *disk, struct crash_inode *inode,
                                   const void *bytes, size_t size, uint64_t offset);
enum crash_answer crash_disk_truncate(struct crash_disk *disk, struct crash_inode *inode,
                                      uint64_t size);
enum crash_answer crash_disk_sync(struct crash_disk *disk, struct crash_inode *inode);

enum crash_answer crash_disk_sync_mark(struct crash_disk *disk);

void crash_disk_cut(struct crash_disk *disk);

/* Whether a cut leaves the mark as it is now (the last materialise). */
bool crash_disk_kept_mark(const struct crash_disk *disk);

/* Writes what the cut left into an empty folder: the same for the same seed. */
void crash_disk_materialise(struct crash_disk *disk, const char *directory, uint64_t seed);

#endif
