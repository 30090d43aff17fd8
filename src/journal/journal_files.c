#include "journal/journal_files.h"

#include "base/clock.h"
#include "base/memory.h"
#include "journal/journal_aside.h"
#include "journal/journal_copy.h"
#include "journal/journal_fresh.h"
#include "journal/journal_load.h"
#include "journal/journal_names.h"
#include "journal/journal_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* SQLite takes an empty file for a new database, and removes its log. What else the header is
 * it judges itself: a page that was torn in a power cut is in the log. */
static int check_header(struct journal_database *database, const char *path)
{
  char header[16] = "";
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  ssize_t n = fd < 0 ? -1 : read(fd, header, sizeof header);
  int rc = n >= 0 || errno == EIO ? 0 : SQLITE_CANTOPEN;
  if (fd >= 0)
    close(fd);
  if (!rc && n < (ssize_t)sizeof header)
    rc = SQLITE_NOTADB;
  if (rc)
    journal_database_fault(database, rc, "opening");
  return rc;
}

static bool has_log(const char *path)
{
  struct stat status;
  char *log = memory_format("%s-wal", path);
  bool is_there = !lstat(log, &status) && status.st_size > 0;
  free(log);
  return is_there;
}

/* No log is fine. */
static int sync_log(const char *path)
{
  char *log = memory_format("%s-wal", path);
  int fd = open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  free(log);
  if (fd < 0)
    return 0; /* opening it says why, where it matters */
  int rc = fsync(fd) < 0 ? -errno : 0;
  close(fd);
  return rc;
}

/* What a killed process had written or named and not synced is read as stored: what is done
 * about it must not be known to the platform only. */
static int sync_left(const char *path, const char *directory, struct error *error)
{
  int rc = sync_log(path);
  if (rc)
    return error_set(error, rc, "%s-wal: %s", path, strerror(-rc));
  rc = journal_aside_sync(directory);
  return rc ? error_set(error, rc, "%s: %s", directory, strerror(-rc)) : 0;
}

/* Killed while its log was being copied into it, a file without that log is half old, half
 * new, and its last number says nothing. */
static bool has_lost_log(struct journal_files *files, const char *path)
{
  int pages = 0;
  if (!journal_mark_is_copying(files->mark))
    return false;
  if (!has_log(path)) {
    journal_mark_set_copying(files->mark, false);
    return false;
  }
  int rc = sqlite3_wal_checkpoint_v2(files->database.handle, NULL, SQLITE_CHECKPOINT_PASSIVE,
                                     &pages, NULL);
  if (!rc && pages > 0)
    journal_mark_set_copying(files->mark, false);
  return !rc && pages <= 0;
}

static int compare_mark(struct journal_files *files, const char *path)
{
  struct journal_database *database = &files->database;
  int64_t lost = journal_mark_get(files->mark).transaction - database->facts.transaction;
  if (lost > 0)
    snprintf(database->fault, sizeof database->fault, "it has lost %lld of its transactions",
             (long long)lost);
  else if (has_lost_log(files, path))
    snprintf(database->fault, sizeof database->fault, "its log is damaged");
  else
    return 0;
  return SQLITE_CORRUPT;
}

static int open_existing(struct journal_files *files, const char *path,
                         const struct journal_options *options, char program[64])
{
  struct journal_database *database = &files->database;
  int version;
  int rc = check_header(database, path);
  if (!rc)
    rc = journal_database_open(database, path, options->is_normal);
  if (!rc)
    rc = journal_schema_check(database, &version, program);
  if (!rc && version < JOURNAL_SCHEMA_VERSION)
    rc = journal_schema_migrate(database, version, JOURNAL_SCHEMA_VERSION, options->version);
  if (!rc)
    rc = journal_load_check(database);
  return rc || !files->mark ? rc : compare_mark(files, path);
}

/* Whether it is the file that is not as it was, or the world around it. */
static bool is_damage(int rc)
{
  switch (rc & 0xff) {
  case SQLITE_CORRUPT:
  case SQLITE_NOTADB:
  case SQLITE_ERROR:
  case SQLITE_FORMAT:
  case SQLITE_CONSTRAINT:
  case SQLITE_MISMATCH:
  case SQLITE_TOOBIG: return true;
  case SQLITE_IOERR:
    return rc == SQLITE_IOERR_READ || rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS;
  default: return false;
  }
}

static int code_of(int rc)
{
  switch (rc & 0xff) {
  case SQLITE_FULL: return -ENOSPC;
  case SQLITE_NOMEM: return -ENOMEM;
  case SQLITE_BUSY:
  case SQLITE_LOCKED: return -EBUSY;
  case SQLITE_CANTOPEN:
  case SQLITE_PERM: return -EACCES;
  case SQLITE_READONLY: return -EROFS;
  default: return -EIO;
  }
}

static int fail(const struct journal_files *files, int rc, const char *path, const char *program,
                struct error *error)
{
  if (rc == SQLITE_SCHEMA)
    return error_set(error, -EPROTONOSUPPORT,
                     "%s was written by a newer kaalua: version %s can read it", path, program);
  bool is_read_only = sqlite3_system_errno(files->database.handle) == EROFS;
  return error_set(error, is_read_only ? -EROFS : code_of(rc), "%s: %s%s", path, files->database.fault,
                   (rc & 0xff) == SQLITE_BUSY ? ": another program has it open" : "");
}

static int prepare_directory(struct journal_files *files, const struct journal_options *options,
                             struct error *error)
{
  const char *directory = options->directory;
  struct statvfs status;
  if (mkdir(directory, 0700) < 0 && errno != EEXIST && errno != EROFS)
    return error_set(error, -errno, "%s: %s", directory, strerror(errno));
  if (statvfs(directory, &status) < 0)
    return error_set(error, -errno, "%s: %s", directory, strerror(errno));
  files->is_read_only = options->is_read_only || (status.f_flag & ST_RDONLY) != 0;
  return 0;
}

static int open_mark(struct journal_files *files, const char *directory, struct error *error)
{
  int rc = 0;
  char *path = memory_format("%s/journal.mark", directory);
  files->mark = journal_mark_open(path, &rc);
  if (rc == -ENOSPC || rc == -EDQUOT)
    rc = 0;
  if (rc)
    error_set(error, rc, "%s: %s", path, strerror(-rc));
  free(path);
  return rc;
}

static struct journal_mark_numbers marked(const struct journal_files *files)
{
  return files->mark ? journal_mark_get(files->mark) : (struct journal_mark_numbers){0};
}

/* A new one in place of what is missing or was set aside. */
static int make_new(struct journal_files *files, const char *path,
                    const struct journal_options *options, const char *damaged, bool is_lost,
                    struct error *error)
{
  char program[64] = "";
  struct journal_fresh fresh = {.path = path,
                                .options = options,
                                .damaged = damaged,
                                .is_lost = is_lost,
                                .marked = marked(files)};
  journal_database_close(&files->database);
  int rc = journal_fresh_make(&fresh, error);
  if (rc)
    return rc;
  if (files->mark)
    journal_mark_set_copying(files->mark, false);
  rc = open_existing(files, path, options, program);
  return rc ? fail(files, rc, path, program, error) : 0;
}

static int recover(struct journal_files *files, const char *path,
                   const struct journal_options *options, struct journal_start *found,
                   struct error *error)
{
  snprintf(found->why, sizeof found->why, "%s", files->database.fault);
  journal_database_close(&files->database);
  char *aside = NULL;
  int rc = journal_aside_move(options->directory, &aside, error);
  if (!rc) {
    snprintf(found->set_aside, sizeof found->set_aside, "%s", aside);
    char *damaged = memory_format("%s/%s", options->directory, aside);
    rc = make_new(files, path, options, damaged, true, error);
    free(damaged);
  }
  free(aside);
  return rc;
}

/* There is none: the first start, or it was removed, or a recovery was cut short. */
static int begin(struct journal_files *files, const char *path,
                 const struct journal_options *options, struct journal_start *found,
                 struct error *error)
{
  char *left = journal_aside_newest(options->directory);
  bool is_lost = left || marked(files).transaction > 0;
  found->is_missing = is_lost;
  if (is_lost)
    snprintf(found->why, sizeof found->why, "it is not there any more");
  if (left)
    snprintf(found->set_aside, sizeof found->set_aside, "%s", left);
  char *damaged = left ? memory_format("%s/%s", options->directory, left) : NULL;
  int rc = journal_aside_finish(options->directory, left, error);
  if (!rc)
    rc = make_new(files, path, options, damaged, is_lost, error);
  free(damaged);
  free(left);
  return rc;
}

static int open_writable(struct journal_files *files, const char *path,
                         const struct journal_options *options, struct journal_start *found,
                         struct error *error)
{
  int rc = open_mark(files, options->directory, error);
  if (rc)
    return rc;
  if (access(path, F_OK) < 0 && errno == ENOENT)
    return begin(files, path, options, found, error);
  if ((rc = sync_left(path, options->directory, error)))
    return rc;
  char program[64] = "";
  rc = open_existing(files, path, options, program);
  if (is_damage(rc))
    return recover(files, path, options, found, error);
  return rc ? fail(files, rc, path, program, error) : 0;
}

static void close_parts(struct journal_files *files)
{
  journal_database_close(&files->database);
  journal_mark_close(files->mark);
  files->mark = NULL;
}

/* The ballast is room for this, too. */
static int open_with_ballast(struct journal_files *files, const struct journal_options *options,
                             struct journal_start *found, struct error *error)
{
  int rc = open_writable(files, files->path, options, found, error);
  char *ballast = memory_format("%s/journal.ballast", options->directory);
  if (rc == -ENOSPC && !unlink(ballast)) {
    close_parts(files);
    rc = open_writable(files, files->path, options, found, error);
  }
  free(ballast);
  return rc;
}

/* A file system that gave up after an error of its disk may not show it before a write. One
 * that is full, the ballast gone, is as good as that: what is done is reported. */
static int open_any(struct journal_files *files, const struct journal_options *options,
                    struct journal_start *found, struct error *error)
{
  int rc = files->is_read_only ? -EROFS : open_with_ballast(files, options, found, error);
  if (rc != -EROFS && rc != -ENOSPC)
    return rc;
  close_parts(files);
  *found = (struct journal_start){.is_full = rc == -ENOSPC};
  files->is_read_only = true;
  files->is_full = found->is_full;
  return journal_copy_open(&files->database, files->path, found, error);
}

static int tell(struct journal_files *files, const struct journal_options *options,
                struct journal_start *found, struct error *error)
{
  struct journal_database *database = &files->database;
  found->is_lost = database->facts.is_lost;
  found->was_answered = database->facts.was_answered;
  found->last_sequence = database->facts.sequence;
  found->last_message = database->facts.message;
  char *boot = NULL;
  int rc = database->handle ? journal_names_text(database, database->facts.boot, &boot) : 0;
  found->is_new_boot = boot && strcmp(boot, options->boot_id) != 0;
  free(boot);
  return rc ? error_set(error, -EIO, "journal.db: %s", database->fault) : 0;
}

int journal_files_open(struct journal_files *files, const struct journal_options *options,
                       struct journal_start *found, struct error *error)
{
  *files = (struct journal_files){0};
  *found = (struct journal_start){0};
  int rc = prepare_directory(files, options, error);
  if (rc)
    return rc;
  files->path = memory_format("%s/journal.db", options->directory);
  rc = open_any(files, options, found, error);
  if (!rc)
    rc = tell(files, options, found, error);
  if (!rc && files->mark)
    journal_mark_set(files->mark, &(struct journal_mark_numbers){
                                      files->database.facts.transaction,
                                      files->database.facts.sequence,
                                      files->database.facts.message});
  return rc;
}

int journal_files_checkpoint(struct journal_files *files)
{
  return journal_database_is_due(&files->database) ? journal_files_write_back(files) : 0;
}

int journal_files_write_back(struct journal_files *files)
{
  if (files->mark)
    journal_mark_set_copying(files->mark, true);
  int rc = journal_database_checkpoint(&files->database);
  if (files->mark && !rc)
    journal_mark_set_copying(files->mark, false);
  return (rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_BUSY ? 0 : rc;
}

void journal_files_close(struct journal_files *files)
{
  bool copies = files->mark && files->database.handle;
  if (copies)
    journal_mark_set_copying(files->mark, true);
  journal_database_close(&files->database);
  if (copies && !has_log(files->path))
    journal_mark_set_copying(files->mark, false);
  journal_mark_close(files->mark);
  free(files->path);
  *files = (struct journal_files){0};
}
