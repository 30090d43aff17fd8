#include "peer.h"

#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_WORDS = 6 };

struct command {
  char *words[MAX_WORDS];
  size_t count;
  const char *body; /* raw bytes, where the command has them */
  size_t body_bytes;
};

static const char *word(const struct command *command, size_t n)
{
  return n < command->count ? command->words[n] : "";
}

static bool has_word(const struct command *command, size_t from, const char *name)
{
  for (size_t i = from; i < command->count; i++)
    if (!strcmp(command->words[i], name))
      return true;
  return false;
}

static void do_pub(struct peer *peer, const struct command *command)
{
  peer_publish(peer, word(command, 1), command->body, command->body_bytes,
               &(struct publishing){.is_qos0 = has_word(command, 3, "qos0"),
                                    .is_retained = has_word(command, 3, "retain"),
                                    .number = ++peer->published});
}

static void do_burst(struct peer *peer, const struct command *command)
{
  size_t count = strtoul(word(command, 1), NULL, 10);
  unsigned long long first = strtoull(word(command, 2), NULL, 10);
  if (!count || !peer->is_connected) {
    peer_say("error no messages, or no connection, for the burst");
    return;
  }
  struct burst *burst = memory_zeroed(1, sizeof *burst);
  burst->count = burst->missing = count;
  char *template = memory_copied(command->body, command->body_bytes);
  struct buffer message = {0};
  for (size_t i = 0; i < count; i++) {
    buffer_reset(&message);
    const char *rest = template;
    for (const char *at; (at = strstr(rest, "%d")); rest = at + 2) {
      buffer_append(&message, rest, (size_t)(at - rest));
      buffer_format(&message, "%llu", first + i);
    }
    buffer_append_text(&message, rest);
    peer_publish(peer, word(command, 3), message.data, message.size_bytes,
                 &(struct publishing){.burst = burst});
  }
  buffer_clear(&message);
  free(template);
}

static void do_refuse(struct peer *peer, const struct command *command)
{
  peer->refusal = atoi(word(command, 1)); /* "off": 0 */
  snprintf(peer->refusal_reason, sizeof peer->refusal_reason, "%s", word(command, 2));
  if (peer->refusal)
    peer_subscribe(peer, "kp1/+/cex/+/result/+/+");
}

static void do_count(struct peer *peer)
{
  peer_say("count %zu %zu", peer->message_count, peer->result_count);
  peer->message_count = peer->result_count = 0;
}

static void set_away(struct peer *peer, bool is_away)
{
  peer->is_away = is_away;
  if (!is_away || !peer->is_connected)
    return;
  mosquitto_disconnect(peer->library);
  peer->is_connected = false;
  peer->has_said_why = true;
  peer_say("disconnected as told");
}

static void carry_out(struct peer *peer, const struct command *command)
{
  const char *name = word(command, 0);
  const char *what = word(command, 1);
  if (!strcmp(name, "sub"))
    peer_subscribe(peer, what);
  else if (!strcmp(name, "unsub"))
    peer_unsubscribe(peer, what);
  else if (!strcmp(name, "pub"))
    do_pub(peer, command);
  else if (!strcmp(name, "burst"))
    do_burst(peer, command);
  else if (!strcmp(name, "refuse"))
    do_refuse(peer, command);
  else if (!strcmp(name, "quiet"))
    peer->is_quiet = !strcmp(what, "on");
  else if (!strcmp(name, "count"))
    do_count(peer);
  else if (!strcmp(name, "disconnect") || !strcmp(name, "connect"))
    set_away(peer, *name == 'd');
  else if (!strcmp(name, "quit"))
    peer->is_over = true;
  else if (!platform_switch(peer, name, !strcmp(what, "on")))
    peer_say("error no such command: %s", name);
}

/* "refuse" takes the rest of its line as one word. */
static void split(struct command *command, char *line)
{
  size_t limit = !strncmp(line, "refuse ", 7) ? 3 : MAX_WORDS;
  char *rest = line;
  while (rest && command->count + 1 < limit)
    command->words[command->count++] = strsep(&rest, " ");
  if (rest)
    command->words[command->count++] = rest;
}

/* The place of the word that holds the number of raw bytes, or 0. */
static size_t size_place(const struct command *command)
{
  return !strcmp(word(command, 0), "pub") ? 2 : !strcmp(word(command, 0), "burst") ? 4 : 0;
}

bool commands_next(struct peer *peer)
{
  const char *input = peer->input.data;
  const char *end = peer->input.size_bytes ? memchr(input, '\n', peer->input.size_bytes) : NULL;
  if (!end)
    return false;
  size_t used = (size_t)(end - input) + 1;
  char *line = memory_copied(input, used - 1);
  struct command command = {0};
  split(&command, line);
  bool is_whole = true;
  if (size_place(&command)) {
    command.body = input + used;
    command.body_bytes = strtoul(word(&command, size_place(&command)), NULL, 10);
    used += command.body_bytes + 1;
    is_whole = peer->input.size_bytes >= used;
  }
  if (is_whole) {
    carry_out(peer, &command);
    buffer_drop_front(&peer->input, used);
  }
  free(line);
  return is_whole;
}
