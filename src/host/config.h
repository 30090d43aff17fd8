/* The configuration: flags beat environment (KAALUA_…) beats file beats
 * defaults. Found by --config, $KAALUA_CONFIG, /etc/kaalua/kaalua.lua. */
#ifndef KAALUA_HOST_CONFIG_H
#define KAALUA_HOST_CONFIG_H

#include "base/log.h"
#include "kp/topic.h"
#include "supervision/workplace.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* What the command line gave; each NULL where it was not. Borrowed. */
struct config_flags {
  const char *config;
  const char *url;
  const char *app_version;
  const char *token;
  const char *handlers; /* one directory, or several joined by ':' */
  const char *state;
  const char *log_level;
};

/* What the platform is spoken to with: the url's scheme. */
enum config_wire { CONFIG_MQTT, CONFIG_HTTP };

struct config {
  char *file; /* the configuration file, or NULL */
  char *url;  /* as given, for people */
  enum config_wire wire;
  bool tls;
  char *host; /* of an IPv6 address without its brackets */
  int port;
  char *base_path; /* over HTTP, before kp1: "/kpc"; no slash behind it, "" for none */
  char *app_version;
  char **tokens;
  size_t token_count;
  char *username;
  char *password_file;
  char *ca_file, *cert_file, *key_file;
  char **handlers;
  size_t handler_count;
  char *state;
  char *control; /* path of the control socket: `control` in the state directory, unless the file
                    says otherwise and --state and KAALUA_STATE do not */
  json_t *settings; /* object */
  json_t *ceiling;  /* what handlers may need (supervision/ceiling.h), or NULL */
  json_t *places;   /* where the file says that: {"file": its absolute path, "lines":
                       {"settings.light.pin": {"line", "column", "source"?}}}; NULL without one */
  char *handler_user; /* NULL: the default (supervision/handler_user.h) */
  char *cex, *dcx, *epmx;
  bool id_reuse_never;
  bool tells_metadata; /* of itself (host/agent_metadata.h) */
  bool durability_normal; /* a commit survives a killed process, not a power cut */
  int keepalive_s;
  int64_t worker_idle_ms;
  int64_t poll_ms; /* over HTTP: between polls of an idle type */
  enum log_level log_level;
};

enum config_need {
  CONFIG_FOR_HANDLERS, /* handlers and settings are enough */
  CONFIG_FOR_RUN,      /* the platform, too */
};

/* Loads and checks. Returns 0, or -EINVAL with everything that is wrong added
 * to `faults` (host/faults.h), or -EAGAIN where the file could not be evaluated and
 * nothing is known to be wrong with it. config_clear() in either case. Adds what handlers
 * are kept from, and whom they run as, to the workplace. */
int config_load(struct config *config, const struct config_flags *flags, enum config_need need,
                struct workplace *workplace, json_t *faults);

/* The names that the platform's paths are made of; borrowed from the configuration. */
struct topic_scheme config_topic_scheme(const struct config *config);

void config_clear(struct config *config);

#endif
