#include "crash_disk.h"

#include "base/memory.h"
#include "crash_inode.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAMES = 16, NAME_BYTES = 64, MARK_BYTES = 128, MARK_FILE_BYTES = 4096 };
static const char MARK[] = "journal.mark";
static const char BALLAST[] = "journal.ballast";

struct names {
  struct {
    char name[NAME_BYTES];
    struct crash_inode *inode;
  } at[NAMES];
};

/* A change of a name: from "" it is new, to "" it is gone. */
struct naming {
  char from[NAME_BYTES], to[NAME_BYTES];
  struct crash_inode *inode;
};

struct crash_disk {
  pthread_mutex_t mutex; /* all below */
  char *directory;
  uint64_t seed, calls, end_at;
  enum crash_end end;
  bool is_dead, kept_mark;
  bool is_going; /* the power, in this very call */
  char lying[NAME_BYTES];
  struct names durable, live;
  struct naming *namings;
  size_t naming_count;
  struct crash_inode **inodes;
  size_t inode_count;
  uint8_t (*marks)[MARK_BYTES];
  size_t mark_count;
};

uint64_t crash_random(uint64_t *seed, uint64_t below)
{
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return (*seed >> 11) % below;
}

static struct crash_inode **place_of(struct names *names, const char *name, bool adds)
{
  for (int i = 0; i < NAMES; i++)
    if (names->at[i].inode && !strcmp(names->at[i].name, name))
      return &names->at[i].inode;
  for (int i = 0; i < NAMES && adds; i++)
    if (!names->at[i].inode) {
      snprintf(names->at[i].name, NAME_BYTES, "%s", name);
      return &names->at[i].inode;
    }
  return NULL;
}

static void apply(struct names *names, const struct naming *naming)
{
  struct crash_inode **from = naming->from[0] ? place_of(names, naming->from, false) : NULL;
  struct crash_inode *inode = naming->from[0] ? (from ? *from : NULL) : naming->inode;
  if (from)
    *from = NULL;
  if (inode && naming->to[0])
    *place_of(names, naming->to, true) = inode;
}

static void change_name(struct crash_disk *disk, const char *from, const char *to,
                        struct crash_inode *inode)
{
  disk->namings =
      memory_resized(disk->namings, (disk->naming_count + 1) * sizeof *disk->namings);
  struct naming *naming = &disk->namings[disk->naming_count++];
  *naming = (struct naming){.inode = inode};
  snprintf(naming->from, NAME_BYTES, "%s", from);
  snprintf(naming->to, NAME_BYTES, "%s", to);
  apply(&disk->live, naming);
}

static struct crash_inode *new_inode(struct crash_disk *disk)
{
  disk->inodes = memory_resized(disk->inodes, (disk->inode_count + 1) * sizeof *disk->inodes);
  return disk->inodes[disk->inode_count++] = crash_inode_create();
}

/* The mark as it can be read: zeros where there is none. */
static void look_at_mark(struct crash_disk *disk)
{
  char *path = memory_format("%s/%s", disk->directory, MARK);
  uint8_t seen[MARK_BYTES] = {0};
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd >= 0 && pread(fd, seen, sizeof seen, 0) < 0)
    abort();
  if (fd >= 0)
    close(fd);
  free(path);
  if (disk->mark_count && !memcmp(disk->marks[disk->mark_count - 1], seen, sizeof seen))
    return;
  disk->marks = memory_resized(disk->marks, (disk->mark_count + 1) * sizeof *disk->marks);
  memcpy(disk->marks[disk->mark_count++], seen, sizeof seen);
}

struct crash_disk *crash_disk_create(const char *directory, uint64_t seed)
{
  struct crash_disk *disk = memory_zeroed(1, sizeof *disk);
  pthread_mutex_init(&disk->mutex, NULL);
  disk->directory = memory_text(directory);
  disk->seed = seed;
  DIR *entries = opendir(directory);
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    if (entry->d_name[0] == '.' || !strcmp(entry->d_name, BALLAST))
      continue;
    char *path = memory_format("%s/%s", directory, entry->d_name);
    struct crash_inode *inode = new_inode(disk);
    crash_inode_load(inode, path);
    *place_of(&disk->durable, entry->d_name, true) = inode;
    free(path);
  }
  if (entries)
    closedir(entries);
  disk->live = disk->durable;
  look_at_mark(disk);
  return disk;
}

void crash_disk_destroy(struct crash_disk *disk)
{
  for (size_t i = 0; i < disk->inode_count; i++)
    crash_inode_destroy(disk->inodes[i]);
  free(disk->inodes);
  free(disk->namings);
  free(disk->marks);
  free(disk->directory);
  pthread_mutex_destroy(&disk->mutex);
  free(disk);
}

void crash_disk_arm(struct crash_disk *disk, uint64_t calls, enum crash_end end)
{
  pthread_mutex_lock(&disk->mutex);
  disk->end_at = disk->calls + calls;
  disk->end = end;
  pthread_mutex_unlock(&disk->mutex);
}

bool crash_disk_is_dead(struct crash_disk *disk)
{
  pthread_mutex_lock(&disk->mutex);
  bool is_dead = disk->is_dead;
  pthread_mutex_unlock(&disk->mutex);
  return is_dead;
}

void crash_disk_revive(struct crash_disk *disk)
{
  char *path = memory_format("%s/%s", disk->directory, MARK);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd >= 0 && disk->is_dead &&
      pwrite(fd, disk->marks[disk->mark_count - 1], MARK_BYTES, 0) != MARK_BYTES)
    abort();
  if (fd >= 0)
    close(fd);
  free(path);
  disk->is_dead = false;
}

void crash_disk_lie(struct crash_disk *disk, const char *name)
{
  snprintf(disk->lying, sizeof disk->lying, "%s", name);
}

const char *crash_disk_name(const struct crash_disk *disk, const char *path)
{
  size_t size = strlen(disk->directory);
  if (!path || strncmp(path, disk->directory, size) != 0 || path[size] != '/')
    return NULL;
  const char *name = path + size + 1;
  return strcmp(name, BALLAST) != 0 ? name : NULL;
}

static void die(struct crash_disk *disk)
{
  disk->is_dead = true;
  disk->end = CRASH_NEVER;
}

/* One more call, and what it comes to; leaves with the mutex taken. */
static enum crash_answer begin_call(struct crash_disk *disk, bool is_sync)
{
  pthread_mutex_lock(&disk->mutex);
  disk->is_going = false;
  if (disk->is_dead)
    return CRASH_DEAD;
  look_at_mark(disk);
  disk->calls++;
  if (disk->end == CRASH_NEVER || disk->calls <= disk->end_at)
    return CRASH_DONE;
  if (disk->end != CRASH_SYNC_FAILS) {
    disk->is_going = disk->end == CRASH_CUT;
    die(disk);
    return CRASH_DEAD;
  }
  if (!is_sync)
    return CRASH_DONE;
  disk->end = CRASH_NEVER;
  return CRASH_FAILED;
}

static enum crash_answer end_call(struct crash_disk *disk, enum crash_answer answer)
{
  pthread_mutex_unlock(&disk->mutex);
  return answer;
}

enum crash_answer crash_disk_link(struct crash_disk *disk, const char *name)
{
  enum crash_answer answer = begin_call(disk, false);
  if (answer == CRASH_DONE)
    change_name(disk, "", name, new_inode(disk));
  return end_call(disk, answer);
}

enum crash_answer crash_disk_unlink(struct crash_disk *disk, const char *name)
{
  enum crash_answer answer = begin_call(disk, false);
  if (answer == CRASH_DONE && place_of(&disk->live, name, false))
    change_name(disk, name, "", NULL);
  return end_call(disk, answer);
}

enum crash_answer crash_disk_rename(struct crash_disk *disk, const char *from, const char *to)
{
  enum crash_answer answer = begin_call(disk, false);
  if (answer == CRASH_DONE && place_of(&disk->live, from, false))
    change_name(disk, from, to, NULL);
  return end_call(disk, answer);
}

enum crash_answer crash_disk_sync_names(struct crash_disk *disk)
{
  enum crash_answer answer = begin_call(disk, true);
  if (answer == CRASH_DONE) {
    disk->durable = disk->live;
    disk->naming_count = 0;
  }
  return end_call(disk, answer);
}

static struct crash_inode *find(struct crash_disk *disk, const char *name)
{
  struct crash_inode **place = place_of(&disk->live, name, false);
  return place ? *place : NULL;
}

struct crash_inode *crash_disk_find(struct crash_disk *disk, const char *name)
{
  pthread_mutex_lock(&disk->mutex);
  struct crash_inode *inode = find(disk, name);
  pthread_mutex_unlock(&disk->mutex);
  return inode;
}

enum crash_answer crash_disk_write(struct crash_disk *disk, struct crash_inode *inode,
                                   const void *bytes, size_t size, uint64_t offset)
{
  enum crash_answer answer = begin_call(disk, false);
  /* The write in which the power goes is on its way. */
  if (answer == CRASH_DONE || disk->is_going)
    crash_inode_write(inode, bytes, size, offset);
  return end_call(disk, answer);
}

enum crash_answer crash_disk_truncate(struct crash_disk *disk, struct crash_inode *inode,
                                      uint64_t size)
{
  enum crash_answer answer = begin_call(disk, false);
  if (answer == CRASH_DONE)
    crash_inode_truncate(inode, size);
  return end_call(disk, answer);
}

enum crash_answer crash_disk_sync(struct crash_disk *disk, struct crash_inode *inode)
{
  enum crash_answer answer = begin_call(disk, true);
  if (answer == CRASH_FAILED)
    crash_inode_lose(inode);
  else if (answer == CRASH_DONE && (!disk->lying[0] || inode != find(disk, disk->lying)))
    crash_inode_sync(inode);
  return end_call(disk, answer);
}

enum crash_answer crash_disk_sync_mark(struct crash_disk *disk)
{
  enum crash_answer answer = begin_call(disk, false);
  if (answer == CRASH_DONE) {
    memcpy(disk->marks[0], disk->marks[disk->mark_count - 1], MARK_BYTES);
    disk->mark_count = 1;
  }
  return end_call(disk, answer);
}

void crash_disk_cut(struct crash_disk *disk)
{
  pthread_mutex_lock(&disk->mutex);
  if (!disk->is_dead)
    look_at_mark(disk);
  die(disk);
  pthread_mutex_unlock(&disk->mutex);
}

bool crash_disk_kept_mark(const struct crash_disk *disk)
{
  return disk->kept_mark;
}

static void write_file(const char *directory, const char *name, const void *bytes, size_t size)
{
  char *path = memory_format("%s/%s", directory, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
    abort();
  close(fd);
  free(path);
}

/* The first, the last, or any that was seen; a mix with the next where it was on its way. */
static void write_mark(struct crash_disk *disk, const char *directory, uint64_t *seed)
{
  uint8_t page[MARK_FILE_BYTES] = {0};
  size_t last = disk->mark_count - 1;
  uint64_t way = crash_random(seed, 4);
  size_t chosen = way == 0 ? 0 : way == 1 ? last : crash_random(seed, last + 1);
  memcpy(page, disk->marks[chosen], MARK_BYTES);
  disk->kept_mark = chosen == last;
  for (size_t at = 0; way == 3 && chosen < last && at < MARK_BYTES; at += 8)
    if (crash_random(seed, 2))
      memcpy(page + at, disk->marks[chosen + 1] + at, 8);
  write_file(directory, MARK, page, sizeof page);
}

void crash_disk_materialise(struct crash_disk *disk, const char *directory, uint64_t seed)
{
  struct names names = disk->durable;
  uint64_t way = crash_random(&seed, 3);
  size_t kept = way == 0   ? 0
                : way == 1 ? disk->naming_count
                           : crash_random(&seed, disk->naming_count + 1);
  for (size_t i = 0; i < kept; i++)
    apply(&names, &disk->namings[i]);
  for (int i = 0; i < NAMES; i++) {
    struct crash_inode *inode = names.at[i].inode;
    if (!inode)
      continue;
    if (!strcmp(names.at[i].name, MARK)) {
      write_mark(disk, directory, &seed);
      continue;
    }
    size_t size;
    uint8_t *bytes = crash_inode_left(inode, &seed, &size);
    write_file(directory, names.at[i].name, bytes, size);
    free(bytes);
  }
}
