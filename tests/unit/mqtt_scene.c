#include "mqtt_scene.h"

#include "base/clock.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, ACCEPT_MS = 5000 };

char *folder_create(void)
{
  char *folder = memory_text("/tmp/kaalua-mqtt-XXXXXX");
  assert_non_null(mkdtemp(folder));
  return folder;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
  (void)status, (void)kind, (void)place;
  return remove(path);
}

void folder_remove(char *folder)
{
  nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  free(folder);
}

char *folder_file(const char *folder, const char *name, const char *content)
{
  char *path = memory_format("%s/%s", folder, name);
  if (content) {
    FILE *stream = fopen(path, "we");
    assert_non_null(stream);
    fputs(content, stream);
    fclose(stream);
  }
  return path;
}

int listener_open(int *port, int backlog)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
  if (backlog >= 0)
    assert_int_equal(listen(fd, backlog), 0);
  assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
  *port = ntohs(address.sin_port);
  return fd;
}

int free_port(void)
{
  int port;
  close(listener_open(&port, -1));
  return port;
}

static bool is_listening(int port)
{
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  bool is = connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
  close(fd);
  return is;
}

struct broker *broker_create(const char *lines)
{
  struct broker *broker = memory_zeroed(1, sizeof *broker);
  broker->folder = folder_create();
  broker->port = free_port();
  char *configuration = memory_format("listener %d 127.0.0.1\nuser root\npersistence false\n"
                                      "max_queued_messages 0\nmax_inflight_messages 0\n"
                                      "log_dest none\n%s",
                                      broker->port, lines);
  free(folder_file(broker->folder, "conf", configuration));
  free(configuration);
  return broker;
}

void broker_start(struct broker *broker)
{
  char *configuration = folder_file(broker->folder, "conf", NULL);
  char *arguments[] = {"mosquitto", "-c", configuration, NULL};
  broker->pid = fork();
  assert_true(broker->pid >= 0);
  if (broker->pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves no broker behind */
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    execv("/usr/sbin/mosquitto", arguments);
    _exit(127);
  }
  free(configuration);
  int64_t deadline_ms = clock_monotonic_ms() + CONNECT_MS;
  while (!is_listening(broker->port)) {
    assert_true(clock_monotonic_ms() < deadline_ms);
    assert_int_equal(waitpid(broker->pid, NULL, WNOHANG), 0);
    poll(NULL, 0, 2);
  }
}

void broker_kill(struct broker *broker)
{
  if (!broker->pid)
    return;
  kill(broker->pid, SIGKILL);
  waitpid(broker->pid, NULL, 0);
  broker->pid = 0;
}

void broker_destroy(struct broker *broker)
{
  if (!broker)
    return;
  broker_kill(broker);
  folder_remove(broker->folder);
  free(broker);
}

int listener_accept(int listener)
{
  struct pollfd polled = {.fd = listener, .events = POLLIN};
  assert_int_equal(poll(&polled, 1, ACCEPT_MS), 1);
  int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  assert_true(fd >= 0);
  return fd;
}

static bool read_whole(int fd, void *bytes, size_t size)
{
  for (size_t done = 0; done < size;) {
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&polled, 1, ACCEPT_MS), 1);
    ssize_t n = read(fd, (char *)bytes + done, size - done);
    if (n <= 0)
      return false;
    done += (size_t)n;
  }
  return true;
}

void read_exactly(int fd, void *bytes, size_t size)
{
  assert_true(read_whole(fd, bytes, size));
}

void write_all(int fd, const void *bytes, size_t size)
{
  assert_int_equal(send(fd, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

int read_packet(int fd, uint8_t *body, size_t *size)
{
  uint8_t head[2];
  if (!read_whole(fd, head, 2))
    return -1;
  *size = head[1] & 0x7f;
  if (head[1] & 0x80) {
    uint8_t more;
    read_exactly(fd, &more, 1);
    *size += (size_t)more << 7;
  }
  read_exactly(fd, body, *size);
  return head[0];
}

void accept_connect(int fd)
{
  uint8_t body[512];
  size_t size;
  assert_int_equal(read_packet(fd, body, &size), 0x10);
  write_all(fd, "\x20\x02\x00\x00", 4);
}

struct scene_thread {
  int wake_fd;
  const char *const *filters;
  size_t filter_count;
};

static bool on_filter(void *context, size_t n, struct buffer *out)
{
  const struct scene_thread *thread = context;
  if (thread->filter_count) {
    buffer_format(out, "many/%zu", n);
    return n < thread->filter_count;
  }
  for (size_t i = 0; thread->filters && thread->filters[i]; i++)
    if (i == n) {
      buffer_append_text(out, thread->filters[i]);
      return true;
    }
  return false;
}

static void on_notify(void *context)
{
  const struct scene_thread *thread = context;
  eventfd_write(thread->wake_fd, 1);
  errno = EAGAIN; /* as a wake-up that is one too many leaves it */
}

void scene_start(struct scene *scene, const struct mqtt_options *options)
{
  struct mqtt_options complete = *options;
  if (!complete.host)
    complete.host = "127.0.0.1";
  if (!complete.client_id)
    complete.client_id = "tested";
  if (!complete.first_retry_ms)
    complete.first_retry_ms = complete.max_retry_ms = 50;
  complete.filter = on_filter;
  complete.notify = on_notify;
  scene->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  complete.context = scene->thread = memory_zeroed(1, sizeof *scene->thread);
  *scene->thread = (struct scene_thread){.wake_fd = scene->wake_fd,
                                         .filters = scene->filters,
                                         .filter_count = scene->filter_count};
  struct error error = {0};
  scene->mqtt = mqtt_start(&complete, &error);
  assert_string_equal(error.text, "");
  assert_non_null(scene->mqtt);
}

void scene_stop(struct scene *scene)
{
  mqtt_stop(scene->mqtt, 5000);
  close(scene->wake_fd);
  free(scene->thread);
  *scene = (struct scene){0};
}

static bool take_within(struct scene *scene, struct mqtt_event *event, int64_t until_ms)
{
  for (;;) {
    eventfd_t count;
    eventfd_read(scene->wake_fd, &count);
    if (mqtt_next_event(scene->mqtt, event))
      return true;
    int64_t left_ms = until_ms - clock_monotonic_ms();
    if (left_ms <= 0)
      return false;
    struct pollfd polled = {.fd = scene->wake_fd, .events = POLLIN};
    poll(&polled, 1, (int)left_ms);
  }
}

struct mqtt_event scene_next(struct scene *scene, int64_t deadline_ms)
{
  struct mqtt_event event;
  if (!take_within(scene, &event, clock_monotonic_ms() + deadline_ms))
    fail_msg("no event within %lld ms", (long long)deadline_ms);
  return event;
}

struct mqtt_event scene_await(struct scene *scene, enum mqtt_event_kind kind, int64_t deadline_ms)
{
  int64_t until_ms = clock_monotonic_ms() + deadline_ms;
  for (;;) {
    struct mqtt_event event;
    if (!take_within(scene, &event, until_ms))
      fail_msg("no event of kind %d within %lld ms", (int)kind, (long long)deadline_ms);
    if (event.kind == kind)
      return event;
    if (event.kind == MQTT_FAILED || event.kind == MQTT_DISCONNECTED)
      fail_msg("not expected: %s", event.text);
    scene->published += event.kind == MQTT_PUBLISHED;
    scene->messages += event.kind == MQTT_MESSAGE;
    mqtt_event_clear(&event);
  }
}

void scene_await_text(struct scene *scene, enum mqtt_event_kind kind, const char *text,
                      int64_t deadline_ms)
{
  struct mqtt_event event = scene_await(scene, kind, deadline_ms);
  if (!event.text || !strstr(event.text, text))
    fail_msg("\"%s\" is not in \"%s\"", text, event.text);
  mqtt_event_clear(&event);
}

int scene_is_quiet(struct scene *scene, int ms)
{
  struct mqtt_event event;
  bool came = take_within(scene, &event, clock_monotonic_ms() + ms);
  if (came)
    mqtt_event_clear(&event);
  return !came;
}

void scene_await_connected(struct scene *scene, int64_t deadline_ms)
{
  int64_t until_ms = clock_monotonic_ms() + deadline_ms;
  for (;;) {
    struct mqtt_event event;
    if (!take_within(scene, &event, until_ms))
      fail_msg("not connected within %lld ms", (long long)deadline_ms);
    bool is = event.kind == MQTT_CONNECTED;
    mqtt_event_clear(&event);
    if (is)
      return;
  }
}

static void openssl(const char *folder, const char *arguments)
{
  char *line = memory_format("cd %s && openssl %s >log 2>&1", folder, arguments);
  if (system(line) != 0)
    fail_msg("%s", line);
  free(line);
}

static void make_authority(const char *folder, const char *name)
{
  char *line = memory_format("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes "
                             "-keyout %s.key -out %s.crt -subj '/CN=authority %s' -days 2",
                             name, name, name);
  openssl(folder, line);
  free(line);
}

static void make_certificate(const char *folder, const char *name, const char *authority,
                             const char *names, int days)
{
  char *line = memory_format("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "
                             "%s.key -out %s.csr -subj '/CN=%s' -addext 'subjectAltName=%s'",
                             name, name, name, names);
  openssl(folder, line);
  free(line);
  line = memory_format("x509 -req -in %s.csr -CA %s.crt -CAkey %s.key -CAcreateserial -out %s.crt "
                       "-days %d -copy_extensions copy",
                       name, authority, authority, name, days);
  openssl(folder, line);
  free(line);
}

void make_certificates(const char *folder)
{
  make_authority(folder, "ca");
  make_authority(folder, "other-ca");
  make_certificate(folder, "localhost", "ca", "DNS:localhost,IP:127.0.0.1", 2);
  make_certificate(folder, "elsewhere", "ca", "DNS:other.example,IP:10.1.2.3", 2);
  make_certificate(folder, "expired", "ca", "DNS:localhost,IP:127.0.0.1", -1);
  make_certificate(folder, "client", "ca", "DNS:client", 2);
  make_certificate(folder, "stranger", "other-ca", "DNS:stranger", 2);
}

int64_t processor_ms(void)
{
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}
