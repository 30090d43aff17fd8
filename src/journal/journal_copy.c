#include "journal/journal_copy.h"

#include "base/memory.h"
#include "journal/journal_load.h"
#include "journal/journal_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int copy_bytes(int from, int to)
{
  char bytes[16 * 1024];
  ssize_t n;
  while ((n = read(from, bytes, sizeof bytes)) > 0)
    if (write(to, bytes, (size_t)n) != n)
      return -ENOSPC;
  return n < 0 ? -errno : 0;
}

/* A file that is not there is no fault. */
static int copy_file(const char *from_path, const char *to_path)
{
  int from = open(from_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (from < 0)
    return errno == ENOENT ? 0 : -errno;
  int to = open(to_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  int rc = to < 0 ? -errno : copy_bytes(from, to);
  if (to >= 0)
    close(to);
  close(from);
  return rc;
}

static void remove_copy(const char *directory)
{
  static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char *path = memory_format("%s/%s", directory, names[i]);
    unlink(path);
    free(path);
  }
  rmdir(directory);
}

static int copy_both(const char *path, const char *directory)
{
  char *from = memory_format("%s-wal", path);
  char *log = memory_format("%s/journal.db-wal", directory);
  char *file = memory_format("%s/journal.db", directory);
  int rc = copy_file(path, file);
  if (!rc)
    rc = copy_file(from, log);
  free(from);
  free(log);
  free(file);
  return rc;
}

/* A folder of ours with a copy in it; owned, NULL: no place took it. */
static char *make_copy(const char *path)
{
  static const char *const places[] = {"/dev/shm", "/run", "/tmp"};
  for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
    char *directory = memory_format("%s/kaalua-journal-XXXXXX", places[i]);
    if (mkdtemp(directory)) {
      if (!copy_both(path, directory))
        return directory;
      remove_copy(directory);
    }
    free(directory);
  }
  return NULL;
}

static int open_copy(struct journal_database *database, const char *directory)
{
  char *path = memory_format("%s/journal.db", directory);
  int rc = journal_database_open(database, path, true);
  /* The files go with their last descriptor, also where the process is killed. */
  if (!rc)
    rc = journal_database_run(database, "PRAGMA wal_checkpoint(TRUNCATE)");
  free(path);
  return rc;
}

static int check(struct journal_database *database, char program[64])
{
  int version;
  int rc = journal_schema_check(database, &version, program);
  if (!rc && version < JOURNAL_SCHEMA_VERSION)
    rc = journal_schema_migrate(database, version, JOURNAL_SCHEMA_VERSION, program);
  return rc ? rc : journal_load_check(database);
}

int journal_copy_open(struct journal_database *database, const char *path,
                      struct journal_start *found, struct error *error)
{
  char program[64] = "";
  if (access(path, F_OK) < 0 && errno == ENOENT)
    return 0;
  char *directory = make_copy(path);
  int rc = directory ? open_copy(database, directory) : journal_database_open_kept(database, path, true);
  if (!rc)
    rc = check(database, program);
  if (directory)
    remove_copy(directory);
  free(directory);
  if (rc == SQLITE_SCHEMA)
    return error_set(error, -EPROTONOSUPPORT,
                     "%s was written by a newer kaalua: version %s can read it", path, program);
  if (rc) { /* nothing can be set aside, nothing will be accepted: as if it were empty */
    snprintf(found->why, sizeof found->why, "%s", database->fault);
    journal_database_close(database);
    database->facts.is_lost = true;
  }
  return 0;
}
