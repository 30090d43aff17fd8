#include "supervision/marks_files.h"

#include "base/log.h"
#include "base/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

struct marks_file {
  LIST_ENTRY(marks_file) link;
  struct marks *marks;
  size_t commands; /* whose end is not durable yet */
  bool has_worker;
};

struct marks_files {
  char *directory;
  bool were_there;
  char **old; /* names that were there, ended by NULL; or NULL */
  int64_t count; /* made by this process */
  LIST_HEAD(, marks_file) all;
};

struct marks_files *marks_files_open(const char *state_directory, struct error *error)
{
  char *directory = memory_format("%s/marks", state_directory);
  int rc = mkdir(directory, 0700) < 0 ? -errno : 0;
  if (rc < 0 && rc != -EEXIST) {
    error_set(error, rc, "%s: %s", directory, strerror(-rc));
    free(directory);
    return NULL;
  }
  struct marks_files *files = memory_zeroed(1, sizeof *files);
  files->directory = directory;
  files->were_there = rc == -EEXIST;
  LIST_INIT(&files->all);
  return files;
}

static void remove_file(struct marks_file *file, bool leave)
{
  LIST_REMOVE(file, link);
  if (leave)
    marks_leave(file->marks);
  else
    marks_destroy(file->marks);
  free(file);
}

void marks_files_close(struct marks_files *files)
{
  if (!files)
    return;
  struct marks_file *file;
  while ((file = LIST_FIRST(&files->all)))
    remove_file(file, file->commands > 0);
  for (char **name = files->old; name && *name; name++)
    free(*name);
  free(files->old);
  free(files->directory);
  free(files);
}

bool marks_files_were_there(const struct marks_files *files)
{
  return files->were_there;
}

/* "PID-NUMBER", and no other name: what is still being made is called otherwise. */
static bool is_name(const char *name)
{
  size_t digits = strspn(name, "0123456789");
  const char *rest = name + digits;
  return digits && *rest == '-' && rest[1] && rest[1 + strspn(rest + 1, "0123456789")] == '\0';
}

/* Returns 0, or a negative errno where not all of the names could be read. */
static int list_names(struct marks_files *files)
{
  DIR *listing = opendir(files->directory);
  if (!listing)
    return -errno;
  size_t count = 0;
  struct dirent *entry;
  files->old = memory_zeroed(1, sizeof *files->old);
  while (errno = 0, (entry = readdir(listing))) {
    if (entry->d_name[0] == '.')
      continue;
    files->old = memory_resized(files->old, (count + 2) * sizeof *files->old);
    files->old[count++] = memory_text(entry->d_name);
    files->old[count] = NULL;
  }
  int rc = -errno;
  closedir(listing);
  return rc;
}

int marks_files_read(struct marks_files *files, marks_found *finished,
                     void (*begun)(void *context, int64_t sequence), void *context)
{
  int rc = list_names(files);
  int unread = 0;
  for (char **name = files->old; name && *name; name++) {
    if (!is_name(*name))
      continue;
    int64_t sequence;
    char *path = memory_format("%s/%s", files->directory, *name);
    int failure = marks_read(path, finished, context, &sequence);
    if (failure < 0)
      log_warn("agent", "a file of marks cannot be read", "file", path, "reason",
               strerror(-failure));
    else if (sequence > 0)
      begun(context, sequence);
    unread += failure < 0;
    free(path);
  }
  return rc < 0 ? rc : unread;
}

struct wanted {
  const int64_t *sequences;
  size_t count;
  bool is_named;
};

static void look_for(void *context, int64_t sequence)
{
  struct wanted *wanted = context;
  for (size_t i = 0; i < wanted->count; i++)
    wanted->is_named |= wanted->sequences[i] == sequence;
}

static void look_for_finished(void *context, const struct marks_result *result)
{
  look_for(context, result->sequence);
}

static bool is_wanted(const struct marks_files *files, const char *name, struct wanted wanted)
{
  int64_t begun;
  if (!is_name(name))
    return false;
  char *path = memory_format("%s/%s", files->directory, name);
  int rc = marks_read(path, look_for_finished, &wanted, &begun);
  free(path);
  look_for(&wanted, begun);
  return rc < 0 || wanted.is_named;
}

void marks_files_keep(struct marks_files *files, const int64_t *sequences, size_t count)
{
  const struct wanted wanted = {.sequences = sequences, .count = count};
  char **end = files->old;
  for (char **name = files->old; count && name && *name; name++) {
    if (is_wanted(files, *name, wanted))
      free(*name);
    else
      *end++ = *name;
  }
  if (count && end)
    *end = NULL;
}

void marks_files_remove_old(struct marks_files *files)
{
  for (char **name = files->old; name && *name; name++) {
    char *path = memory_format("%s/%s", files->directory, *name);
    unlink(path);
    free(path);
    free(*name);
  }
  free(files->old);
  files->old = NULL;
}

/* A number that an earlier process of our pid left is passed over. */
struct marks_file *marks_file_create(struct marks_files *files, struct error *error)
{
  struct marks *marks;
  int rc;
  do {
    char *path = memory_format("%s/%d-%lld", files->directory, (int)getpid(),
                               (long long)++files->count);
    marks = marks_create(path, &rc);
    free(path);
  } while (!marks && rc == -EEXIST);
  if (!marks) {
    error_set(error, rc, "%s: %s", files->directory, strerror(-rc));
    return NULL;
  }
  struct marks_file *file = memory_zeroed(1, sizeof *file);
  file->marks = marks;
  file->has_worker = true;
  LIST_INSERT_HEAD(&files->all, file, link);
  return file;
}

int marks_file_fd(const struct marks_file *file)
{
  return marks_fd(file->marks);
}

int64_t marks_file_revoke(struct marks_file *file)
{
  return file ? marks_revoke(file->marks) : 0;
}

int64_t marks_file_cancel(struct marks_file *file, size_t place, int64_t sequence)
{
  return file ? marks_cancel(file->marks, place, sequence) : sequence;
}

void marks_file_look(const struct marks_file *file, marks_found *finished, void *context)
{
  int64_t begun;
  if (file)
    marks_look(file->marks, finished, context, &begun);
}

static void remove_unheld(struct marks_file *file)
{
  if (!file->has_worker && !file->commands)
    remove_file(file, false);
}

void marks_file_release(struct marks_file *file)
{
  if (!file)
    return;
  file->has_worker = false;
  remove_unheld(file);
}

void marks_file_hold(struct marks_file *file, struct command *command)
{
  command->owner = file;
  if (file)
    file->commands++;
}

void marks_file_let_go(struct marks_file *file, struct command *command)
{
  if (!file || command->owner != file)
    return;
  command->owner = NULL;
  file->commands--;
  remove_unheld(file);
}

size_t marks_file_held(const struct marks_file *file)
{
  return file ? file->commands : 0;
}

void marks_file_ended(struct command *command)
{
  struct marks_file *file = command->owner;
  if (!file)
    return;
  marks_count_durable(file->marks);
  file->commands--;
  remove_unheld(file);
}
