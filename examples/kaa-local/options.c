#include "options.h"

#include "base/memory.h"
#include "kp/name.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char options_help[] =
    "usage: kaa-local [OPTION…]\n"
    "\n"
    "Stands in for the Kaa platform's command service on this machine. Not made by Kaa.\n"
    "\n"
    "  --http ADDRESS:PORT     page, REST API and devices (127.0.0.1:8080; port 0: a free one)\n"
    "  --mqtt-port PORT        the broker, on 127.0.0.1 (1883; 0: a free one)\n"
    "  --app-version NAME      the application version (demo-v1)\n"
    "  --token TOKEN[=ID]      an endpoint, and its id; repeatable (device-1)\n"
    "  --open                  takes unknown tokens in\n"
    "  --db FILE               keeps everything in a file (else in memory)\n"
    "  --mosquitto PROGRAM     the broker's program (/usr/sbin/mosquitto)\n"
    "  --switch NAME[=VALUE]   behaves otherwise; repeatable; README.md lists them\n";

enum { WORD_HTTP = 1, WORD_PORT, WORD_APP, WORD_TOKEN, WORD_OPEN, WORD_DB, WORD_MOSQUITTO,
       WORD_SWITCH, WORD_HELP };

static const struct option words[] = {
    {"http", required_argument, NULL, WORD_HTTP},
    {"mqtt-port", required_argument, NULL, WORD_PORT},
    {"app-version", required_argument, NULL, WORD_APP},
    {"token", required_argument, NULL, WORD_TOKEN},
    {"open", no_argument, NULL, WORD_OPEN},
    {"db", required_argument, NULL, WORD_DB},
    {"mosquitto", required_argument, NULL, WORD_MOSQUITTO},
    {"switch", required_argument, NULL, WORD_SWITCH},
    {"help", no_argument, NULL, WORD_HELP},
    {0},
};

static void add_token(struct options *options, const char *text)
{
  const char *equals = strrchr(text, '=');
  size_t count = ++options->token_count;
  options->tokens = memory_resized(options->tokens, count * sizeof *options->tokens);
  options->tokens[count - 1] = (struct option_token){
      .token = memory_copied(text, equals ? (size_t)(equals - text) : strlen(text)),
      .endpoint_id = equals ? memory_text(equals + 1) : NULL};
}

static int read_port(const char *text, int *port, struct error *error)
{
  if (!*text || strlen(text) > 5 || text[strspn(text, "0123456789")] || atoi(text) > 65535)
    return error_set(error, -EINVAL, "--mqtt-port is a number from 0 to 65535, not %s", text);
  *port = atoi(text);
  return 0;
}

static int read_app_version(struct options *options, const char *text, struct error *error)
{
  if (!name_is_level(text, strlen(text)))
    return error_set(error, -EINVAL, "--app-version is one level of a path, not %s", text);
  options->app_version = text;
  return 0;
}

static int take(struct options *options, int word, const char *value, const char *given,
                struct error *error)
{
  switch (word) {
  case WORD_HTTP:
    options->http = value;
    options->is_http_given = true;
    return 0;
  case WORD_PORT:
    options->is_mqtt_port_given = true;
    return read_port(value, &options->mqtt_port, error);
  case WORD_APP: return read_app_version(options, value, error);
  case WORD_TOKEN: add_token(options, value); return 0;
  case WORD_OPEN: options->is_open = true; return 0;
  case WORD_DB: options->database = value; return 0;
  case WORD_MOSQUITTO: options->mosquitto = value; return 0;
  case WORD_SWITCH: return switches_set_text(&options->switches, value, error);
  case WORD_HELP: options->wants_help = true; return 0;
  case ':': return error_set(error, -EINVAL, "%s needs a value", given);
  default: return error_set(error, -EINVAL, "there is no option %s", given);
  }
}

int options_read(struct options *options, int argc, char **argv, struct error *error)
{
  *options = (struct options){.http = "127.0.0.1:8080", .mqtt_port = 1883,
                              .app_version = "demo-v1", .mosquitto = "/usr/sbin/mosquitto"};
  switches_init(&options->switches);
  int rc = 0;
  optind = 1;
  for (int word; !rc && (word = getopt_long(argc, argv, "+:", words, NULL)) != -1;)
    rc = take(options, word, optarg, argv[optind - 1], error);
  if (!rc && optind < argc)
    rc = error_set(error, -EINVAL, "there is no argument %s", argv[optind]);
  if (!rc && !options->token_count && !options->database && !options->is_open)
    add_token(options, "device-1");
  return rc;
}

void options_clear(struct options *options)
{
  for (size_t i = 0; i < options->token_count; i++) {
    free(options->tokens[i].token);
    free(options->tokens[i].endpoint_id);
  }
  free(options->tokens);
  *options = (struct options){0};
}
