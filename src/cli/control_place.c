#include "cli/control_place.h"

#include "base/memory.h"
#include "host/faults.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_configuration(struct control_place *place, const struct command_line *line,
                              struct workplace *workplace)
{
  struct config config;
  json_t *faults = json_array();
  int status = command_line_config_status(
      config_load(&config, &line->flags, CONFIG_FOR_HANDLERS, workplace, faults));
  if (status) {
    faults_print(faults, stderr);
  } else {
    place->path = memory_text(config.control);
    place->state = memory_text(config.state);
  }
  config_clear(&config);
  json_decref(faults);
  return status;
}

int control_place_find(struct control_place *place, const struct command_line *line)
{
  *place = (struct control_place){0};
  if (line->flags.state && *line->flags.state) {
    place->path = memory_format("%s/control", line->flags.state);
    place->state = memory_text(line->flags.state);
    place->is_by_state = true;
    return CLI_DONE;
  }
  struct loop *loop = loop_create();
  struct workplace workplace;
  struct error error = {0};
  int status = CLI_USAGE;
  if (workplace_open(&workplace, loop, &error) < 0) {
    fprintf(stderr, "kaalua: %s\n", error.text);
  } else {
    status = read_configuration(place, line, &workplace);
    workplace_close(&workplace);
  }
  loop_destroy(loop);
  return status;
}

void control_place_clear(struct control_place *place)
{
  free(place->path);
  free(place->state);
  *place = (struct control_place){0};
}

/* "user kaalua and group kaalua", numbers where they have no name; returns owned. */
static char *owners(const struct stat *status)
{
  const struct passwd *user = getpwuid(status->st_uid);
  char *name = user ? memory_text(user->pw_name) : memory_format("%u", status->st_uid);
  const struct group *group = getgrgid(status->st_gid);
  char *text = group ? memory_format("user %s and group %s", name, group->gr_name)
                     : memory_format("user %s and group %u", name, status->st_gid);
  free(name);
  return text;
}

/* The first directory on the way that may not be entered, else the socket; returns owned. */
static char *barrier(const char *path)
{
  char *part = memory_text(path);
  for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    if (access(part, X_OK) < 0)
      return part;
    *slash = '/';
  }
  return part;
}

static char *denied(const struct control_place *place)
{
  char *at = barrier(place->path);
  struct stat status;
  if (stat(at, &status) < 0)
    memset(&status, 0, sizeof status);
  char *who = owners(&status);
  char *text = memory_format("permission denied: %s is for %s (mode %04o); ask as one of them, or as "
                             "root", at, who, status.st_mode & 07777);
  free(who);
  free(at);
  return text;
}

static char *nobody(const struct control_place *place, const char *detail)
{
  if (place->is_by_state)
    return memory_format("no agent answers at %s (%s); where its configuration sets `control`, try "
                         "--config", place->path, detail);
  return memory_format("no agent is running on %s (%s at %s)", place->state, detail, place->path);
}

char *control_place_trouble(const struct control_place *place, int code)
{
  switch (code) {
  case ENOENT:
  case ENOTDIR:
    return nobody(place, "no socket");
  case ECONNREFUSED:
    return nobody(place, "a socket that nobody listens to");
  case EACCES:
  case EPERM: return denied(place);
  default: return memory_format("%s: %s", place->path, strerror(code));
  }
}
