#include "supervision/workplace.h"

#include "base/memory.h"
#include "supervision/fetch.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef KAALUA_LIBEXEC
#define KAALUA_LIBEXEC "/usr/libexec/kaalua"
#endif

/* What a worker may know of our environment; no credentials are among them. */
static const char *const passed_on[] = {
    "TZ",
#if defined(__SANITIZE_ADDRESS__)
    "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS",
#endif
};

static char *worker_path(void)
{
  char self[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
  if (n > 0) {
    self[n] = '\0';
    *strrchr(self, '/') = '\0';
    char *beside = memory_format("%s/kaalua-worker", self);
    if (access(beside, X_OK) == 0)
      return beside;
    free(beside);
  }
  return memory_text(KAALUA_LIBEXEC "/kaalua-worker");
}

static char **clean_environment(void)
{
  char **environment = memory_zeroed(4 + sizeof passed_on / sizeof *passed_on, sizeof *environment);
  size_t count = 0;
  environment[count++] =
      memory_text("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  environment[count++] = memory_text("LANG=C.UTF-8");
  environment[count++] = memory_text("HOME=/");
  for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on; i++) {
    const char *value = getenv(passed_on[i]);
    if (value)
      environment[count++] = memory_format("%s=%s", passed_on[i], value);
  }
  return environment;
}

int workplace_open(struct workplace *workplace, struct loop *loop, struct error *error)
{
  char *program = worker_path();
  if (access(program, X_OK) < 0) {
    error_set(error, -ENOENT, "%s: %s; it is built and installed together with kaalua", program,
              strerror(errno));
    free(program);
    return -ENOENT;
  }
  *workplace = (struct workplace){
      .loop = loop,
      .program = program,
      .environment = clean_environment(),
      .private_paths = json_array(),
      .handler_paths = json_array(),
      .fetches = fetch_queue_create(loop),
  };
  handler_user_choose(&workplace->user, NULL, NULL);
  return 0;
}

/* As it was named, links and all: where it leads may change while the agent runs. */
static void add_path(json_t *list, const char *path)
{
  char here[PATH_MAX];
  if (!path || (path[0] != '/' && !getcwd(here, sizeof here)))
    return;
  char *whole = path[0] == '/' ? memory_text(path) : memory_format("%s/%s", here, path);
  json_array_append_new(list, json_string(whole));
  free(whole);
}

void workplace_keep_private(struct workplace *workplace, const char *path)
{
  add_path(workplace->private_paths, path);
}

void workplace_keep_handlers(struct workplace *workplace, const char *path)
{
  add_path(workplace->handler_paths, path);
}

void workplace_close(struct workplace *workplace)
{
  fetch_queue_destroy(workplace->fetches);
  free(workplace->program);
  handler_user_clear(&workplace->user);
  for (char **one = workplace->environment; one && *one; one++)
    free(*one);
  free(workplace->environment);
  json_decref(workplace->private_paths);
  json_decref(workplace->handler_paths);
  *workplace = (struct workplace){0};
}
