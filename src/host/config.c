#include "host/config.h"

#include "base/memory.h"
#include "host/evaluate.h"
#include "host/faults.h"
#include "kp/name.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char default_file[] = "/etc/kaalua/kaalua.lua";

enum { KEEPALIVE_S = 60, IDLE_S = 60, POLL_S = 10, TOKENS_MAX = 100000 };

/* Where a value came from, for messages, and what it is. */
struct origin {
  const char *name; /* "--url", "KAALUA_URL", or the file's path */
  const char *value;
};

struct loading {
  struct config *config;
  const struct config_flags *flags;
  json_t *file; /* the file's table; NULL without one */
  json_t *faults;
  bool is_passing; /* the file could not be evaluated, which is no fault of it */
};

static void set(char **place, const char *value)
{
  free(*place);
  *place = memory_text(value);
}

/* Flag, then environment, then file. */
static struct origin look_up(const struct loading *loading, const char *flag_name, const char *flag,
                             const char *variable, const char *key)
{
  if (flag)
    return (struct origin){flag_name, flag};
  const char *value = getenv(variable);
  if (value && *value)
    return (struct origin){variable, value};
  return (struct origin){loading->config->file,
                         json_string_value(json_object_get(loading->file, key))};
}

/* A relative path in the file counts from the file's folder; returns owned. */
static char *resolved(const struct loading *loading, const char *path)
{
  const char *slash = loading->config->file ? strrchr(loading->config->file, '/') : NULL;
  if (!path || path[0] == '/' || !slash)
    return memory_text(path);
  return memory_format("%.*s/%s", (int)(slash - loading->config->file), loading->config->file, path);
}

static char *file_path(const struct loading *loading, const char *key)
{
  return resolved(loading, json_string_value(json_object_get(loading->file, key)));
}

static const struct scheme {
  const char *name;
  enum config_wire wire;
  bool tls;
  int port;
} schemes[] = {
    {"mqtt", CONFIG_MQTT, false, 1883},
    {"mqtts", CONFIG_MQTT, true, 8883},
    {"http", CONFIG_HTTP, false, 80},
    {"https", CONFIG_HTTP, true, 443},
};

/* Passes over "scheme://"; NULL where it is none of ours. */
static const struct scheme *take_scheme(const char **url)
{
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
    size_t size = strlen(schemes[i].name);
    if (strncmp(*url, schemes[i].name, size) || strncmp(*url + size, "://", 3))
      continue;
    *url += size + 3;
    return &schemes[i];
  }
  return NULL;
}

/* Passes over HOST[:PORT]; returns false where there is none. */
static bool take_authority(struct config *config, const char **url)
{
  char host[256] = "";
  int used = 0;
  if (sscanf(*url, "[%255[0-9A-Fa-f:.]]%n", host, &used) != 1 || !used)
    sscanf(*url, "%255[A-Za-z0-9._-]%n", host, &used);
  if (!used)
    return false;
  set(&config->host, host);
  *url += used;
  if (**url != ':')
    return true;
  (*url)++;
  size_t digits = strspn(*url, "0123456789");
  int port = digits && digits <= 5 ? atoi(*url) : 0;
  if (port)
    config->port = port;
  *url += digits;
  return port >= 1 && port <= 65535;
}

/* What follows: a path over HTTP, else nothing but a slash. */
static bool take_path(struct config *config, const char *path)
{
  size_t size = strspn(path, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/%");
  if (path[size] || (size && path[0] != '/') || (config->wire == CONFIG_MQTT && size > 1))
    return false;
  while (size && path[size - 1] == '/')
    size--;
  config->base_path = memory_copied(path, size);
  return true;
}

/* A fault of the url, which is shown up to where a key may stand: behind ? and #. */
static void add_url_fault(struct loading *loading, const struct origin *url, const char *expected)
{
  size_t size = strcspn(url->value, "?#");
  faults_add(loading->faults, url->name, 0, "url \"%.*s%s\": expected %s", (int)size, url->value,
             url->value[size] ? "…" : "", expected);
}

static void take_url(struct loading *loading)
{
  struct config *config = loading->config;
  struct origin url = look_up(loading, "--url", loading->flags->url, "KAALUA_URL", "url");
  if (!url.value) {
    faults_add(loading->faults, config->file ? config->file : "--url", 0,
               "the platform's address is missing: --url mqtts://mqtt.cloud.kaaiot.com, or in the "
               "configuration file url = \"mqtts://…\"");
    return;
  }
  if (strchr(url.value, '@')) { /* not repeated: it may hold a password */
    faults_add(loading->faults, url.name, 0, "the url holds a user name or a password; give them as "
               "`username` and `password_file`");
    return;
  }
  set(&config->url, url.value);
  const char *rest = url.value;
  const struct scheme *scheme = take_scheme(&rest);
  if (!scheme) {
    add_url_fault(loading, &url, "mqtt://HOST[:PORT], mqtts://HOST[:PORT], "
                  "http://HOST[:PORT][/PATH] or https://HOST[:PORT][/PATH]");
    return;
  }
  config->wire = scheme->wire;
  config->tls = scheme->tls;
  config->port = scheme->port;
  if (take_authority(config, &rest) && take_path(config, rest))
    return;
  char *expected = memory_format("%s://HOST[:PORT]%s and nothing behind it", scheme->name,
                                 scheme->wire == CONFIG_HTTP ? "[/PATH]" : "");
  add_url_fault(loading, &url, expected);
  free(expected);
}

static void check_level(struct loading *loading, struct origin origin, const char *what)
{
  if (!name_is_level(origin.value, strlen(origin.value)))
    faults_add(loading->faults, origin.name, 0, "%s: expected 1 to 128 characters, none of / + # "
               "and no control characters", what);
}

static void take_app_version(struct loading *loading)
{
  struct origin version = look_up(loading, "--app-version", loading->flags->app_version,
                                  "KAALUA_APP_VERSION", "app_version");
  if (!version.value) {
    faults_add(loading->faults, loading->config->file ? loading->config->file : "--app-version", 0,
               "the application version is missing: --app-version …-v1, or in the configuration "
               "file app_version = \"…-v1\"");
    return;
  }
  check_level(loading, version, "app_version");
  set(&loading->config->app_version, version.value);
}

static void add_token(struct loading *loading, const char *name, const char *token)
{
  struct config *config = loading->config;
  check_level(loading, (struct origin){name, token}, "the endpoint token");
  for (size_t i = 0; i < config->token_count; i++)
    if (config->token_count < 1000 && !strcmp(config->tokens[i], token))
      return;
  if (config->token_count % 64 == 0)
    config->tokens = memory_resized(config->tokens, (config->token_count + 64) * sizeof(char *));
  config->tokens[config->token_count++] = memory_text(token);
}

/* One token, or with `several` one a line; empty lines are passed over. */
static void read_tokens(struct loading *loading, const char *path, bool several)
{
  FILE *file = fopen(path, "re");
  if (!file) {
    faults_add(loading->faults, path, 0, "%s", strerror(errno));
    return;
  }
  char *line = NULL;
  size_t room = 0;
  ssize_t size;
  while ((size = getline(&line, &room, file)) >= 0 && loading->config->token_count < TOKENS_MAX) {
    line[strcspn(line, "\r\n")] = '\0';
    if (*line)
      add_token(loading, path, line);
    if (!several)
      break;
  }
  if (size >= 0 && several)
    faults_add(loading->faults, path, 0, "more than %d endpoint tokens", TOKENS_MAX);
  free(line);
  fclose(file);
  if (!loading->config->token_count)
    faults_add(loading->faults, path, 0, "no endpoint token in it");
}

static void take_tokens(struct loading *loading)
{
  struct origin token = look_up(loading, "--token", loading->flags->token, "KAALUA_TOKEN", "token");
  const json_t *list = json_object_get(loading->file, "tokens");
  char *one = file_path(loading, "token_file");
  char *many = file_path(loading, "tokens_file");
  if (token.value)
    add_token(loading, token.name, token.value);
  else if (json_array_size(list))
    for (size_t i = 0; i < json_array_size(list); i++)
      add_token(loading, loading->config->file, json_string_value(json_array_get(list, i)));
  else if (one)
    read_tokens(loading, one, false);
  else if (many)
    read_tokens(loading, many, true);
  else
    faults_add(loading->faults, loading->config->file ? loading->config->file : "--token", 0,
               "the endpoint token is missing: --token TOKEN, or in the configuration file "
               "token_file = \"/etc/kaalua/token\"");
  free(one);
  free(many);
}

static void take_security(struct loading *loading)
{
  struct config *config = loading->config;
  const json_t *tls = json_object_get(loading->file, "tls");
  set(&config->username, json_string_value(json_object_get(loading->file, "username")));
  config->password_file = file_path(loading, "password_file");
  config->ca_file = resolved(loading, json_string_value(json_object_get(tls, "ca_file")));
  config->cert_file = resolved(loading, json_string_value(json_object_get(tls, "cert_file")));
  config->key_file = resolved(loading, json_string_value(json_object_get(tls, "key_file")));
}

static void add_directory(struct config *config, char *path)
{
  config->handlers =
      memory_resized(config->handlers, (config->handler_count + 1) * sizeof *config->handlers);
  config->handlers[config->handler_count++] = path;
}

static void take_handlers(struct loading *loading)
{
  struct config *config = loading->config;
  struct origin given = look_up(loading, "--handlers", loading->flags->handlers, "KAALUA_HANDLERS", "");
  const json_t *list = json_object_get(loading->file, "handlers");
  if (given.value) {
    char *copy = memory_text(given.value), *rest = copy, *path;
    while ((path = strsep(&rest, ":")))
      if (*path)
        add_directory(config, memory_text(path));
    free(copy);
    if (!config->handler_count)
      faults_add(loading->faults, given.name, 0, "handlers: expected a directory, or several "
                 "joined by ':', got \"%s\"", given.value);
  } else if (json_array_size(list)) {
    for (size_t i = 0; i < json_array_size(list); i++)
      add_directory(config, resolved(loading, json_string_value(json_array_get(list, i))));
  } else {
    add_directory(config, memory_text("/usr/share/kaalua/handlers"));
    add_directory(config, memory_text("/etc/kaalua/handlers"));
  }
  json_t *settings = json_object_get(loading->file, "settings");
  config->settings = settings ? json_incref(settings) : json_object();
  config->ceiling = json_incref(json_object_get(loading->file, "ceiling"));
}

static const char *extension(struct loading *loading, const char *name)
{
  const char *given =
      json_string_value(json_object_get(json_object_get(loading->file, "extensions"), name));
  if (given)
    check_level(loading, (struct origin){loading->config->file, given}, name);
  return given ? given : name;
}

/* Whoever names a state directory means the agent on it, not the configuration's. */
static void take_control(struct loading *loading, bool state_was_given)
{
  struct config *config = loading->config;
  if (!state_was_given)
    config->control = file_path(loading, "control");
  if (!config->control)
    config->control = memory_format("%s/control", config->state);
}

static void take_state(struct loading *loading)
{
  struct config *config = loading->config;
  struct origin state = look_up(loading, "--state", loading->flags->state, "KAALUA_STATE", "");
  char *from_file = file_path(loading, "state");
  set(&config->state, state.value ? state.value : from_file ? from_file : "/var/lib/kaalua");
  free(from_file);
  if (!*config->state)
    faults_add(loading->faults, state.name, 0, "state: expected a directory, got an empty text");
  take_control(loading, state.value != NULL);
}

static void take_rest(struct loading *loading)
{
  struct config *config = loading->config;
  struct origin level =
      look_up(loading, "--log-level", loading->flags->log_level, "KAALUA_LOG_LEVEL", "log_level");
  config->log_level = LOG_LEVEL_INFO;
  if (level.value && log_parse_level(level.value, &config->log_level) < 0)
    faults_add(loading->faults, level.name, 0, "log level \"%s\": expected debug, info, warn or error",
               level.value);
  set(&config->cex, extension(loading, "cex"));
  set(&config->dcx, extension(loading, "dcx"));
  set(&config->epmx, extension(loading, "epmx"));
  const char *reuse = json_string_value(json_object_get(loading->file, "id_reuse"));
  config->id_reuse_never = reuse && !strcmp(reuse, "never");
  config->tells_metadata = !json_is_false(json_object_get(loading->file, "metadata"));
  const char *durability = json_string_value(json_object_get(loading->file, "durability"));
  config->durability_normal = durability && !strcmp(durability, "normal");
  const json_t *keepalive = json_object_get(loading->file, "keepalive_s");
  config->keepalive_s = keepalive ? (int)json_integer_value(keepalive) : KEEPALIVE_S;
  const json_t *idle = json_object_get(loading->file, "worker_idle_s");
  config->worker_idle_ms = idle ? (int64_t)(json_number_value(idle) * 1000) : IDLE_S * 1000;
  const json_t *poll = json_object_get(loading->file, "poll_s");
  config->poll_ms = poll ? (int64_t)(json_number_value(poll) * 1000) : POLL_S * 1000;
}

/* Who may not switch to it goes on as the own user: an agent does not (host/agent.c). */
static void take_user(struct loading *loading, struct workplace *workplace)
{
  struct config *config = loading->config;
  struct error error = {0};
  set(&config->handler_user, json_string_value(json_object_get(loading->file, "handler_user")));
  if (handler_user_choose(&workplace->user, config->handler_user, &error) == -ENOENT)
    faults_add(loading->faults, config->file, 0, "%s", error.text);
}

/* Handlers read neither state nor configuration nor credentials. */
static void keep_private(const struct loading *loading, struct workplace *workplace)
{
  const struct config *config = loading->config;
  workplace_keep_private(workplace, config->file);
  workplace_keep_private(workplace, config->state);
  workplace_keep_private(workplace, config->control);
  workplace_keep_private(workplace, config->password_file);
  workplace_keep_private(workplace, config->key_file);
  static const char *const token_keys[] = {"token_file", "tokens_file"};
  for (size_t i = 0; i < sizeof token_keys / sizeof *token_keys; i++) {
    char *path = file_path(loading, token_keys[i]);
    workplace_keep_private(workplace, path);
    free(path);
  }
  for (size_t i = 0; i < config->handler_count; i++)
    workplace_keep_handlers(workplace, config->handlers[i]);
}

static void find_file(struct loading *loading, struct workplace *workplace)
{
  const char *given = loading->flags->config ? loading->flags->config : getenv("KAALUA_CONFIG");
  if ((!given || !*given) && access(default_file, F_OK) < 0)
    return;
  set(&loading->config->file, given && *given ? given : default_file);
  struct evaluated evaluated =
      evaluate_configuration(workplace, loading->config->file, loading->faults);
  loading->file = evaluated.value;
  loading->config->places = evaluated.places;
  loading->is_passing = evaluated.is_passing;
}

int config_load(struct config *config, const struct config_flags *flags, enum config_need need,
                struct workplace *workplace, json_t *faults)
{
  *config = (struct config){0};
  struct loading loading = {.config = config, .flags = flags, .faults = faults};
  find_file(&loading, workplace);
  if (!config->file || loading.file) {
    if (need == CONFIG_FOR_RUN || json_object_get(loading.file, "url"))
      take_url(&loading);
    if (need == CONFIG_FOR_RUN) {
      take_app_version(&loading);
      take_tokens(&loading);
    }
    take_security(&loading);
    take_handlers(&loading);
    take_state(&loading);
    take_rest(&loading);
    take_user(&loading, workplace);
    keep_private(&loading, workplace);
  }
  json_decref(loading.file);
  if (loading.is_passing)
    return -EAGAIN;
  return json_array_size(faults) ? -EINVAL : 0;
}

struct topic_scheme config_topic_scheme(const struct config *config)
{
  return (struct topic_scheme){
      .app_version = config->app_version,
      .cex = config->cex,
      .dcx = config->dcx,
      .epmx = config->epmx,
  };
}

static void free_texts(char **texts, size_t count)
{
  for (size_t i = 0; i < count; i++)
    free(texts[i]);
  free(texts);
}

void config_clear(struct config *config)
{
  char *const texts[] = {config->file,     config->url,       config->host,     config->app_version,
                         config->username, config->password_file, config->ca_file, config->cert_file,
                         config->key_file, config->state,     config->cex,      config->dcx,
                         config->epmx,     config->base_path, config->control, config->handler_user};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    free(texts[i]);
  free_texts(config->tokens, config->token_count);
  free_texts(config->handlers, config->handler_count);
  json_decref(config->settings);
  json_decref(config->ceiling);
  json_decref(config->places);
  *config = (struct config){0};
}
