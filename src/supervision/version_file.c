#include "supervision/version_file.h"

#include "base/frame.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FORMAT = 1, CHECKSUM_BYTES = 8, FILE_MAX_BYTES = 64 * 1024 * 1024 };

static const char magic[] = "kaalua version\n";
enum { MAGIC_BYTES = sizeof magic - 1, HEAD_BYTES = MAGIC_BYTES + 4 + CHECKSUM_BYTES };

void version_file_pack(const struct version *version, struct buffer *out)
{
  struct buffer body = {0};
  frame_put_text(&body, version->type);
  frame_put_text(&body, version->path);
  frame_put_text(&body, version->source.chunk);
  frame_put_bytes(&body, version->source.text, version->source.text_bytes);
  frame_put_u32(&body, (uint32_t)version->library->count);
  for (size_t i = 0; i < version->library->count; i++) {
    const struct source *source = &version->library->sources[i];
    frame_put_text(&body, source->module);
    frame_put_text(&body, source->chunk);
    frame_put_bytes(&body, source->text, source->text_bytes);
  }
  buffer_append(out, magic, MAGIC_BYTES);
  frame_put_u32(out, FORMAT);
  frame_put_i64(out, (int64_t)source_hash(0, body.data, body.size_bytes));
  buffer_append(out, body.data, body.size_bytes);
  buffer_clear(&body);
}

/* ---- reading ---- */

static struct library *read_library(struct frame *body)
{
  struct library *library = library_create();
  uint32_t count = frame_get_u32(body);
  for (uint32_t i = 0; i < count && !body->bad; i++) {
    size_t size;
    char *module = frame_get_text(body);
    char *chunk = frame_get_text(body);
    const char *text = frame_get_bytes(body, &size);
    if (!body->bad)
      library_add(library, module, chunk, text, size);
    free(module);
    free(chunk);
  }
  return library;
}

/* Returns one reference, or NULL where the fields do not fit. */
static struct version *read_body(struct frame *body)
{
  size_t size;
  char *type = frame_get_text(body);
  char *path = frame_get_text(body);
  char *chunk = frame_get_text(body);
  const char *text = frame_get_bytes(body, &size);
  struct library *library = read_library(body);
  bool is_whole = !body->bad && body->at == body->size_bytes;
  struct version *version =
      is_whole ? version_create(type, path, chunk, text, size, library) : NULL;
  library_drop(library);
  free(type);
  free(path);
  free(chunk);
  return version;
}

static int unpack(const char *path, const struct buffer *bytes, struct version **version,
                  struct error *error)
{
  if (bytes->size_bytes < HEAD_BYTES || memcmp(bytes->data, magic, MAGIC_BYTES) != 0)
    return error_set(error, -EBADMSG, "%s: damaged", path);
  struct frame head = {.body = bytes->data + MAGIC_BYTES, .size_bytes = HEAD_BYTES - MAGIC_BYTES};
  uint32_t format = frame_get_u32(&head);
  if (format != FORMAT)
    return error_set(error, -EPROTONOSUPPORT, "%s: of the format %u, this program knows %d", path,
                     (unsigned)format, FORMAT);
  struct frame body = {.body = bytes->data + HEAD_BYTES,
                       .size_bytes = bytes->size_bytes - HEAD_BYTES};
  bool is_sound = frame_get_i64(&head) == (int64_t)source_hash(0, body.body, body.size_bytes);
  *version = is_sound ? read_body(&body) : NULL;
  return *version ? 0 : error_set(error, -EBADMSG, "%s: damaged", path);
}

/* Returns 0, or a negative errno. */
static int read_all(int fd, struct buffer *bytes)
{
  enum { PART_BYTES = 16 * 1024 };
  for (;;) {
    ssize_t n = read(fd, buffer_room(bytes, PART_BYTES), PART_BYTES);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? -errno : 0;
    bytes->size_bytes += (size_t)n;
    if (bytes->size_bytes > FILE_MAX_BYTES)
      return -EFBIG;
  }
}

/* Returns a descriptor, or a negative errno. */
static int open_file(const char *path)
{
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (fd < 0)
    return -errno;
  int rc = fstat(fd, &status) < 0 ? -errno : 0;
  bool is_trusted = rc == 0 && S_ISREG(status.st_mode) && !(status.st_mode & (S_IWGRP | S_IWOTH)) &&
                    (status.st_uid == 0 || status.st_uid == geteuid());
  if (rc == 0 && is_trusted)
    return fd;
  close(fd);
  return rc ? rc : -EPERM;
}

static int read_file(const char *path, struct buffer *bytes)
{
  int fd = open_file(path);
  if (fd < 0)
    return fd;
  int rc = read_all(fd, bytes);
  close(fd);
  return rc;
}

int version_file_read(const char *path, struct version **version, struct error *error)
{
  struct buffer bytes = {0};
  int rc = read_file(path, &bytes);
  if (rc == 0)
    rc = unpack(path, &bytes, version, error);
  else
    error_set(error, rc, "%s: %s", path,
              rc == -EPERM ? "no file of the agent's own, or others can write it" : strerror(-rc));
  buffer_clear(&bytes);
  return rc;
}

/* ---- writing ---- */

static bool is_there(const char *path, const char *bytes, size_t size)
{
  struct buffer there = {0};
  bool same = read_file(path, &there) == 0 && there.size_bytes == size &&
              memcmp(there.data ? there.data : "", bytes, size) == 0;
  buffer_clear(&there);
  return same;
}

static int write_all(int fd, const char *bytes, size_t size)
{
  while (size) {
    ssize_t n = write(fd, bytes, size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -errno;
    bytes += n;
    size -= (size_t)n;
  }
  return fsync(fd) < 0 ? -errno : 0;
}

static int write_draft(const char *draft, const char *bytes, size_t size)
{
  unlink(draft); /* of a start that was cut off, perhaps with another mode */
  int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return -errno;
  int rc = write_all(fd, bytes, size);
  if (close(fd) < 0 && rc == 0)
    rc = -errno;
  return rc;
}

/* The name is durable once its directory is. */
static int sync_directory_of(const char *path)
{
  const char *slash = strrchr(path, '/');
  char *directory = slash ? memory_copied(path, (size_t)(slash - path)) : memory_text(".");
  int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int rc = fd < 0 || fsync(fd) < 0 ? -errno : 0;
  if (fd >= 0)
    close(fd);
  free(directory);
  return rc == -EINVAL ? 0 : rc; /* a file system without fsync() of directories */
}

int version_file_write(const char *path, const char *bytes, size_t size, struct error *error)
{
  if (is_there(path, bytes, size))
    return 0;
  char *draft = memory_format("%s.new", path);
  int rc = write_draft(draft, bytes, size);
  if (rc == 0 && rename(draft, path) < 0)
    rc = -errno;
  if (rc < 0)
    unlink(draft);
  else
    rc = sync_directory_of(path);
  free(draft);
  return rc < 0 ? error_set(error, rc, "%s: %s", path, strerror(-rc)) : 0;
}
