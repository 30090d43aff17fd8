#include "cli/control_client.h"

#include "base/buffer.h"
#include "base/jsontext.h"
#include "base/unix_address.h"
#include "cli/control_place.h"
#include "cli/terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void complain(const char *text)
{
  fprintf(stderr, "kaalua: %s\n", text);
}

/* ---- the socket ---- */

/* Returns a descriptor, or a negative errno with `error` where it is the path. */
static int dial(const char *path, int patience_s, struct error *error)
{
  const struct timeval patience = {.tv_sec = patience_s};
  struct unix_address address;
  int rc = unix_address_open(&address, path, error);
  int fd = rc < 0 ? -1 : socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (rc == 0 && fd < 0)
    rc = -errno;
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience); /* of connect(), too */
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address.socket, sizeof address.socket) < 0)
      rc = -errno;
  }
  unix_address_close(&address);
  if (rc == 0)
    return fd;
  if (fd >= 0)
    close(fd);
  return rc;
}

/* The agent may refuse and close before it has taken all: then its answer tells why. */
static void send_all(int fd, const char *bytes, size_t size)
{
  while (size) {
    ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return;
    bytes += n;
    size -= (size_t)n;
  }
}

/* Until the end of a line. Returns 0, -EAGAIN where nothing came in time, -EPIPE where the other
 * side ended before. */
static int receive_line(int fd, struct buffer *line)
{
  enum { PART_BYTES = 64 * 1024 };
  while (line->size_bytes < CONTROL_CLIENT_ANSWER_BYTES) {
    char *room = buffer_room(line, PART_BYTES);
    ssize_t n = recv(fd, room, PART_BYTES, 0);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
      return -EAGAIN;
    if (n <= 0)
      return -EPIPE;
    line->size_bytes += (size_t)n;
    if (memchr(room, '\n', (size_t)n))
      return 0;
  }
  return -EPIPE;
}

static int exchange(const struct control_place *place, const json_t *request, int patience_s,
                    struct buffer *answer)
{
  struct error error = {0};
  int fd = dial(place->path, patience_s, &error);
  if (fd == -EAGAIN) {
    complain("the agent does not answer: too many ask it, try again");
    return CLI_TRY_AGAIN;
  }
  if (fd < 0) {
    char *trouble = control_place_trouble(place, -fd);
    complain(trouble);
    free(trouble);
    return CLI_FAILED;
  }
  struct buffer line = {0};
  jsontext_write(&line, request);
  buffer_append_char(&line, '\n');
  send_all(fd, line.data, line.size_bytes);
  buffer_clear(&line);
  int rc = receive_line(fd, answer);
  close(fd);
  if (rc == -EAGAIN)
    fprintf(stderr, "kaalua: the agent on %s has not answered for %d s\n", place->state,
            patience_s);
  else if (rc < 0)
    fprintf(stderr, "kaalua: the agent on %s ended while it was asked\n", place->state);
  return rc < 0 ? CLI_TRY_AGAIN : CLI_DONE;
}

/* ---- the answer ---- */

static void print_candidates(const json_t *candidates)
{
  size_t i;
  json_t *each;
  json_array_foreach(candidates, i, each) {
    struct buffer text = {0};
    terminal_plain(&text, json_string_value(json_object_get(each, "type")));
    buffer_append_text(&text, "  --endpoint ");
    terminal_plain(&text, json_string_value(json_object_get(each, "endpoint")));
    buffer_append_text(&text, "  ");
    terminal_plain(&text, json_string_value(json_object_get(each, "state")));
    fprintf(stderr, "  --type %s\n", buffer_text(&text));
    buffer_clear(&text);
  }
}

/* Returns CLI_DONE with *answer owned, or the status that the agent gave. */
static int read_answer(struct buffer *line, json_t **answer)
{
  json_t *document = jsontext_parse(line->data, line->size_bytes, NULL);
  const char *error = json_string_value(json_object_get(document, "error"));
  *answer = json_incref(json_object_get(document, "answer"));
  int status = CLI_DONE;
  if (!*answer) {
    struct buffer text = {0};
    terminal_plain(&text, error ? error : "what answers there is no agent");
    complain(buffer_text(&text));
    buffer_clear(&text);
    print_candidates(json_object_get(document, "candidates"));
    int given = (int)json_integer_value(json_object_get(document, "status"));
    status = given == CLI_USAGE || given == CLI_TRY_AGAIN ? given : CLI_FAILED;
  }
  json_decref(document);
  return status;
}

int control_client_ask_slowly(const struct command_line *line, json_t *request, int patience_s,
                              json_t **answer)
{
  struct control_place place;
  struct buffer text = {0};
  int status = control_place_find(&place, line);
  if (status == CLI_DONE)
    status = exchange(&place, request, patience_s, &text);
  if (status == CLI_DONE)
    status = read_answer(&text, answer);
  buffer_clear(&text);
  control_place_clear(&place);
  json_decref(request);
  return status;
}

int control_client_ask(const struct command_line *line, json_t *request, json_t **answer)
{
  return control_client_ask_slowly(line, request, CONTROL_CLIENT_PATIENCE_S, answer);
}

/* ---- what is asked ---- */

/* A whole number in a text; returns false where it is none. */
static bool read_number(const char *text, json_int_t *number)
{
  char *end = NULL;
  errno = 0;
  *number = strtoll(text, &end, 10);
  return *text && !*end && !errno && *text != ' ' && *text != '+';
}

static int add_number(json_t *request, const char *key, const char *flag, const char *text)
{
  json_int_t number;
  if (!text)
    return 0;
  if (!read_number(text, &number)) {
    fprintf(stderr, "kaalua: %s: expected a whole number, got \"%s\"\n", flag, text);
    return CLI_USAGE;
  }
  json_object_set_new(request, key, json_integer(number));
  return 0;
}

static int add_text(json_t *request, const char *key, const char *text)
{
  if (text && json_object_set_new(request, key, json_string(text)) < 0) {
    fprintf(stderr, "kaalua: --%s: expected UTF-8\n", key);
    return CLI_USAGE;
  }
  return 0;
}

int control_client_select(const struct command_line *line, json_t *request)
{
  int rc = add_text(request, "type", line->selection.type);
  if (!rc)
    rc = add_text(request, "endpoint", line->selection.endpoint);
  if (!rc)
    rc = add_number(request, "limit", "--limit", line->selection.limit);
  if (!rc)
    rc = add_number(request, "before", "--before", line->selection.before);
  return rc;
}

int control_client_select_one(const struct command_line *line, const char *ask, json_t **request)
{
  *request = json_pack("{s:s}", "ask", ask);
  int rc = add_number(*request, "id", "ID", line->operands[0]);
  if (!rc)
    rc = control_client_select(line, *request);
  if (rc)
    json_decref(*request);
  return rc;
}

void control_client_print_json(const json_t *document)
{
  struct buffer out = {0};
  jsontext_write(&out, document);
  printf("%s\n", buffer_text(&out));
  buffer_clear(&out);
}

int control_client_show(const struct command_line *line, json_t *request,
                        void (*print)(const json_t *answer),
                        void (*print_json)(const json_t *answer))
{
  json_t *answer = NULL;
  int status = control_client_ask(line, request, &answer);
  if (status != CLI_DONE)
    return status;
  (line->json ? print_json : print)(answer);
  json_decref(answer);
  return CLI_DONE;
}
