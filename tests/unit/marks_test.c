#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/marks.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The host is this process, the worker a child with the descriptor of the file. */

enum { KILLS = 300, DEADLINE_MS = 20000, LARGEST = 2 * MARKS_BYTES, FOUND = 4096 };

static char folder[] = "/tmp/kaalua-marks-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
  (void)state;
  if (!mkdtemp(folder))
    return -1;
  snprintf(path, sizeof path, "%s/marks", folder);
  return 0;
}

static int remove_folder(void **state)
{
  (void)state;
  return rmdir(folder); /* not empty: a test left its file */
}

/* A number that depends on two others in no simple way. */
static uint32_t mixed(uint64_t a, uint64_t b)
{
  uint64_t x = (a + 1) * 0x9e3779b97f4a7c15 ^ (b + 7) * 0xd6e8feb86659fd93;
  x = (x ^ x >> 32) * 0xd6e8feb86659fd93;
  return (uint32_t)(x >> 32);
}

/* ---- what the command with a sequence ends with: all of it follows from the number ---- */

static size_t payload_size(int64_t sequence, uint32_t seed)
{
  uint32_t r = mixed((uint64_t)sequence, seed);
  if (r % 61 == 0)
    return MARKS_BYTES / 2 + r % (MARKS_BYTES / 2);
  if (r % 67 == 0)
    return MARKS_BYTES + r % MARKS_BYTES;
  return r % 5 ? r % 700 : 0;
}

static bool is_kept(int64_t sequence, uint32_t seed)
{
  return payload_size(sequence, seed) < MARKS_BYTES - 512;
}

static void make_payload(char *payload, int64_t sequence, uint32_t seed)
{
  for (size_t i = 0; i < payload_size(sequence, seed); i++)
    payload[i] = (char)mixed((uint64_t)sequence, i);
}

static int status_of(int64_t sequence)
{
  return 100 + (int)(sequence % 500);
}

static void reason_of(int64_t sequence, char reason[64])
{
  snprintf(reason, 64, "%.*s %lld", (int)(sequence % 40), "a reason of a length that is not constant",
           (long long)sequence);
}

static void finish(struct marks *marks, int64_t sequence, uint32_t seed, char *payload)
{
  char reason[64];
  size_t size = payload_size(sequence, seed);
  make_payload(payload, sequence, seed);
  reason_of(sequence, reason);
  marks_finish(marks, status_of(sequence), reason, sequence % 7 ? payload : NULL,
               sequence % 7 ? size : 0, sequence % 11 == 0);
}

/* ---- what marks_read() finds ---- */

struct found {
  uint32_t seed;
  int count;
  int64_t sequences[FOUND];
  bool is_checked;
};

static void expect_same(struct found *found, const struct marks_result *result)
{
  static char payload[LARGEST];
  char reason[64];
  reason_of(result->sequence, reason);
  assert_string_equal(result->reason, reason);
  assert_int_equal(result->status, status_of(result->sequence));
  assert_int_equal(result->waits, result->sequence % 11 == 0);
  if (result->sequence % 7 == 0) {
    assert_null(result->payload);
    return;
  }
  make_payload(payload, result->sequence, found->seed);
  assert_int_equal(result->payload_bytes, payload_size(result->sequence, found->seed));
  assert_memory_equal(result->payload, payload, result->payload_bytes);
}

static void on_found(void *context, const struct marks_result *result)
{
  struct found *found = context;
  assert_in_range(found->count, 0, FOUND - 1);
  found->sequences[found->count++] = result->sequence;
  if (found->is_checked)
    expect_same(found, result);
}

static bool has(const struct found *found, int64_t sequence)
{
  for (int i = 0; i < found->count; i++)
    if (found->sequences[i] == sequence)
      return true;
  return false;
}

/* ---- a worker in a process of its own, that reports what it has finished ---- */

struct writer {
  pid_t pid;
  int reports;
  struct marks *marks;
  int64_t reported;
  int64_t durable;
};

static void write_for_ever(int fd, int reports, uint32_t seed, int64_t last)
{
  static char payload[LARGEST];
  int rc = 0;
  struct marks *marks = marks_attach(fd, &rc);
  if (!marks)
    _exit(2);
  close(fd);
  for (int64_t sequence = 1; sequence <= last; sequence++) {
    marks_begin(marks, sequence);
    finish(marks, sequence, seed, payload);
    if (write(reports, &sequence, sizeof sequence) != sizeof sequence)
      _exit(3);
  }
  marks_destroy(marks);
  _exit(0);
}

static struct marks *create(void)
{
  int rc = 1;
  struct marks *marks = marks_create(path, &rc);
  assert_int_equal(rc, 0);
  assert_non_null(marks);
  return marks;
}

static void start(struct writer *writer, uint32_t seed, int64_t last)
{
  int ends[2];
  *writer = (struct writer){.marks = create()};
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t self = getpid();
  writer->pid = fork();
  assert_true(writer->pid >= 0);
  if (!writer->pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == self)
      write_for_ever(marks_fd(writer->marks), ends[1], seed, last);
    _exit(4);
  }
  close(ends[1]);
  writer->reports = ends[0];
}

/* Takes in one report; false: none came within `timeout_ms`, or there are no more. */
static bool take_report(struct writer *writer, int timeout_ms)
{
  int64_t sequence;
  struct pollfd ready = {.fd = writer->reports, .events = POLLIN};
  if (poll(&ready, 1, timeout_ms) != 1)
    return false;
  if (read(writer->reports, &sequence, sizeof sequence) != sizeof sequence)
    return false;
  assert_int_equal(sequence, writer->reported + 1);
  writer->reported = sequence;
  return true;
}

static void count_durable(struct writer *writer, int64_t up_to)
{
  for (; writer->durable < up_to; writer->durable++)
    marks_count_durable(writer->marks);
}

static void end(struct writer *writer, int expected)
{
  int status;
  while (take_report(writer, DEADLINE_MS)) {
  }
  assert_int_equal(waitpid(writer->pid, &status, 0), writer->pid);
  assert_int_equal(status, expected);
  close(writer->reports);
}

/* A worker that no longer reports waits for what is not durable. With every other seed
 * each result is durable at once, so that each is written over the one before. */
static void follow(struct writer *writer, uint32_t seed, uint32_t reports)
{
  uint32_t lag = seed % 2 ? 0 : mixed(seed, 1) % 400;
  int64_t end_ms = clock_monotonic_ms() + DEADLINE_MS;
  for (uint32_t i = 0; i < reports; i++) {
    while (!take_report(writer, 2)) {
      count_durable(writer, writer->reported);
      assert_true(clock_monotonic_ms() < end_ms);
    }
    if (writer->reported > lag && (!lag || mixed(seed, i) % 3 == 0))
      count_durable(writer, writer->reported - lag);
  }
}

static void spin(uint32_t rounds)
{
  for (volatile uint32_t i = 0; i < rounds; i++) {
  }
}

static bool kill_once(uint32_t seed)
{
  struct writer writer;
  struct found found = {.seed = seed, .is_checked = true};
  int64_t begun;
  start(&writer, seed, INT64_MAX);
  follow(&writer, seed, mixed(seed, 2) % 300);
  spin(mixed(seed, 3) % (seed % 2 ? 1000 : 40000));
  kill(writer.pid, SIGKILL);
  end(&writer, SIGKILL);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_in_range(begun, writer.reported, writer.reported + 1);
  for (int64_t sequence = writer.durable + 1; sequence < begun; sequence++)
    assert_true(has(&found, sequence) || !is_kept(sequence, seed));
  if (begun == writer.reported && begun > writer.durable)
    assert_true(has(&found, begun) || !is_kept(begun, seed));
  for (int i = 0; i < found.count; i++)
    assert_in_range(found.sequences[i], 1, begun);
  bool is_unfinished = begun > writer.durable && !has(&found, begun);
  marks_destroy(writer.marks);
  return is_unfinished;
}

static void a_killed_worker_leaves_all_results_and_at_most_one_without(void **state)
{
  (void)state;
  int unfinished = 0;
  for (uint32_t seed = 0; seed < KILLS; seed++)
    unfinished += kill_once(seed);
  print_message("%d kills, %d in the middle of a command\n", KILLS, unfinished);
  assert_in_range(unfinished, 1, KILLS);
}

static void a_result_too_large_is_durable_before_the_next_begins(void **state)
{
  (void)state;
  uint32_t seed = 1;
  int64_t large = 1;
  while (is_kept(large, seed) || large % 7 == 0)
    large++;
  struct writer writer;
  struct found found = {.seed = seed, .is_checked = true};
  int64_t begun;
  start(&writer, seed, large + 1);
  while (writer.reported < large)
    if (!take_report(&writer, 2))
      count_durable(&writer, writer.reported);
  assert_false(take_report(&writer, 100));
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_int_equal(begun, large);
  assert_false(has(&found, large));
  count_durable(&writer, large - 1);
  assert_false(take_report(&writer, 100));
  count_durable(&writer, large);
  assert_true(take_report(&writer, DEADLINE_MS));
  end(&writer, 0);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_int_equal(begun, large + 1);
  assert_true(has(&found, large + 1));
  marks_destroy(writer.marks);
}

static void a_full_file_makes_the_worker_wait_and_go_on(void **state)
{
  (void)state;
  enum { LAST = 3000 };
  struct writer writer;
  struct found found = {.seed = 2, .is_checked = true};
  int64_t begun;
  start(&writer, 2, LAST);
  while (take_report(&writer, 200)) {
  }
  int64_t stuck = writer.reported;
  assert_in_range(stuck, 1, LAST - 1);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  for (int64_t sequence = 1; sequence <= stuck; sequence++)
    assert_true(has(&found, sequence) || !is_kept(sequence, 2));
  int64_t end_ms = clock_monotonic_ms() + DEADLINE_MS;
  while (writer.reported < LAST) {
    if (!take_report(&writer, 1))
      count_durable(&writer, writer.reported);
    assert_true(clock_monotonic_ms() < end_ms);
  }
  end(&writer, 0);
  marks_destroy(writer.marks);
}

/* A lost wake-up would hang here: each result is waited for by itself. */
static void each_result_that_becomes_durable_wakes_the_worker(void **state)
{
  (void)state;
  enum { ROUNDS = 3000 };
  int ends[2], rc;
  struct marks *marks = create();
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  pid_t pid = fork();
  if (!pid) {
    static const char large[MARKS_BYTES] = "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct marks *own = marks_attach(marks_fd(marks), &rc);
    for (int64_t i = 1; own && i <= ROUNDS; i++) {
      marks_begin(own, i);
      marks_finish(own, 200, "OK", large, sizeof large, 0);
      if (write(ends[1], &i, sizeof i) != sizeof i)
        _exit(1);
    }
    _exit(own ? 0 : 1);
  }
  struct pollfd ready = {.fd = ends[0], .events = POLLIN};
  for (int64_t i = 1, said; i <= ROUNDS; i++) {
    assert_int_equal(poll(&ready, 1, DEADLINE_MS), 1);
    assert_int_equal(read(ends[0], &said, sizeof said), sizeof said);
    spin(mixed((uint64_t)i, 9) % 3000);
    marks_count_durable(marks);
  }
  int status;
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  close(ends[0]);
  close(ends[1]);
  marks_destroy(marks);
}

static void leave(int number)
{
  _exit(number == SIGSEGV ? 9 : 1);
}

/* A worker that finishes `first`, then dies in the middle of the record of `second`: half
 * of its payload is memory that is not there. */
static void die_in_a_record(struct marks *host, int64_t first, int64_t second, bool is_durable)
{
  int status;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (!pid) {
    int rc;
    long page = sysconf(_SC_PAGESIZE);
    struct marks *own = marks_attach(marks_fd(host), &rc);
    char *payload = mmap(NULL, 2 * (size_t)page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    signal(SIGSEGV, leave);
    if (!own || payload == MAP_FAILED || mprotect(payload, (size_t)page, PROT_READ))
      _exit(1);
    marks_begin(own, first);
    marks_finish(own, 200, "first", NULL, 0, 0);
    if (is_durable)
      marks_count_durable(own);
    marks_begin(own, second);
    marks_finish(own, 200, "second", payload, (size_t)page + 1, 0);
    _exit(2);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFEXITED(status));
  assert_int_equal(WEXITSTATUS(status), 9);
}

static void a_result_that_is_half_written_is_none(void **state)
{
  (void)state;
  struct found found = {0};
  int64_t begun;
  struct marks *host = create();
  die_in_a_record(host, 5, 6, false);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_int_equal(begun, 6);
  assert_int_equal(found.count, 1);
  assert_int_equal(found.sequences[0], 5);
  marks_destroy(host);
}

static void a_result_half_written_over_a_durable_one_is_none(void **state)
{
  (void)state;
  struct found found = {0};
  int64_t begun;
  struct marks *host = create();
  die_in_a_record(host, 5, 6, true);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_int_equal(begun, 6);
  assert_int_equal(found.count, 0);
  marks_destroy(host);
}

/* ---- what is in the file, without another process ---- */

static struct marks *attach(struct marks *host)
{
  int rc = 1;
  struct marks *worker = marks_attach(marks_fd(host), &rc);
  assert_non_null(worker);
  return worker;
}

static void a_command_that_has_begun_is_told_without_a_result(void **state)
{
  (void)state;
  struct marks *host = create(), *worker = attach(host);
  struct found found = {.seed = 3};
  int64_t begun = -1;
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_int_equal(begun, 0);
  marks_begin(worker, INT64_MAX);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_true(begun == INT64_MAX);
  assert_int_equal(found.count, 0);
  marks_destroy(worker);
  marks_destroy(host);
}

static void a_cancelled_command_does_not_begin_and_the_others_do(void **state)
{
  (void)state;
  struct marks *host = create(), *worker = attach(host);
  struct found found = {.seed = 3};
  int64_t begun = -1;
  assert_int_equal(marks_begin(worker, 7), 0);
  marks_finish(worker, 200, "", NULL, 0, 0);
  assert_true(marks_cancel(host, 1, 9) == 7);
  assert_true(marks_cancel(host, MARKS_CANCELLED - 1, 10) == 7);
  assert_int_equal(marks_begin(worker, 8), 0);
  assert_false(marks_is_cancelled(worker, 8));
  marks_finish(worker, 200, "", NULL, 0, 0);
  assert_int_equal(marks_begin(worker, 9), -ESTALE);
  assert_int_equal(marks_begin(worker, 10), -ESTALE);
  assert_int_equal(marks_begin(worker, 0), 0); /* a tick */
  assert_false(marks_is_cancelled(worker, 0));
  assert_int_equal(marks_begin(worker, 11), 0);
  assert_true(marks_cancel(host, 0, 11) == 11);
  assert_true(marks_is_cancelled(worker, 11));
  marks_finish(worker, 200, "", NULL, 0, 0);
  assert_int_equal(marks_begin(worker, 12), 0);
  assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
  assert_true(begun == 12);
  marks_revoke(host);
  marks_cancel(host, 0, 13);
  assert_int_equal(marks_begin(worker, 13), -ESTALE);
  assert_int_equal(marks_begin(worker, 14), -ECANCELED);
  marks_destroy(worker);
  marks_destroy(host);
}

struct duel {
  struct marks *worker;
  pthread_barrier_t barrier;
  int rc;
};

enum { DUELS = 20000 };

static void *begin_each(void *context)
{
  struct duel *duel = context;
  for (int64_t sequence = 1; sequence <= DUELS; sequence++) {
    pthread_barrier_wait(&duel->barrier);
    duel->rc = marks_begin(duel->worker, sequence);
    pthread_barrier_wait(&duel->barrier);
  }
  return NULL;
}

static void what_the_host_was_told_of_as_not_begun_does_not_begin(void **state)
{
  (void)state;
  struct marks *host = create();
  struct duel duel = {.worker = attach(host)};
  pthread_t thread;
  int first = 0;
  pthread_barrier_init(&duel.barrier, NULL, 2);
  assert_int_equal(pthread_create(&thread, NULL, begin_each, &duel), 0);
  for (int64_t sequence = 1; sequence <= DUELS; sequence++) {
    pthread_barrier_wait(&duel.barrier);
    for (volatile int64_t wait = sequence % 97 * 8; wait > 0; wait--) {
    }
    int64_t begun = marks_cancel(host, 0, sequence);
    pthread_barrier_wait(&duel.barrier);
    if (begun != sequence)
      assert_int_equal(duel.rc, -ESTALE);
    first += duel.rc == 0;
  }
  pthread_join(thread, NULL);
  pthread_barrier_destroy(&duel.barrier);
  print_message("%d of %d had begun\n", first, DUELS);
  assert_in_range(first, 1, DUELS - 1);
  marks_destroy(duel.worker);
  marks_destroy(host);
}

/* The worker writes each sequence that has begun into a pipe; none may come there that
 * the host was not told of. */
static void nothing_begins_that_the_host_was_not_told_of_when_it_revoked(void **state)
{
  (void)state;
  for (int round = 0; round < KILLS; round++) {
    int rc = 0, ends[2];
    struct marks *marks = marks_create(path, &rc);
    assert_non_null(marks);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    pid_t worker = fork();
    if (!worker) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      struct marks *own = marks_attach(marks_fd(marks), &rc);
      if (!own)
        _exit(2);
      for (int64_t sequence = 1;; sequence++) {
        if (marks_begin(own, sequence)) {
          kill(getpid(), SIGSTOP);
          _exit(marks_begin(own, sequence + 1) && marks_begin(own, 0) ? 0 : 1);
        }
        while (write(ends[1], &sequence, sizeof sequence) < 0) {
        }
        marks_finish(own, 200, "", NULL, 0, 0);
      }
    }
    int64_t last = 0, got;
    int64_t until = clock_monotonic_ms() + round % 5;
    do {
      while (read(ends[0], &got, sizeof got) == sizeof got) {
        if (last)
          marks_count_durable(marks); /* the one before has ended */
        last = got;
      }
    } while (clock_monotonic_ms() < until);
    int64_t begun = marks_revoke(marks);
    struct pollfd more = {.fd = ends[0], .events = POLLIN};
    while (last < begun && poll(&more, 1, 100) > 0) { /* it may be stopped before it tells */
      if (last)
        marks_count_durable(marks);
      assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
    }
    assert_int_equal(poll(&more, 1, 2), 0);
    assert_true(last == begun || last == begun - 1);
    int status;
    struct found found = {0};
    assert_int_equal(waitpid(worker, &status, WUNTRACED), worker);
    assert_true(WIFSTOPPED(status));
    assert_int_equal(marks_read(path, on_found, &found, &begun), 0);
    assert_true(begun == last); /* what was refused is taken back */
    kill(worker, SIGCONT);
    assert_int_equal(waitpid(worker, &status, 0), worker);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(ends[0]);
    close(ends[1]);
    marks_destroy(marks);
  }
}

static void an_existing_file_is_not_taken_and_a_destroyed_one_is_gone(void **state)
{
  (void)state;
  int rc = 0;
  int64_t begun = -1;
  struct marks *host = create();
  assert_null(marks_create(path, &rc));
  assert_int_equal(rc, -EEXIST);
  assert_int_equal(fcntl(marks_fd(host), F_GETFD), FD_CLOEXEC);
  marks_destroy(host);
  marks_destroy(NULL);
  assert_int_equal(marks_read(path, on_found, NULL, &begun), -ENOENT);
  assert_int_equal(begun, 0);
  assert_null(marks_create("/nonexistent/marks", &rc));
  assert_int_equal(rc, -ENOENT);
}

/* ---- a file that somebody else has written ---- */

static char *some_results(int count)
{
  static char payload[LARGEST];
  struct marks *host = create(), *worker = attach(host);
  for (int64_t i = 1; i <= count; i++) {
    marks_begin(worker, i);
    marks_finish(worker, 200, "a reason", i % 2 ? payload : NULL, (size_t)i % 2 * 50, 0);
  }
  char *bytes = memory_zeroed(1, MARKS_BYTES);
  assert_int_equal(pread(marks_fd(host), bytes, MARKS_BYTES, 0), MARKS_BYTES);
  marks_destroy(worker);
  marks_destroy(host);
  return bytes;
}

static void put_file(const char *bytes, size_t size)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_int_equal(write(fd, bytes, size), size);
  close(fd);
}

static int read_bytes(const char *bytes, size_t size, struct found *found, int64_t *begun)
{
  put_file(bytes, size);
  found->count = 0;
  return marks_read(path, on_found, found, begun);
}

static void a_changed_bit_in_the_results_is_noticed(void **state)
{
  (void)state;
  enum { RESULTS = 20, HEAD = 64 };
  char *bytes = some_results(RESULTS);
  struct found found = {0};
  int64_t begun;
  assert_int_equal(read_bytes(bytes, MARKS_BYTES, &found, &begun), 0);
  assert_int_equal(found.count, RESULTS);
  size_t end = MARKS_BYTES;
  while (!bytes[end - 1])
    end--;
  for (size_t bit = HEAD * 8; bit < end * 8; bit++) {
    bytes[bit / 8] ^= (char)(1 << bit % 8);
    assert_int_equal(read_bytes(bytes, MARKS_BYTES, &found, &begun), -EBADMSG);
    assert_int_equal(found.count, 0);
    assert_int_equal(begun, 0);
    bytes[bit / 8] ^= (char)(1 << bit % 8);
  }
  free(bytes);
  unlink(path);
}

static void a_torn_file_is_noticed(void **state)
{
  (void)state;
  char *bytes = some_results(20);
  struct found found = {0};
  int64_t begun;
  for (size_t size = 0; size < MARKS_BYTES; size += size < 4096 ? 1 : 4099)
    assert_int_equal(read_bytes(bytes, size, &found, &begun), -EBADMSG);
  bytes = memory_resized(bytes, MARKS_BYTES + 1);
  assert_int_equal(read_bytes(bytes, MARKS_BYTES + 1, &found, &begun), -EBADMSG);
  memset(bytes + 128, 0, MARKS_BYTES - 128); /* the first pages reached the disk only */
  assert_int_equal(read_bytes(bytes, MARKS_BYTES, &found, &begun), -EBADMSG);
  free(bytes);
  unlink(path);
}

/* Random bytes behind, or within, a good beginning: read or refused, never a crash,
 * which the sanitizers would see in an access outside, too. */
static void random_bytes_do_no_harm(void **state)
{
  (void)state;
  enum { ROUNDS = 3000 };
  char *good = some_results(200), *bytes = memory_zeroed(1, MARKS_BYTES);
  int refused = 0;
  for (uint32_t round = 0; round < ROUNDS; round++) {
    struct found found = {0};
    int64_t begun;
    memcpy(bytes, good, MARKS_BYTES);
    uint32_t changes = 1 + mixed(round, 1) % 4;
    for (uint32_t i = 0; i < changes; i++)
      bytes[mixed(round, 10 + i) % (round % 2 ? 96 : MARKS_BYTES / 4)] =
          (char)(mixed(round, 20 + i) % 3 ? mixed(round, 30 + i) : 0xff);
    int rc = read_bytes(bytes, MARKS_BYTES, &found, &begun);
    assert_true(rc == 0 || rc == -EBADMSG);
    refused += rc != 0;
    assert_true(rc == 0 || (!found.count && !begun));
  }
  assert_in_range(refused, ROUNDS / 4, ROUNDS);
  free(good);
  free(bytes);
  unlink(path);
}

static void what_is_no_plain_file_is_refused(void **state)
{
  (void)state;
  int64_t begun;
  struct found found = {0};
  assert_int_equal(symlink("/dev/zero", path), 0);
  assert_int_equal(marks_read(path, on_found, &found, &begun), -ELOOP);
  unlink(path);
  assert_int_equal(mknod(path, S_IFIFO | 0600, 0), 0);
  assert_int_equal(marks_read(path, on_found, &found, &begun), -EBADMSG);
  unlink(path);
  assert_int_equal(marks_read(folder, on_found, &found, &begun), -EBADMSG);
}

static void a_file_cut_short_under_the_host_does_not_end_it(void **state)
{
  (void)state;
  int rc;
  struct marks *host = create();
  assert_int_equal(ftruncate(marks_fd(host), 0), 0);
  marks_count_durable(host);
  assert_null(marks_attach(marks_fd(host), &rc));
  assert_int_equal(rc, -EBADMSG);
  marks_destroy(host);
}

static void a_worker_takes_no_other_descriptor(void **state)
{
  (void)state;
  int rc;
  char bytes[16] = "not marks";
  put_file(bytes, sizeof bytes);
  int fd = open(path, O_RDWR | O_CLOEXEC);
  assert_int_equal(ftruncate(fd, MARKS_BYTES), 0);
  assert_null(marks_attach(fd, &rc));
  assert_int_equal(rc, -EBADMSG);
  close(fd);
  assert_null(marks_attach(fd, &rc));
  assert_int_equal(rc, -EBADF);
  unlink(path);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_killed_worker_leaves_all_results_and_at_most_one_without),
      cmocka_unit_test(a_result_too_large_is_durable_before_the_next_begins),
      cmocka_unit_test(a_full_file_makes_the_worker_wait_and_go_on),
      cmocka_unit_test(each_result_that_becomes_durable_wakes_the_worker),
      cmocka_unit_test(a_result_that_is_half_written_is_none),
      cmocka_unit_test(a_result_half_written_over_a_durable_one_is_none),
      cmocka_unit_test(a_command_that_has_begun_is_told_without_a_result),
      cmocka_unit_test(nothing_begins_that_the_host_was_not_told_of_when_it_revoked),
      cmocka_unit_test(a_cancelled_command_does_not_begin_and_the_others_do),
      cmocka_unit_test(what_the_host_was_told_of_as_not_begun_does_not_begin),
      cmocka_unit_test(an_existing_file_is_not_taken_and_a_destroyed_one_is_gone),
      cmocka_unit_test(a_changed_bit_in_the_results_is_noticed),
      cmocka_unit_test(a_torn_file_is_noticed),
      cmocka_unit_test(random_bytes_do_no_harm),
      cmocka_unit_test(what_is_no_plain_file_is_refused),
      cmocka_unit_test(a_file_cut_short_under_the_host_does_not_end_it),
      cmocka_unit_test(a_worker_takes_no_other_descriptor),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
