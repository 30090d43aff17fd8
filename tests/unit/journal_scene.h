/* A journal on real files in a folder of its own, with a real loop: opened, used and
 * waited for in one call each. */
#ifndef KAALUA_TESTS_JOURNAL_SCENE_H
#define KAALUA_TESTS_JOURNAL_SCENE_H

#include "journal/journal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scene {
  char directory[200];
  struct journal_options options;
  struct loop *loop;
  struct loop_timer *deadline;
  struct journal *journal;
  struct journal_start found;
  struct error error;
  int stored;             /* how often events.stored came */
  int failed;
  char failure[256];
  int changes; /* of the condition */
  enum journal_condition condition;
  bool is_waiting;
};

/* Makes the folder under `parent` (NULL: /tmp); options are set to defaults. */
void scene_init(struct scene *scene, const char *parent);
void scene_clear(struct scene *scene); /* closes, and removes the folder */

/* journal_open() without a check. */
int scene_try(struct scene *scene);

/* Opens, and starts the thread; fails the test where it cannot. */
void scene_open(struct scene *scene);
void scene_close(struct scene *scene);
void scene_reopen(struct scene *scene);

/* Runs the loop until `*counter` is not `was`; fails the test after 20 s. */
void scene_await(struct scene *scene, const int *counter, int was);

/* Submits and waits until it is stored. */
void scene_submit(struct scene *scene, struct change *changes, size_t count);
void scene_change(struct scene *scene, enum change_kind kind, struct command *command);

/* Submits an ACCEPT; the record that was found is owned. */
struct storage_record *scene_accept(struct scene *scene, struct command *command);

/* A command with some contents that follow from its id; scene_command_clear() it. */
struct command scene_command(const char *type, int64_t id, int64_t sequence);
void scene_command_done(struct command *command, int status, const char *reason,
                        const char *payload);
void scene_command_clear(struct command *command);

/* Stores, and copies the failure ("" : none) and the value. */
struct scene_answer {
  int count;
  char failure[200];
  bool has_value;
  char *value; /* free() it */
  size_t value_bytes;
  json_t *rows;
  bool was_found;
};
struct scene_answer scene_store(struct scene *scene, enum journal_store_kind kind,
                                const char *owner, const char *key, const char *value);
struct scene_answer scene_query(struct scene *scene, const struct journal_query *query);
struct scene_answer scene_forget(struct scene *scene, const char *type, int64_t id);

int64_t scene_number(struct scene *scene, const char *key);

/* "<directory>/<name>" in `path`. */
const char *scene_path(const struct scene *scene, const char *name, char path[300]);
/* Whether there is a file whose name begins like this; its name. */
bool scene_finds(const struct scene *scene, const char *prefix, char name[256]);

#endif
