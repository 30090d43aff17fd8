#include "host/sources.h"

#include "base/buffer.h"
#include "base/clock.h"
#include "base/memory.h"
#include "kp/name.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file whose time stamp is younger than this may change again within the
 * stamp's grain, and is read again. */
enum { STAMP_GRAIN_MS = 2000, LIBRARY_DEPTH_MAX = 8 };

static const char library_folder[] = "lib/";

struct source_stamp {
  dev_t device;
  ino_t inode;
  off_t size;
  struct timespec modified, changed;
  mode_t mode;
  uid_t owner;
};

struct directory {
  char *path;
  struct source_file *files;
  size_t count;
  char *fault; /* of the directory itself */
  bool was_read;
};

struct sources {
  struct directory *directories;
  size_t count;
  struct source_file **files; /* that count, sorted by name */
  size_t file_count;
  struct library *library;
};

static void clear_file(struct source_file *file)
{
  free(file->name);
  free(file->path);
  free(file->text);
  free(file->fault);
  free(file->stamp);
}

static void clear_files(struct source_file *files, size_t count)
{
  for (size_t i = 0; i < count; i++)
    clear_file(&files[i]);
  free(files);
}

struct sources *sources_create(const char *const *directories, size_t count)
{
  struct sources *sources = memory_zeroed(1, sizeof *sources);
  sources->directories = memory_zeroed(count, sizeof *sources->directories);
  sources->count = count;
  for (size_t i = 0; i < count; i++)
    sources->directories[i].path = memory_text(directories[i]);
  sources->library = library_create();
  return sources;
}

void sources_destroy(struct sources *sources)
{
  if (!sources)
    return;
  for (size_t i = 0; i < sources->count; i++) {
    struct directory *directory = &sources->directories[i];
    clear_files(directory->files, directory->count);
    free(directory->path);
    free(directory->fault);
  }
  free(sources->directories);
  free(sources->files);
  library_drop(sources->library);
  free(sources);
}

static bool is_library(const char *name)
{
  return !strncmp(name, library_folder, sizeof library_folder - 1);
}

static struct source_stamp stamp_of(const struct stat *status)
{
  return (struct source_stamp){
      .device = status->st_dev,
      .inode = status->st_ino,
      .size = status->st_size,
      .modified = status->st_mtim,
      .changed = status->st_ctim,
      .mode = status->st_mode,
      .owner = status->st_uid,
  };
}

static bool is_same_time(struct timespec a, struct timespec b)
{
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(const struct source_stamp *was, const struct source_stamp *is)
{
  int64_t age_ms = clock_wall_ms() - (int64_t)is->changed.tv_sec * 1000;
  return was->device == is->device && was->inode == is->inode && was->size == is->size &&
         was->mode == is->mode && was->owner == is->owner &&
         is_same_time(was->modified, is->modified) && is_same_time(was->changed, is->changed) &&
         age_ms > STAMP_GRAIN_MS;
}

/* Who may write a handler decides what the device does. Returns owned, or NULL. */
static char *mistrust(const char *path, mode_t mode, uid_t owner)
{
  if (mode & S_IWOTH)
    return memory_format("writable by everybody; mend it with: chmod o-w %s", path);
  if (owner != 0 && owner != geteuid())
    return memory_format("belongs to user %u, neither root nor the agent's user; mend it with: "
                         "chown %u %s", (unsigned)owner, (unsigned)geteuid(), path);
  return NULL;
}

static void read_text(struct source_file *file, int fd, size_t size)
{
  struct buffer text = {0};
  for (;;) {
    char *room = buffer_room(&text, size + 1);
    ssize_t n = read(fd, room, size + 1);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    text.size_bytes += (size_t)n;
    if (text.size_bytes > SOURCE_MAX_BYTES)
      break;
  }
  file->text_bytes = text.size_bytes;
  file->text = buffer_take(&text);
}

/* Fills `file` from what the path leads to; `was` (or NULL) is the same name at
 * the last scan, whose text is taken over where nothing changed. */
static void read_file(struct source_file *file, struct source_file *was)
{
  int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat status;
  if (fd < 0 || fstat(fd, &status) < 0) {
    file->fault = memory_format("%s", strerror(errno));
    if (fd >= 0)
      close(fd);
    return;
  }
  struct source_stamp stamp = stamp_of(&status);
  if (was && was->stamp && is_unchanged(was->stamp, &stamp)) {
    file->text = was->text;
    file->text_bytes = was->text_bytes;
    file->fault = was->fault;
    was->text = was->fault = NULL;
  } else if (!S_ISREG(status.st_mode)) {
    file->fault = memory_text("not a regular file");
  } else if (status.st_size > SOURCE_MAX_BYTES) {
    file->fault = memory_format("%lld bytes are too many for a handler file, the limit is %d",
                                (long long)status.st_size, SOURCE_MAX_BYTES);
  } else {
    file->fault = mistrust(file->path, status.st_mode, status.st_uid);
    if (!file->fault)
      read_text(file, fd, (size_t)status.st_size);
  }
  file->stamp = memory_zeroed(1, sizeof *file->stamp);
  *file->stamp = stamp;
  close(fd);
}

static struct source_file *find_name(struct source_file *files, size_t count, const char *name)
{
  for (size_t i = 0; i < count; i++)
    if (!strcmp(files[i].name, name))
      return &files[i];
  return NULL;
}

static bool has_lua_ending(const char *name)
{
  size_t size = strlen(name);
  return name[0] != '.' && size > 4 && !strcmp(name + size - 4, ".lua");
}

static void add_file(struct directory *found, struct directory *was, const char *name)
{
  found->files = memory_resized(found->files, (found->count + 1) * sizeof *found->files);
  struct source_file *file = &found->files[found->count++];
  *file = (struct source_file){.name = memory_text(name),
                               .path = memory_format("%s/%s", found->path, name)};
  read_file(file, find_name(was->files, was->count, name));
  size_t type_bytes = strlen(name) - 4;
  if (is_library(name) || file->fault)
    return;
  if (!name_is_type(name, type_bytes))
    file->fault = memory_format("\"%.*s\" is no command type: 1 to 64 of A-Z a-z 0-9 _ -, not all "
                                "digits, not status or error", (int)type_bytes, name);
  else if (!strncmp(name, "kaalua-", 7))
    file->fault = memory_text("types that begin with kaalua- are the agent's own");
}

/* Adds what lies in a folder of the directory ("" or "lib/…"). Returns 0 or -errno. */
static int scan_folder(struct directory *found, struct directory *was, const char *folder, int depth)
{
  char *path = memory_format("%s/%s", found->path, folder);
  DIR *stream = opendir(path);
  int rc = stream ? 0 : -errno;
  free(path);
  if (!stream)
    return rc;
  for (struct dirent *entry; (entry = readdir(stream));) {
    if (entry->d_name[0] == '.')
      continue;
    char *name = memory_format("%s%s", folder, entry->d_name);
    struct stat status;
    bool is_folder = fstatat(dirfd(stream), entry->d_name, &status, 0) == 0 && S_ISDIR(status.st_mode);
    if (is_folder && depth < LIBRARY_DEPTH_MAX && (*folder || !strcmp(name, "lib"))) {
      char *inner = memory_format("%s/", name);
      int inner_rc = scan_folder(found, was, inner, depth + 1);
      rc = rc ? rc : inner_rc;
      free(inner);
    } else if (!is_folder && has_lua_ending(entry->d_name)) {
      add_file(found, was, name);
    }
    free(name);
  }
  closedir(stream);
  return rc;
}

static void scan_directory(struct directory *directory)
{
  free(directory->fault);
  directory->fault = NULL;
  struct directory found = {.path = directory->path};
  struct stat status;
  int rc = stat(directory->path, &status) < 0 ? -errno : 0;
  if (rc == 0)
    directory->fault = mistrust(directory->path, status.st_mode, status.st_uid);
  if (rc == 0 && !directory->fault)
    rc = scan_folder(&found, directory, "", 0);
  if (rc < 0)
    directory->fault = memory_text(strerror(-rc));
  if (directory->fault) {
    char *said = directory->fault;
    directory->fault = memory_format("%s: %s", directory->path, said);
    free(said);
    clear_files(found.files, found.count);
    return;
  }
  clear_files(directory->files, directory->count);
  directory->files = found.files;
  directory->count = found.count;
  directory->was_read = true;
}

/* "lib/drivers/valve.lua" → "drivers.valve"; returns owned. */
static char *module_of(const char *name)
{
  const char *start = name + sizeof library_folder - 1;
  char *module = memory_copied(start, strlen(start) - 4);
  for (char *c = module; *c; c++)
    if (*c == '/')
      *c = '.';
  return module;
}

/* By name; of one name the later directory's first. */
static int compare_files(const void *a, const void *b)
{
  const struct source_file *left = *(const struct source_file *const *)a;
  const struct source_file *right = *(const struct source_file *const *)b;
  int order = strcmp(left->name, right->name);
  return order ? order : right->directory - left->directory;
}

/* Sorts what all directories have and keeps one file of each name. */
static void choose_files(struct sources *sources)
{
  size_t total = 0, count = 0;
  for (size_t i = 0; i < sources->count; i++)
    total += sources->directories[i].count;
  sources->files = memory_resized(sources->files, (total + 1) * sizeof *sources->files);
  for (size_t i = 0; i < sources->count; i++)
    for (size_t j = 0; j < sources->directories[i].count; j++) {
      struct source_file *file = &sources->directories[i].files[j];
      file->directory = (int)i;
      sources->files[count++] = file;
    }
  if (count)
    qsort(sources->files, count, sizeof *sources->files, compare_files);
  sources->file_count = 0;
  for (size_t i = 0; i < count; i++)
    if (!i || strcmp(sources->files[i]->name, sources->files[sources->file_count - 1]->name))
      sources->files[sources->file_count++] = sources->files[i];
}

static void gather_library(struct sources *sources)
{
  struct library *library = library_create();
  for (size_t i = 0; i < sources->file_count; i++) {
    const struct source_file *file = sources->files[i];
    if (!is_library(file->name) || file->fault)
      continue;
    char *module = module_of(file->name);
    library_add(library, module, file->name, file->text, file->text_bytes);
    free(module);
  }
  if (library->hash == sources->library->hash && library->count == sources->library->count) {
    library_drop(library); /* running versions share the old one */
    return;
  }
  library_drop(sources->library);
  sources->library = library;
}

void sources_scan(struct sources *sources)
{
  for (size_t i = 0; i < sources->count; i++)
    scan_directory(&sources->directories[i]);
  choose_files(sources);
  gather_library(sources);
}

const struct source_file *sources_at(const struct sources *sources, size_t n)
{
  return n < sources->file_count ? sources->files[n] : NULL;
}

bool source_file_is_library(const struct source_file *file)
{
  return is_library(file->name);
}

static int compare_name(const void *name, const void *file)
{
  return strcmp(name, (*(const struct source_file *const *)file)->name);
}

const struct source_file *sources_find(const struct sources *sources, const char *type)
{
  if (!sources->file_count)
    return NULL;
  char *name = memory_format("%s.lua", type);
  struct source_file **found = bsearch(name, sources->files, sources->file_count,
                                       sizeof *sources->files, compare_name);
  free(name);
  return found ? *found : NULL;
}

char *sources_type_of(const struct source_file *file)
{
  return memory_copied(file->name, strlen(file->name) - 4);
}

const char *sources_shadowed(const struct sources *sources, const struct source_file *file,
                             size_t n)
{
  for (int i = file->directory - 1; i >= 0; i--) {
    const struct directory *directory = &sources->directories[i];
    const struct source_file *earlier = find_name(directory->files, directory->count, file->name);
    if (earlier && n-- == 0)
      return earlier->path;
  }
  return NULL;
}

struct library *sources_library(const struct sources *sources)
{
  return sources->library;
}

int sources_directory_of(const struct sources *sources, const char *path)
{
  const char *slash = strrchr(path, '/');
  for (size_t i = sources->count; slash && i-- > 0;) {
    const char *directory = sources->directories[i].path;
    size_t size = strlen(directory);
    if (path + size == slash && !strncmp(directory, path, size))
      return (int)i;
  }
  return -1;
}

bool sources_directory_was_read(const struct sources *sources, int directory)
{
  return sources->directories[directory].was_read;
}

const char *sources_directory_fault(const struct sources *sources, int directory)
{
  return sources->directories[directory].fault;
}

const char *sources_fault(const struct sources *sources, size_t n)
{
  for (size_t i = 0; i < sources->count; i++)
    if (sources->directories[i].fault && n-- == 0)
      return sources->directories[i].fault;
  return NULL;
}
