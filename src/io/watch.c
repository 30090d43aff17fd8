#include "io/watch.h"

#include "base/memory.h"
#include "io/uv_loop.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
  READS_MAX = 16, /* then others have their turn */
  FOLDER_MASK = IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |
                IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF,
  NAME_MASK = IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |
              IN_MOVE_SELF,
};

struct watched {
  char *folder;
  char *only; /* or NULL */
  int descriptor;
  bool is_kept;
};

struct watch {
  struct loop *loop;
  struct watch_ports ports;
  uv_poll_t *poll; /* NULL: no inotify yet */
  int fd;
  struct watched *watched;
  size_t count;
};

struct watch *watch_create(struct loop *loop, const struct watch_ports *ports)
{
  struct watch *watch = memory_zeroed(1, sizeof *watch);
  watch->loop = loop;
  watch->ports = *ports;
  watch->fd = -1;
  return watch;
}

static void free_handle(uv_handle_t *handle)
{
  free(handle);
}

static void clear_watched(struct watched *watched)
{
  free(watched->folder);
  free(watched->only);
}

void watch_destroy(struct watch *watch)
{
  if (!watch)
    return;
  for (size_t i = 0; i < watch->count; i++)
    clear_watched(&watch->watched[i]);
  free(watch->watched);
  if (watch->poll) {
    uv_poll_stop(watch->poll);
    uv_close((uv_handle_t *)watch->poll, free_handle);
  }
  if (watch->fd >= 0)
    close(watch->fd);
  free(watch);
}

static unsigned meaning(uint32_t mask)
{
  unsigned what = 0;
  if (mask & IN_CREATE)
    what |= WATCH_APPEARED;
  if (mask & IN_MODIFY)
    what |= WATCH_WRITTEN;
  if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
    what |= WATCH_CLOSED;
  if (mask & IN_ATTRIB)
    what |= WATCH_TOUCHED;
  if (mask & (IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
    what |= WATCH_GONE;
  if (what && mask & (IN_ISDIR | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
    what |= WATCH_FOLDER;
  return what;
}

static void tell(struct watch *watch, const struct inotify_event *event)
{
  if (event->mask & IN_Q_OVERFLOW) {
    watch->ports.event(watch->ports.context, "", "", WATCH_LOST);
    return;
  }
  unsigned what = meaning(event->mask);
  const char *name = event->len ? event->name : "";
  if (what && !*name)
    what |= WATCH_FOLDER;
  for (size_t i = 0; what && i < watch->count; i++) {
    const struct watched *watched = &watch->watched[i];
    if (watched->descriptor != event->wd)
      continue;
    if (watched->only && *name && (strcmp(watched->only, name) != 0 || what == WATCH_WRITTEN))
      continue;
    watch->ports.event(watch->ports.context, watched->folder, name, what);
  }
}

void watch_catch_up(struct watch *watch)
{
  char *bytes = loop_scratch(watch->loop);
  for (int reads = 0; reads < READS_MAX && watch->fd >= 0; reads++) {
    ssize_t size = read(watch->fd, bytes, LOOP_SCRATCH_BYTES);
    if (size <= 0)
      return;
    for (ssize_t at = 0; at < size;) {
      const struct inotify_event *event = (const struct inotify_event *)(const void *)(bytes + at);
      tell(watch, event);
      at += (ssize_t)(sizeof *event + event->len);
    }
  }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
  (void)status;
  (void)events;
  watch_catch_up(poll->data);
}

static int open_inotify(struct watch *watch, struct error *error)
{
  if (watch->fd >= 0)
    return 0;
  watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (watch->fd < 0)
    return error_set(error, -errno, "inotify: %s%s", strerror(errno),
                     errno == EMFILE ? " (fs.inotify.max_user_instances)" : "");
  watch->poll = memory_zeroed(1, sizeof *watch->poll);
  int rc = uv_poll_init(loop_uv(watch->loop), watch->poll, watch->fd);
  if (rc < 0) {
    close(watch->fd);
    watch->fd = -1;
    free(watch->poll);
    watch->poll = NULL;
    return error_set(error, rc, "inotify: %s", uv_strerror(rc));
  }
  watch->poll->data = watch;
  uv_poll_start(watch->poll, UV_READABLE, on_readable);
  uv_unref((uv_handle_t *)watch->poll);
  return 0;
}

static struct watched *find(struct watch *watch, const char *folder, const char *only)
{
  for (size_t i = 0; i < watch->count; i++) {
    struct watched *watched = &watch->watched[i];
    if (!strcmp(watched->folder, folder) && !watched->only == !only &&
        (!only || !strcmp(watched->only, only)))
      return watched;
  }
  return NULL;
}

/* Two paths may lead to one folder, which has one descriptor. */
static void let_go(struct watch *watch, int descriptor)
{
  for (size_t i = 0; i < watch->count; i++)
    if (watch->watched[i].descriptor == descriptor)
      return;
  if (descriptor >= 0)
    inotify_rm_watch(watch->fd, descriptor);
}

void watch_begin(struct watch *watch)
{
  for (size_t i = 0; i < watch->count; i++)
    watch->watched[i].is_kept = false;
}

int watch_add(struct watch *watch, const char *folder, const char *only, struct error *error)
{
  if (open_inotify(watch, error) < 0)
    return error->code;
  uint32_t mask = only ? NAME_MASK : FOLDER_MASK;
  int descriptor = inotify_add_watch(watch->fd, folder, mask | IN_ONLYDIR | IN_MASK_ADD);
  if (descriptor < 0)
    return error_set(error, -errno, "inotify: %s: %s%s", folder,
                     errno == ENOSPC ? "no watch is left" : strerror(errno),
                     errno == ENOSPC ? " (fs.inotify.max_user_watches)" : "");
  struct watched *watched = find(watch, folder, only);
  if (!watched) {
    watch->watched = memory_resized(watch->watched, (watch->count + 1) * sizeof *watched);
    watched = &watch->watched[watch->count++];
    *watched = (struct watched){
        .folder = memory_text(folder), .only = memory_text(only), .descriptor = descriptor};
  }
  int before = watched->descriptor;
  watched->descriptor = descriptor;
  watched->is_kept = true;
  if (before != descriptor)
    let_go(watch, before); /* another folder is in its place */
  return 0;
}

void watch_end(struct watch *watch)
{
  for (size_t i = 0; i < watch->count;) {
    if (watch->watched[i].is_kept) {
      i++;
      continue;
    }
    int descriptor = watch->watched[i].descriptor;
    clear_watched(&watch->watched[i]);
    watch->watched[i] = watch->watched[--watch->count];
    let_go(watch, descriptor);
  }
}
