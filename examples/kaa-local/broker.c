#include "broker.h"

#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000, STEP_US = 10000 };

struct broker {
  pid_t pid; /* 0: it has ended and is gone */
  int port;
  char *folder; /* NULL: removed */
};

/* Binds to 127.0.0.1; returns the port, or 0 where it is taken. */
static int bind_port(int port)
{
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
  bool is_bound = !bind(fd, (struct sockaddr *)&address, size) && !listen(fd, 1) &&
                  !getsockname(fd, (struct sockaddr *)&address, &size);
  close(fd);
  return is_bound ? ntohs(address.sin_port) : 0;
}

bool broker_is_port_free(int port)
{
  return bind_port(port) != 0;
}

/* The plugin lies beside the program. Returns owned. */
static char *plugin_path(void)
{
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  path[size > 0 ? size : 0] = '\0';
  char *slash = strrchr(path, '/');
  if (slash)
    *slash = '\0';
  return memory_format("%s/kaa-local-plugin.so", path);
}

static int write_configuration(const struct broker *broker, const struct broker_options *options,
                               const char *path, struct error *error)
{
  char *plugin = plugin_path();
  if (access(plugin, R_OK)) {
    int rc = error_set(error, -errno, "the broker's plugin %s: %s", plugin, strerror(errno));
    free(plugin);
    return rc;
  }
  FILE *file = fopen(path, "wxe"); /* in a folder that is ours alone */
  if (file) {
    fprintf(file,
            "listener %d 127.0.0.1\n"
            "user root\n" /* another user would undo the signal at our end; see start() */
            "allow_anonymous true\n" /* the plugin decides */
            "persistence false\n"
            "max_queued_messages 1000000\n" /* 0 would cut who publishes what is denied */
            "max_inflight_messages 1000\n"
            "max_packet_size %d\n"
            "set_tcp_nodelay true\n"
            "log_dest stderr\nlog_type error\n"
            "plugin %s\nplugin_opt_client_id %s\nplugin_opt_password %s\n",
            broker->port, 16 * 1024 * 1024, plugin, options->client_id, options->password);
  }
  free(plugin);
  if (!file || fclose(file))
    return error_set(error, -errno, "cannot write %s: %s", path, strerror(errno));
  return 0;
}

/* In the child. The signal comes when the thread ends that forked; it must not be
 * missed by a parent that has gone already. A group of its own keeps Ctrl-C away: the
 * broker is to end last. */
static void run(const char *program, const char *configuration, pid_t parent)
{
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  signal(SIGPIPE, SIG_DFL);
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (getppid() == parent)
    execl(program, program, "-c", configuration, (char *)NULL);
  _exit(127);
}

static int start(struct broker *broker, const struct broker_options *options,
                 struct error *error)
{
  const char *root = getenv("TMPDIR");
  broker->folder = memory_format("%s/kaa-local.XXXXXX", root && *root ? root : "/tmp");
  if (!mkdtemp(broker->folder)) {
    int rc = error_set(error, -errno, "cannot make the folder %s: %s", broker->folder,
                       strerror(errno));
    free(broker->folder);
    broker->folder = NULL;
    return rc;
  }
  char *configuration = memory_format("%s/mosquitto.conf", broker->folder);
  int rc = write_configuration(broker, options, configuration, error);
  pid_t parent = getpid();
  if (!rc) {
    broker->pid = fork();
    if (!broker->pid)
      run(options->program, configuration, parent);
    if (broker->pid < 0)
      rc = error_set(error, -errno, "cannot start %s: %s", options->program, strerror(errno));
  }
  free(configuration);
  return rc;
}

int broker_start(const struct broker_options *options, struct broker **broker, struct error *error)
{
  if (access(options->program, X_OK))
    return error_set(error, -errno, "the broker %s: %s (package mosquitto, or --mosquitto)",
                     options->program, strerror(errno));
  struct broker *self = memory_zeroed(1, sizeof *self);
  self->port = bind_port(options->port);
  int rc = self->port ? start(self, options, error)
                      : error_set(error, -EADDRINUSE, "port %d of 127.0.0.1 is taken",
                                  options->port);
  if (rc) {
    if (self->pid < 0)
      self->pid = 0;
    broker_stop(self);
    return rc;
  }
  *broker = self;
  return 0;
}

void broker_is_ready(struct broker *broker)
{
  if (!broker->folder)
    return;
  char *configuration = memory_format("%s/mosquitto.conf", broker->folder);
  unlink(configuration);
  rmdir(broker->folder);
  free(configuration);
  free(broker->folder);
  broker->folder = NULL;
}

bool broker_has_ended(struct broker *broker)
{
  if (broker->pid && waitpid(broker->pid, NULL, WNOHANG) == broker->pid)
    broker->pid = 0;
  return !broker->pid;
}

void broker_stop(struct broker *broker)
{
  if (!broker)
    return;
  if (broker->pid)
    kill(broker->pid, SIGTERM);
  for (int waited_us = 0; !broker_has_ended(broker); waited_us += STEP_US) {
    if (waited_us == PATIENCE_MS * 1000)
      kill(broker->pid, SIGKILL);
    usleep(STEP_US);
  }
  broker_is_ready(broker);
  free(broker);
}

int broker_port(const struct broker *broker)
{
  return broker->port;
}
