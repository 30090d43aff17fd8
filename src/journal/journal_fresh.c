#include "journal/journal_fresh.h"

#include "base/memory.h"
#include "journal/journal_aside.h"
#include "journal/journal_names.h"
#include "journal/journal_rows.h"
#include "journal/journal_salvage.h"
#include "journal/journal_schema.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int create(const char *path)
{
  char *log = memory_format("%s-wal", path);
  unlink(log);
  free(log);
  unlink(path);
  int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0)
    return -errno;
  close(fd);
  return 0;
}

static int fill(struct journal_database *database, const struct journal_fresh *fresh)
{
  struct journal_facts *facts = &database->facts;
  facts->is_lost = fresh->is_lost;
  facts->transaction = fresh->marked.transaction;
  facts->sequence = fresh->marked.sequence;
  facts->message = fresh->marked.message;
  int rc = 0;
  if (fresh->is_lost)
    rc = journal_salvage(database, fresh->damaged, &fresh->marked);
  if (!rc)
    rc = journal_names_boot(database, fresh->options->boot_id);
  facts->transaction++; /* a mark that is left belongs to what was before */
  facts->boot = database->boot;
  return rc ? rc : journal_facts_write(database, facts);
}

static int build(struct journal_database *database, const char *path,
                 const struct journal_fresh *fresh)
{
  int rc = journal_database_open(database, path, false);
  if (!rc)
    rc = journal_schema_migrate(database, 0, JOURNAL_SCHEMA_VERSION, fresh->options->version);
  if (!rc)
    rc = journal_database_run(database, "BEGIN IMMEDIATE");
  if (!rc)
    rc = fill(database, fresh);
  if (!rc)
    rc = journal_database_run(database, "COMMIT");
  /* Out of the log: it has another name than the file will have. */
  return rc ? rc : journal_database_run(database, "PRAGMA wal_checkpoint(TRUNCATE)");
}

static int give_name(const char *from, const char *to, const char *directory)
{
  int rc = journal_aside_sync(from);
  if (!rc && rename(from, to) < 0)
    rc = -errno;
  return rc ? rc : journal_aside_sync(directory);
}

int journal_fresh_make(const struct journal_fresh *fresh, struct error *error)
{
  char *path = memory_format("%s.new", fresh->path);
  struct journal_database database = {0};
  int rc = create(path);
  if (rc) {
    error_set(error, rc, "%s: %s", path, strerror(-rc));
    free(path);
    return rc;
  }
  int fault = build(&database, path, fresh);
  if (fault) {
    rc = (fault & 0xff) == SQLITE_FULL ? -ENOSPC : -EIO;
    error_set(error, rc, "%s: %s", path, database.fault);
  }
  journal_database_close(&database);
  if (!rc && (rc = give_name(path, fresh->path, fresh->options->directory)))
    error_set(error, rc, "%s: %s", fresh->path, strerror(-rc));
  if (rc)
    unlink(path);
  free(path);
  return rc;
}
