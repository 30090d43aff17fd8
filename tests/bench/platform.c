/* The platform's side of the bench: it delivers commands, each in a message of its own,
 * keeps a number of them in flight, confirms every result message, and measures.
 *
 *   bench_platform PORT
 *
 * Standard input, one a line:      measure TOKEN TYPE WINDOW COUNT FIRST
 * Standard output, one for each:   measured SECONDS P50_US P99_US TWICE WRONG
 *                            or:   stuck ANSWERED
 * FIRST is the first id. TWICE: results of a command that was answered before (or is none);
 * WRONG: results whose status is not 200. Ends with its standard input. */
#include "client.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { STUCK_MS = 20000, COUNT_MAX = 10000000 };

struct platform {
  struct client client;
  char token[64], type[64];
  long window, count, first;
  long delivered, answered, twice, wrong;
  double *begun_us; /* by id - first; negative: it took so long */
  double last_us;   /* when the last result came */
};

static double now_us(void)
{
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void deliver(struct platform *platform)
{
  char topic[200], body[100];
  long n = platform->delivered++;
  snprintf(topic, sizeof topic, CLIENT_PREFIX "%s/command/%s/status", platform->token,
           platform->type);
  int size = snprintf(body, sizeof body, "[{\"id\":%ld,\"payload\":{\"light\":\"on\",\"n\":%ld}}]",
                      platform->first + n, n);
  platform->begun_us[n] = now_us();
  client_publish(&platform->client, topic, body, (size_t)size);
}

static void take_result(struct platform *platform, long id)
{
  long n = id - platform->first;
  if (n < 0 || n >= platform->delivered || platform->begun_us[n] < 0) {
    platform->twice++;
    return;
  }
  platform->last_us = now_us();
  platform->begun_us[n] -= platform->last_us;
  platform->answered++;
}

static void count_wrong(struct platform *platform, const char *text)
{
  for (const char *at = text; (at = strstr(at, "\"statusCode\":")); at++)
    platform->wrong += atol(at + strlen("\"statusCode\":")) != 200;
}

/* The body is terminated: the library sees to that. */
static void on_message(void *context, const struct mosquitto_message *message)
{
  struct platform *platform = context;
  char token[64], kind[16], type[64], topic[300];
  long request_id;
  char over;
  if (!message->payloadlen || sscanf(message->topic, CLIENT_PREFIX "%63[^/]/%15[^/]/%63[^/]/%ld%c",
                                     token, kind, type, &request_id, &over) != 4)
    return;
  bool is_result = !strcmp(kind, "result");
  snprintf(topic, sizeof topic, "%s/status", message->topic);
  client_publish(&platform->client, topic, "[]", is_result ? 0 : 2);
  if (!is_result || !platform->begun_us)
    return;
  count_wrong(platform, message->payload);
  for (const char *at = message->payload; (at = strstr(at, "\"id\":")); at++)
    take_result(platform, atol(at + 5));
  while (platform->delivered < platform->count &&
         platform->delivered - platform->answered < platform->window)
    deliver(platform);
}

static int compare(const void *a, const void *b)
{
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static void tell(struct platform *platform, double start_us)
{
  long count = platform->count;
  if (platform->answered < count) {
    printf("stuck %ld\n", platform->answered);
    return;
  }
  qsort(platform->begun_us, (size_t)count, sizeof *platform->begun_us, compare);
  /* negative times: the shortest are the last */
  printf("measured %.6f %.1f %.1f %ld %ld\n", (platform->last_us - start_us) / 1e6,
         -platform->begun_us[count - 1 - count / 2], -platform->begun_us[count / 100],
         platform->twice, platform->wrong);
}

static void measure(struct platform *platform)
{
  platform->delivered = platform->answered = platform->twice = platform->wrong = 0;
  platform->begun_us = malloc((size_t)platform->count * sizeof *platform->begun_us);
  double start_us = platform->last_us = now_us();
  while (platform->delivered < platform->count && platform->delivered < platform->window)
    deliver(platform);
  while (platform->answered < platform->count &&
         now_us() - platform->last_us < STUCK_MS * 1000.0)
    if (client_serve(&platform->client, 100))
      break; /* nobody waits for the end */
  tell(platform, start_us);
  fflush(stdout);
  free(platform->begun_us);
  platform->begun_us = NULL;
}

static bool read_line(char *line, size_t room)
{
  size_t used = 0;
  while (used + 1 < room && read(STDIN_FILENO, line + used, 1) == 1)
    if (line[used++] == '\n') {
      line[used] = 0;
      return true;
    }
  return false;
}

int main(int argc, char **argv)
{
  if (argc != 2)
    client_fail("usage", "bench_platform PORT");
  struct platform platform = {0};
  static const char *const filters[] = {CLIENT_PREFIX "+/result/+/+",
                                        CLIENT_PREFIX "+/command/+/+"};
  client_open(&platform.client, argv[1], filters, 2, on_message, &platform);
  for (char line[300];;) {
    if (!client_serve(&platform.client, 1000))
      continue;
    if (!read_line(line, sizeof line))
      break;
    if (sscanf(line, "measure %63s %63s %ld %ld %ld", platform.token, platform.type,
               &platform.window, &platform.count, &platform.first) != 5 ||
        platform.count < 1 || platform.count > COUNT_MAX)
      client_fail("not understood", line);
    measure(&platform);
  }
  client_close(&platform.client);
  return 0;
}
