#include "worker/children.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SWEEP_MS = 10 }; /* between two sweeps, for orphans that arrive in between */

/* The kernel's own list; it is there where CONFIG_PROC_CHILDREN is. */
static bool kill_listed(void)
{
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
  FILE *list = fopen(path, "re");
  if (!list)
    return false;
  int pid;
  while (fscanf(list, "%d", &pid) == 1)
    kill((pid_t)pid, SIGKILL);
  fclose(list);
  return true;
}

/* The fourth field of /proc/<pid>/stat, behind a name that may hold anything. */
static pid_t parent_of(const char *pid)
{
  char path[64], text[512];
  snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
  FILE *file = fopen(path, "re");
  if (!file)
    return 0;
  size_t n = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[n] = '\0';
  const char *name_end = strrchr(text, ')');
  int parent = 0;
  if (!name_end || sscanf(name_end + 1, " %*c %d", &parent) != 1)
    return 0;
  return (pid_t)parent;
}

static void kill_found(void)
{
  DIR *proc = opendir("/proc");
  if (!proc)
    return;
  pid_t self = getpid();
  struct dirent *entry;
  while ((entry = readdir(proc)))
    if (isdigit((unsigned char)entry->d_name[0]) && parent_of(entry->d_name) == self)
      kill((pid_t)atoi(entry->d_name), SIGKILL);
  closedir(proc);
}

/* Returns false when no child is left. */
static bool reap_all(void)
{
  pid_t pid;
  while ((pid = waitpid(-1, NULL, WNOHANG)) > 0 || (pid < 0 && errno == EINTR)) {
  }
  return pid == 0;
}

void children_end(int died_fd)
{
  struct pollfd died = {.fd = died_fd, .events = POLLIN};
  do {
    if (!kill_listed())
      kill_found();
    poll(&died, 1, SWEEP_MS);
    struct signalfd_siginfo info;
    while (read(died_fd, &info, sizeof info) > 0) { /* one may stand for many */
    }
  } while (reap_all());
}
