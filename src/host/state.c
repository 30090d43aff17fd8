#include "host/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "host/presence.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LOCK_WAIT_MS = 2000, LOCK_STEP_MS = 20 };

/* mkdir -p; all that is new is ours alone. */
static int make_directory(const char *path)
{
  char *partial = memory_text(path);
  int rc = 0;
  for (char *slash = partial + 1; rc == 0 && (slash = strchr(slash, '/')); slash++) {
    *slash = '\0';
    if (mkdir(partial, 0755) < 0 && errno != EEXIST)
      rc = -errno;
    *slash = '/';
  }
  if (rc == 0 && mkdir(partial, 0700) < 0 && errno != EEXIST)
    rc = -errno;
  free(partial);
  return rc;
}

static int take_lock(int fd)
{
  int64_t deadline = clock_monotonic_ms() + LOCK_WAIT_MS;
  while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return -errno;
    if (clock_monotonic_ms() >= deadline)
      return -EBUSY;
    poll(NULL, 0, LOCK_STEP_MS); /* flock() knows no deadline */
  }
  return 0;
}

/* "kaalua-" and 16 random hexadecimal digits: 23 characters, what every broker
 * takes (MQTT 3.1.1, 3.1.3.1). */
static char *new_client_id(void)
{
  uint64_t random = 0;
  if (getrandom(&random, sizeof random, 0) < 0)
    random = (uint64_t)clock_wall_ms() << 16 ^ (uint64_t)getpid();
  return memory_format("kaalua-%016llx", (unsigned long long)random);
}

static char *read_client_id(const char *path)
{
  char text[64] = "";
  FILE *file = fopen(path, "re");
  if (!file)
    return NULL;
  bool good = fgets(text, sizeof text, file) && strlen(text) >= 8 &&
              strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") >= strlen(text) - 1;
  fclose(file);
  text[strcspn(text, "\n")] = '\0';
  return good ? memory_text(text) : NULL;
}

/* A file system that takes no file costs the same id next time, nothing else. */
static void keep_client_id(const char *path, const char *id)
{
  FILE *file = fopen(path, "we");
  if (!file)
    return;
  fprintf(file, "%s\n", id);
  fclose(file);
}

static void read_boot_id(char *id, size_t size)
{
  FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
  if (!file || !fgets(id, (int)size, file))
    *id = '\0';
  id[strcspn(id, "\n")] = '\0';
  if (file)
    fclose(file);
}

static int open_lock(struct state *state)
{
  char *path = memory_format("%s/lock", state->path);
  state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (state->lock_fd < 0 && errno == EROFS) {
    state->is_read_only = true;
    state->lock_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  }
  int rc = state->lock_fd < 0 ? -errno : 0;
  free(path);
  if (rc != -ENOENT || !state->is_read_only)
    return rc;
  log_warn("agent", "the state directory is read-only and has no lock: another agent is not noticed",
           "state", state->path);
  return 0;
}

/* Nobody else is at work on it. */
static int become_alone(struct state *state, struct error *error)
{
  int rc = open_lock(state);
  if (rc == 0 && state->lock_fd >= 0)
    rc = take_lock(state->lock_fd);
  if (rc == -EBUSY)
    return error_set(error, rc, "state directory %s: another agent is running on it", state->path);
  if (rc == 0) {
    rc = presence_open(state->path);
    state->presence_fd = rc > 0 ? rc : 0;
  }
  if (rc < 0)
    return error_set(error, rc, "state directory %s: %s", state->path, strerror(-rc));
  rc = presence_wait_alone(state->presence_fd, error);
  return rc < 0 ? error_prefix(error, "state directory %s: ", state->path) : 0;
}

int state_open(struct state *state, const char *path, struct error *error)
{
  *state = (struct state){.path = memory_text(path), .lock_fd = -1};
  read_boot_id(state->boot_id, sizeof state->boot_id);
  int rc = make_directory(path);
  if (rc < 0)
    return error_set(error, rc, "state directory %s: %s", path, strerror(-rc));
  rc = become_alone(state, error);
  if (rc < 0)
    return rc;
  char *id_path = memory_format("%s/client-id", path);
  state->client_id = read_client_id(id_path);
  if (!state->client_id) {
    state->client_id = new_client_id();
    keep_client_id(id_path, state->client_id);
  }
  free(id_path);
  return 0;
}

void state_close(struct state *state)
{
  if (state->presence_fd > 0)
    close(state->presence_fd);
  if (state->lock_fd >= 0)
    close(state->lock_fd);
  free(state->path);
  free(state->client_id);
  *state = (struct state){.lock_fd = -1};
}
