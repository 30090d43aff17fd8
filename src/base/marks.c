#include "base/marks.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  VERSION = 1,
  RECORDS_AT = 64,
  ALIGNMENT = 8,
  REASON_BYTES = 256,
};

static const char MAGIC[8] = "kaamarks";

/* The file's beginning; records follow at RECORDS_AT, each padded to ALIGNMENT. */
struct page {
  char magic[sizeof MAGIC];
  uint32_t version;
  _Atomic uint32_t durable; /* the host alone writes it; a futex */
  _Atomic int64_t begun;
  _Atomic uint32_t used; /* bytes of whole records */
  _Atomic uint32_t revoked; /* the host alone writes it; not 0: nothing begins any more */
  _Atomic int64_t cancelled[MARKS_CANCELLED]; /* sequences; the host alone writes them */
};

struct record {
  uint64_t checksum; /* of all that follows in the record */
  int64_t sequence;
  uint32_t size_bytes; /* with this head, the reason and its NUL, the payload, the padding */
  uint32_t payload_bytes;
  int32_t status;
  uint16_t reason_bytes;
  uint8_t has_payload;
  uint8_t waits;
};

/* Other processes see these numbers: no lock of this process may guard them. */
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2, "atomics use locks");
_Static_assert(sizeof(struct page) <= RECORDS_AT && sizeof(struct record) == 32, "layout");

struct marks {
  struct page *page;
  int fd;            /* host: for the worker; else -1 */
  char *path;        /* host: owned; else NULL */
  uint32_t finished; /* worker: results so far, kept or not */
  bool is_unkept;    /* worker: the last result is not in the file */
};

static uint64_t checksum_of(const void *bytes, size_t size)
{
  const unsigned char *at = bytes;
  uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ at[i]) * 0x100000001b3;
  return hash;
}

static uint64_t record_checksum(const char *record, size_t size)
{
  return checksum_of(record + sizeof(uint64_t), size - sizeof(uint64_t));
}

static size_t record_size(size_t reason_bytes, size_t payload_bytes)
{
  size_t size = sizeof(struct record) + reason_bytes + 1 + payload_bytes;
  return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static bool is_page(const struct page *page)
{
  return !memcmp(page->magic, MAGIC, sizeof MAGIC) && page->version == VERSION;
}

static struct marks *map(int fd, int *rc)
{
  void *page = mmap(NULL, MARKS_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (page == MAP_FAILED) {
    *rc = -errno;
    return NULL;
  }
  struct marks *marks = memory_zeroed(1, sizeof *marks);
  marks->page = page;
  marks->fd = -1;
  return marks;
}

/* ---- the host ---- */

/* With all its room: a disk that is full later must not end the worker by SIGBUS. */
static int prepare(int fd)
{
  struct page page = {.version = VERSION};
  memcpy(page.magic, MAGIC, sizeof MAGIC);
  int rc = posix_fallocate(fd, 0, MARKS_BYTES);
  if (rc)
    return -rc;
  ssize_t n = pwrite(fd, &page, sizeof page, 0);
  return n == (ssize_t)sizeof page ? 0 : n < 0 ? -errno : -EIO;
}

/* A file that is there is whole: a host that is killed meanwhile leaves one of another
 * name, not one that cannot be read. Some file systems do not know RENAME_NOREPLACE. */
static int give_name(const char *from, const char *to)
{
  if (!renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE))
    return 0;
  if (errno != EINVAL)
    return -errno;
  return !access(to, F_OK) ? -EEXIST : rename(from, to) ? -errno : 0;
}

static struct marks *make(const char *unnamed, const char *path, int *rc)
{
  unlink(unnamed); /* of a host that was killed meanwhile */
  int fd = open(unnamed, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  if (fd < 0) {
    *rc = -errno;
    return NULL;
  }
  *rc = prepare(fd);
  if (!*rc)
    *rc = give_name(unnamed, path);
  struct marks *marks = *rc ? NULL : map(fd, rc);
  if (!marks) {
    unlink(unnamed);
    close(fd);
    return NULL;
  }
  marks->fd = fd;
  marks->path = memory_text(path);
  return marks;
}

struct marks *marks_create(const char *path, int *rc)
{
  char *unnamed = memory_format("%s.new", path);
  struct marks *marks = make(unnamed, path, rc);
  free(unnamed);
  return marks;
}

int marks_fd(const struct marks *marks)
{
  return marks->fd;
}

/* By the kernel: a worker that cuts the file short gets the host an error here that
 * does not matter, where an access to the memory would end it by SIGBUS. */
static void add_one(_Atomic uint32_t *number)
{
  syscall(SYS_futex, number, FUTEX_WAKE_OP, INT_MAX, 0UL, number,
          FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0));
}

void marks_count_durable(struct marks *marks)
{
  add_one(&marks->page->durable);
}

/* The worker writes what it begins, then looks whether it may; the host forbids it, then
 * looks what was begun. Whichever comes first, one of them sees the other. */
int64_t marks_revoke(struct marks *marks)
{
  int64_t begun = 0;
  add_one(&marks->page->revoked);
  atomic_thread_fence(memory_order_seq_cst);
  ssize_t n = pread(marks->fd, &begun, sizeof begun, offsetof(struct page, begun));
  return n == (ssize_t)sizeof begun ? begun : 0;
}

/* As marks_revoke(), of one command. */
int64_t marks_cancel(struct marks *marks, size_t place, int64_t sequence)
{
  int64_t begun = sequence;
  off_t at = (off_t)(offsetof(struct page, cancelled) + place * sizeof sequence);
  if (pwrite(marks->fd, &sequence, sizeof sequence, at) != (ssize_t)sizeof sequence)
    return sequence;
  atomic_thread_fence(memory_order_seq_cst);
  ssize_t n = pread(marks->fd, &begun, sizeof begun, offsetof(struct page, begun));
  return n == (ssize_t)sizeof begun ? begun : sequence;
}

void marks_leave(struct marks *marks)
{
  free(marks->path);
  marks->path = NULL;
  marks_destroy(marks);
}

void marks_destroy(struct marks *marks)
{
  if (!marks)
    return;
  munmap(marks->page, MARKS_BYTES);
  if (marks->path)
    unlink(marks->path);
  if (marks->fd >= 0)
    close(marks->fd);
  free(marks->path);
  free(marks);
}

/* ---- the worker ---- */

struct marks *marks_attach(int fd, int *rc)
{
  struct stat status;
  if (fstat(fd, &status)) {
    *rc = -errno;
    return NULL;
  }
  if (!S_ISREG(status.st_mode) || status.st_size != MARKS_BYTES) {
    *rc = -EBADMSG;
    return NULL;
  }
  struct marks *marks = map(fd, rc);
  if (marks && !is_page(marks->page)) {
    marks_destroy(marks);
    *rc = -EBADMSG;
    return NULL;
  }
  return marks;
}

static bool all_durable(const struct marks *marks)
{
  return atomic_load_explicit(&marks->page->durable, memory_order_acquire) == marks->finished;
}

static void wait_until_all_durable(struct marks *marks)
{
  uint32_t durable;
  while ((durable = atomic_load_explicit(&marks->page->durable, memory_order_acquire)) !=
         marks->finished)
    syscall(SYS_futex, &marks->page->durable, FUTEX_WAIT, durable, NULL, NULL, 0);
}

static bool is_revoked(const struct marks *marks)
{
  return atomic_load_explicit(&marks->page->revoked, memory_order_seq_cst) != 0;
}

bool marks_is_cancelled(const struct marks *marks, int64_t sequence)
{
  for (size_t i = 0; sequence && i < MARKS_CANCELLED; i++)
    if (atomic_load_explicit(&marks->page->cancelled[i], memory_order_seq_cst) == sequence)
      return true;
  return false;
}

int marks_begin(struct marks *marks, int64_t sequence)
{
  if (!sequence)
    return is_revoked(marks) ? -ECANCELED : 0;
  if (marks->is_unkept)
    wait_until_all_durable(marks);
  marks->is_unkept = false;
  int64_t before = atomic_load_explicit(&marks->page->begun, memory_order_relaxed);
  atomic_store_explicit(&marks->page->begun, sequence, memory_order_seq_cst);
  atomic_thread_fence(memory_order_seq_cst);
  bool is_cancelled = marks_is_cancelled(marks, sequence);
  if (!is_cancelled && !is_revoked(marks))
    return 0;
  atomic_store_explicit(&marks->page->begun, before, memory_order_seq_cst);
  return is_cancelled ? -ESTALE : -ECANCELED;
}

/* Returns where `size` bytes of record go: behind the others, or at the start where
 * none of the others is needed any more. */
static size_t room_for(struct marks *marks, size_t size)
{
  size_t used = atomic_load_explicit(&marks->page->used, memory_order_relaxed);
  if (used + size > MARKS_BYTES - RECORDS_AT)
    wait_until_all_durable(marks);
  if (!all_durable(marks))
    return used;
  atomic_store_explicit(&marks->page->used, 0, memory_order_relaxed);
  atomic_thread_fence(memory_order_seq_cst); /* before the first byte is overwritten */
  return 0;
}

static void write_record(struct marks *marks, struct record *head, const char *reason,
                         const char *payload)
{
  size_t at = room_for(marks, head->size_bytes);
  char *record = (char *)marks->page + RECORDS_AT + at;
  memset(record, 0, head->size_bytes);
  memcpy(record, head, sizeof *head);
  memcpy(record + sizeof *head, reason, head->reason_bytes);
  if (payload)
    memcpy(record + sizeof *head + head->reason_bytes + 1, payload, head->payload_bytes);
  head->checksum = record_checksum(record, head->size_bytes);
  memcpy(record, &head->checksum, sizeof head->checksum);
  atomic_store_explicit(&marks->page->used, (uint32_t)(at + head->size_bytes),
                        memory_order_release);
}

void marks_finish(struct marks *marks, int status, const char *reason, const char *payload,
                  size_t payload_bytes, int waits)
{
  struct record head = {.sequence = atomic_load_explicit(&marks->page->begun, memory_order_relaxed),
                        .status = status,
                        .reason_bytes = (uint16_t)strnlen(reason, REASON_BYTES),
                        .has_payload = payload != NULL,
                        .waits = waits != 0};
  if (payload_bytes < MARKS_BYTES)
    head.size_bytes = (uint32_t)record_size(head.reason_bytes, payload ? payload_bytes : 0);
  head.payload_bytes = payload ? (uint32_t)payload_bytes : 0;
  marks->is_unkept = !head.size_bytes || head.size_bytes > MARKS_BYTES - RECORDS_AT;
  if (!marks->is_unkept)
    write_record(marks, &head, reason, payload);
  marks->finished++;
}

/* ---- the next host ---- */

/* Returns the size of the record at `record`, of which `left` bytes are there, or 0
 * where it is none. */
static size_t check_record(const char *record, size_t left, struct record *head)
{
  if (left < sizeof *head)
    return 0;
  memcpy(head, record, sizeof *head);
  if (head->size_bytes > left || head->payload_bytes > left || head->reason_bytes > REASON_BYTES ||
      head->size_bytes != record_size(head->reason_bytes, head->payload_bytes))
    return 0;
  const char *reason = record + sizeof *head;
  bool is_whole = head->checksum == record_checksum(record, head->size_bytes) &&
                  strnlen(reason, (size_t)head->reason_bytes + 1) == head->reason_bytes;
  bool is_sane = head->sequence > 0 && (head->has_payload || !head->payload_bytes);
  return is_whole && is_sane ? head->size_bytes : 0;
}

static bool check_records(const char *records, size_t used)
{
  struct record head;
  size_t size;
  for (size_t at = 0; at < used; at += size)
    if (!(size = check_record(records + at, used - at, &head)))
      return false;
  return true;
}

static void give_records(const char *records, size_t used, marks_found *finished, void *context)
{
  struct record head;
  for (size_t at = 0; at < used; at += head.size_bytes) {
    memcpy(&head, records + at, sizeof head);
    const char *reason = records + at + sizeof head;
    struct marks_result result = {.sequence = head.sequence,
                                  .status = head.status,
                                  .reason = reason,
                                  .payload = head.has_payload ? reason + head.reason_bytes + 1 : NULL,
                                  .payload_bytes = head.payload_bytes,
                                  .waits = head.waits != 0};
    finished(context, &result);
  }
}

static int read_whole(int fd, char *bytes)
{
  struct stat status;
  int rc = fstat(fd, &status) ? -errno : 0;
  if (!rc && (!S_ISREG(status.st_mode) || status.st_size != MARKS_BYTES))
    rc = -EBADMSG;
  for (size_t at = 0; !rc && at < MARKS_BYTES;) {
    ssize_t n = pread(fd, bytes + at, MARKS_BYTES - at, (off_t)at);
    if (n > 0)
      at += (size_t)n;
    else if (n == 0 || errno != EINTR)
      rc = n ? -errno : -EBADMSG;
  }
  return rc;
}

static int read_file(int fd, marks_found *finished, void *context, int64_t *begun)
{
  char *bytes = memory_zeroed(1, MARKS_BYTES);
  struct page page;
  int rc = read_whole(fd, bytes);
  *begun = 0;
  memcpy(&page, bytes, sizeof page);
  size_t used = page.used;
  if (!rc && (!is_page(&page) || page.begun < 0 || used > MARKS_BYTES - RECORDS_AT ||
              !check_records(bytes + RECORDS_AT, used)))
    rc = -EBADMSG;
  if (!rc) {
    *begun = page.begun;
    give_records(bytes + RECORDS_AT, used, finished, context);
  }
  free(bytes);
  return rc;
}

int marks_read(const char *path, marks_found *finished, void *context, int64_t *begun)
{
  int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  *begun = 0;
  if (fd < 0)
    return -errno;
  int rc = read_file(fd, finished, context, begun);
  close(fd);
  return rc;
}

int marks_look(const struct marks *marks, marks_found *finished, void *context, int64_t *begun)
{
  return read_file(marks->fd, finished, context, begun);
}
