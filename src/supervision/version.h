/* One version of a handler: the file's text with all libraries that it can
 * require, read once, and what its contract says once it is loaded. Shared by
 * reference count between the table of handlers and the workers that run it. */
#ifndef KAALUA_SUPERVISION_VERSION_H
#define KAALUA_SUPERVISION_VERSION_H

#include "base/buffer.h"
#include "core/command.h"
#include "supervision/library.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VERSION_WORKERS_MAX = 64 };

struct version {
  int references;
  char *type; /* the command type; "" for a configuration */
  char *path; /* the file, for people */
  struct source source;
  struct library *library;
  uint64_t hash; /* of the source and the libraries that it requires (supervision/requires.h) */
  /* The contract, from WORKER_LOADED on. */
  int64_t timeout_ms;
  char *summary; /* or NULL */
  bool has_run;          /* it is a command type */
  size_t workers;        /* at most, 1 to VERSION_WORKERS_MAX */
  bool ordered;          /* with several workers: per endpoint */
  char *exclusive;       /* the name under which it never runs beside others, or NULL */
  double every_s;        /* of its tick; 0: it has none */
  bool ticks_per_agent;  /* once for all endpoints */
  double poll_s;         /* 0: not said */
  enum command_policy policy; /* on_interrupt */
  bool has_resume;
  json_t *needs; /* object */
  bool has_contract; /* all this is known */
};

/* Copies the texts, keeps the library; returns with one reference. The contract
 * is the defaults'. */
struct version *version_create(const char *type, const char *path, const char *chunk,
                               const char *text, size_t text_bytes, struct library *library);
struct version *version_keep(struct version *version);
void version_drop(struct version *version);

/* Takes over the "contract" of a WORKER_LOADED report. */
void version_set_contract(struct version *version, const json_t *contract);

/* Appends the WORKER_VERSION frame. `options` is a JSON text. */
void version_write(const struct version *version, const char *purpose, const char *options,
                   struct buffer *out);

#endif
