#include "journal/journal_aside.h"

#include "base/clock.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char PREFIX[] = "journal.db.damaged-";

static char *new_name(const char *directory)
{
  time_t now = (time_t)(clock_wall_ms() / 1000);
  struct tm parts;
  char date[32];
  strftime(date, sizeof date, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &parts));
  for (int i = 1;; i++) {
    char *name = i == 1 ? memory_format("%s%s", PREFIX, date)
                        : memory_format("%s%s.%d", PREFIX, date, i);
    char *path = memory_format("%s/%s", directory, name);
    bool is_free = access(path, F_OK) < 0;
    free(path);
    if (is_free)
      return name;
    free(name);
  }
}

static int move(const char *directory, const char *name, const char *suffix)
{
  char *from = memory_format("%s/journal.db%s", directory, suffix);
  char *to = memory_format("%s/%s%s", directory, name, suffix);
  int rc = rename(from, to) < 0 && errno != ENOENT ? -errno : 0;
  free(from);
  free(to);
  return rc;
}

static int move_log(const char *directory, const char *name)
{
  int rc = move(directory, name, "-wal");
  if (!rc)
    rc = move(directory, name, "-shm");
  return rc ? rc : journal_aside_sync(directory);
}

int journal_aside_sync(const char *path)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
  if (fd >= 0)
    close(fd);
  return rc;
}

int journal_aside_move(const char *directory, char **name, struct error *error)
{
  *name = new_name(directory);
  int rc = move(directory, *name, "");
  if (!rc)
    rc = move_log(directory, *name);
  if (rc)
    error_set(error, rc, "%s/journal.db is damaged and cannot be set aside: %s", directory,
              strerror(-rc));
  return rc;
}

/* The database goes first: a log that is left alone tells that this was cut short. */
int journal_aside_finish(const char *directory, const char *name, struct error *error)
{
  char *made = name ? NULL : new_name(directory);
  int rc = move_log(directory, name ? name : made);
  free(made);
  if (rc)
    error_set(error, rc, "%s/journal.db-wal cannot be set aside: %s", directory, strerror(-rc));
  return rc;
}

static bool is_log(const char *name)
{
  size_t size = strlen(name);
  return size > 4 && (!strcmp(name + size - 4, "-wal") || !strcmp(name + size - 4, "-shm"));
}

char *journal_aside_newest(const char *directory)
{
  char *newest = NULL;
  DIR *entries = opendir(directory);
  struct dirent *entry;
  while (entries && (entry = readdir(entries))) {
    if (strncmp(entry->d_name, PREFIX, sizeof PREFIX - 1) != 0 || is_log(entry->d_name) ||
        (newest && strverscmp(newest, entry->d_name) >= 0))
      continue;
    free(newest);
    newest = memory_text(entry->d_name);
  }
  if (entries)
    closedir(entries);
  return newest;
}
