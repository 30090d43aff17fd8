/* A file of a crash_disk: its durable bytes, and what was written since it was synced. */
#ifndef KAALUA_TESTS_CRASH_INODE_H
#define KAALUA_TESTS_CRASH_INODE_H

#include <stddef.h>
#include <stdint.h>

struct crash_inode;

struct crash_inode *crash_inode_create(void); /* empty */
void crash_inode_destroy(struct crash_inode *inode);
void crash_inode_load(struct crash_inode *inode, const char *path); /* is durable */

void crash_inode_write(struct crash_inode *inode, const void *bytes, size_t size, uint64_t offset);
void crash_inode_truncate(struct crash_inode *inode, uint64_t size);
void crash_inode_sync(struct crash_inode *inode);

/* After a failed sync: what is pending is never written. */
void crash_inode_lose(struct crash_inode *inode);

/* What a cut leaves; owned, free() it. */
uint8_t *crash_inode_left(const struct crash_inode *inode, uint64_t *seed, size_t *size);

#endif
