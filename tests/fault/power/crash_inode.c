#include "crash_inode.h"

#include "base/memory.h"
#include "crash_disk.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512 };

struct bytes {
  uint8_t *at;
  size_t size;
};

struct pending {
  uint8_t *bytes; /* NULL: it is cut to `offset` */
  size_t size;
  uint64_t offset;
};

struct crash_inode {
  struct bytes durable;
  struct pending *pending;
  size_t count, room;
};

/* What becomes of a file's pending writes. */
enum way {
  ALL_DROPPED,
  ALL_KEPT,
  FIRST_KEPT, /* so many, and the next one torn */
  SOME_KEPT,  /* per sector, in order */
  SHUFFLED,   /* per sector, in any order */
  WAYS
};

struct crash_inode *crash_inode_create(void)
{
  return memory_zeroed(1, sizeof(struct crash_inode));
}

void crash_inode_lose(struct crash_inode *inode)
{
  for (size_t i = 0; i < inode->count; i++)
    free(inode->pending[i].bytes);
  inode->count = 0;
}

void crash_inode_destroy(struct crash_inode *inode)
{
  crash_inode_lose(inode);
  free(inode->pending);
  free(inode->durable.at);
  free(inode);
}

void crash_inode_load(struct crash_inode *inode, const char *path)
{
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0 || fstat(fd, &status) < 0)
    abort();
  inode->durable.size = (size_t)status.st_size;
  inode->durable.at = memory_zeroed(1, inode->durable.size + 1);
  if (read(fd, inode->durable.at, inode->durable.size) != status.st_size)
    abort();
  close(fd);
}

static void put_off(struct crash_inode *inode, const struct pending *pending)
{
  if (inode->count == inode->room) {
    inode->room = inode->room ? inode->room * 2 : 16;
    inode->pending = memory_resized(inode->pending, inode->room * sizeof *inode->pending);
  }
  inode->pending[inode->count++] = *pending;
}

void crash_inode_write(struct crash_inode *inode, const void *bytes, size_t size, uint64_t offset)
{
  struct pending pending = {memory_zeroed(1, size + 1), size, offset};
  memcpy(pending.bytes, bytes, size);
  put_off(inode, &pending);
}

void crash_inode_truncate(struct crash_inode *inode, uint64_t size)
{
  put_off(inode, &(struct pending){NULL, 0, size});
}

static void resize(struct bytes *bytes, size_t size)
{
  bytes->at = memory_resized(bytes->at, size + 1);
  if (size > bytes->size)
    memset(bytes->at + bytes->size, 0, size - bytes->size);
  bytes->size = size;
}

static void put(struct bytes *bytes, uint64_t offset, const uint8_t *from, size_t size)
{
  if (offset + size > bytes->size)
    resize(bytes, (size_t)offset + size);
  if (size)
    memcpy(bytes->at + offset, from, size);
}

static void put_all(struct bytes *bytes, const struct pending *pending)
{
  if (pending->bytes)
    put(bytes, pending->offset, pending->bytes, pending->size);
  else
    resize(bytes, (size_t)pending->offset);
}

void crash_inode_sync(struct crash_inode *inode)
{
  for (size_t i = 0; i < inode->count; i++)
    put_all(&inode->durable, &inode->pending[i]);
  crash_inode_lose(inode);
}

/* Sector by sector: dropped, kept, or, where the device was about it, garbage. */
static void put_some(struct bytes *bytes, const struct pending *pending, uint64_t *seed)
{
  if (!pending->bytes) {
    if (crash_random(seed, 2))
      put_all(bytes, pending);
    return;
  }
  for (size_t at = 0; at < pending->size;) {
    uint8_t garbage[SECTOR];
    size_t size = SECTOR - (size_t)((pending->offset + at) % SECTOR);
    if (size > pending->size - at)
      size = pending->size - at;
    uint64_t lot = crash_random(seed, 16);
    for (size_t i = 0; lot == 0 && i < size; i++)
      garbage[i] = (uint8_t)crash_random(seed, 256);
    if (lot < 9)
      put(bytes, pending->offset + at, lot ? pending->bytes + at : garbage, size);
    at += size;
  }
}

static void shuffle(struct pending *pending, size_t count, uint64_t *seed)
{
  for (size_t i = count; i > 1; i--) {
    size_t other = crash_random(seed, i);
    struct pending swapped = pending[i - 1];
    pending[i - 1] = pending[other];
    pending[other] = swapped;
  }
}

uint8_t *crash_inode_left(const struct crash_inode *inode, uint64_t *seed, size_t *size)
{
  struct bytes left = {0};
  put(&left, 0, inode->durable.at ? inode->durable.at : (const uint8_t *)"", inode->durable.size);
  size_t count = inode->count;
  struct pending *pending = memory_zeroed(count + 1, sizeof *pending);
  if (count)
    memcpy(pending, inode->pending, count * sizeof *pending);
  enum way way = (enum way)crash_random(seed, WAYS);
  size_t whole = way == ALL_KEPT ? count : way == FIRST_KEPT ? crash_random(seed, count + 1) : 0;
  size_t torn = way == FIRST_KEPT ? whole + 1 : way >= SOME_KEPT ? count : 0;
  if (way == SHUFFLED)
    shuffle(pending, count, seed);
  for (size_t i = 0; i < count; i++)
    if (i < whole)
      put_all(&left, &pending[i]);
    else if (i < torn)
      put_some(&left, &pending[i], seed);
  free(pending);
  *size = left.size;
  return left.at;
}
