#include "journal_scene.h"

#include "base/clock.h"
#include "base/memory.h"

#include <dirent.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

static void on_deadline(void *context)
{
  struct scene *scene = context;
  loop_stop(scene->loop);
}

void scene_init(struct scene *scene, const char *parent)
{
  *scene = (struct scene){0};
  snprintf(scene->directory, sizeof scene->directory, "%s/kaalua-journal-XXXXXX",
           parent ? parent : "/tmp");
  assert_non_null(mkdtemp(scene->directory));
  scene->options = (struct journal_options){
      .directory = scene->directory, .boot_id = "boot-1", .version = "1.2.3"};
  scene->loop = loop_create();
  scene->deadline = loop_timer_create(scene->loop, on_deadline, scene);
}

static int remove_entry(const char *path, const struct stat *status, int flag, struct FTW *walk)
{
  (void)status, (void)flag, (void)walk;
  return remove(path);
}

void scene_clear(struct scene *scene)
{
  scene_close(scene);
  loop_timer_destroy(scene->deadline);
  loop_destroy(scene->loop);
  nftw(scene->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void on_stored(void *context)
{
  struct scene *scene = context;
  scene->stored++;
  loop_stop(scene->loop);
}

static void on_changed(void *context, enum journal_condition condition, const char *text)
{
  struct scene *scene = context;
  assert_true(text[0] != '\0');
  scene->changes++;
  scene->condition = condition;
  loop_stop(scene->loop);
}

static void on_failed(void *context, const char *text)
{
  struct scene *scene = context;
  scene->failed++;
  snprintf(scene->failure, sizeof scene->failure, "%s", text);
  loop_stop(scene->loop);
}

int scene_try(struct scene *scene)
{
  const struct journal_events events = {scene, on_stored, on_changed, on_failed};
  scene->error = (struct error){0};
  return journal_open(&scene->journal, scene->loop, &scene->options, &events, &scene->found,
                      &scene->error);
}

void scene_open(struct scene *scene)
{
  if (scene_try(scene))
    fail_msg("%s", scene->error.text);
  assert_int_equal(journal_start(scene->journal, &scene->error), 0);
}

void scene_close(struct scene *scene)
{
  journal_close(scene->journal);
  scene->journal = NULL;
}

void scene_reopen(struct scene *scene)
{
  scene_close(scene);
  scene_open(scene);
}

void scene_await(struct scene *scene, const int *counter, int was)
{
  int64_t until = clock_monotonic_ms() + DEADLINE_MS;
  loop_timer_set(scene->deadline, until);
  while (*counter == was && clock_monotonic_ms() < until)
    loop_run(scene->loop);
  loop_timer_set(scene->deadline, INT64_MAX);
  if (*counter == was)
    fail_msg("nothing came within %d ms; failed: %s", DEADLINE_MS, scene->failure);
}

void scene_submit(struct scene *scene, struct change *changes, size_t count)
{
  int was = scene->stored;
  assert_false(journal_is_busy(scene->journal));
  journal_submit(scene->journal, changes, count);
  assert_true(journal_is_busy(scene->journal));
  scene_await(scene, &scene->stored, was);
  assert_false(journal_is_busy(scene->journal));
}

void scene_change(struct scene *scene, enum change_kind kind, struct command *command)
{
  struct change change = {.kind = kind, .command = command};
  scene_submit(scene, &change, 1);
  assert_null(change.found);
  assert_false(change.is_left);
}

struct storage_record *scene_accept(struct scene *scene, struct command *command)
{
  struct change change = {.kind = CHANGE_ACCEPT, .command = command};
  scene_submit(scene, &change, 1);
  assert_false(change.is_left);
  return change.found;
}

struct command scene_command(const char *type, int64_t id, int64_t sequence)
{
  struct command command = {
      .key = {"E1", type, id},
      .element = memory_format("{\"id\":%lld}", (long long)id),
      .received_wall_ms = 1700000000000 + sequence,
      .received_boot_ms = 5000 + sequence,
      .sequence = sequence,
  };
  command.element_bytes = strlen(command.element);
  memset(command.digest, (int)(id & 0xff), sizeof command.digest);
  return command;
}

void scene_command_done(struct command *command, int status, const char *reason,
                        const char *payload)
{
  command_result_clear(&command->result);
  command->result = (struct command_result){
      .status = status,
      .reason = memory_text(reason),
      .payload = memory_text(payload),
      .payload_bytes = payload ? strlen(payload) : 0,
  };
}

void scene_command_clear(struct command *command)
{
  free(command->element);
  command->element = NULL;
  command_result_clear(&command->result);
}

struct asked {
  struct scene *scene;
  struct scene_answer answer;
};

static void note_failure(struct asked *asked, const char *failure)
{
  snprintf(asked->answer.failure, sizeof asked->answer.failure, "%s", failure ? failure : "");
  asked->answer.count++;
  loop_stop(asked->scene->loop);
}

static void on_store(void *context, const char *failure, const char *value, size_t value_bytes)
{
  struct asked *asked = context;
  asked->answer.has_value = value != NULL;
  asked->answer.value = value ? memory_copied(value, value_bytes) : NULL;
  asked->answer.value_bytes = value_bytes;
  note_failure(asked, failure);
}

static void on_query(void *context, const json_t *answer, const char *failure)
{
  struct asked *asked = context;
  asked->answer.rows = json_incref((json_t *)answer);
  note_failure(asked, failure);
}

static void on_forget(void *context, bool found, const char *failure)
{
  struct asked *asked = context;
  asked->answer.was_found = found;
  note_failure(asked, failure);
}

struct scene_answer scene_store(struct scene *scene, enum journal_store_kind kind,
                                const char *owner, const char *key, const char *value)
{
  struct asked asked = {.scene = scene};
  journal_store(scene->journal, kind, owner, key, value, value ? strlen(value) : 0, on_store,
                &asked);
  scene_await(scene, &asked.answer.count, 0);
  return asked.answer;
}

struct scene_answer scene_query(struct scene *scene, const struct journal_query *query)
{
  struct asked asked = {.scene = scene};
  journal_query(scene->journal, query, on_query, &asked);
  scene_await(scene, &asked.answer.count, 0);
  return asked.answer;
}

struct scene_answer scene_forget(struct scene *scene, const char *type, int64_t id)
{
  struct asked asked = {.scene = scene};
  journal_forget(scene->journal, "E1", type, id, on_forget, &asked);
  scene_await(scene, &asked.answer.count, 0);
  return asked.answer;
}

int64_t scene_number(struct scene *scene, const char *key)
{
  json_t *numbers = journal_numbers(scene->journal);
  const json_t *value = json_object_get(numbers, key);
  assert_true(json_is_integer(value));
  int64_t number = json_integer_value(value);
  json_decref(numbers);
  return number;
}

const char *scene_path(const struct scene *scene, const char *name, char path[300])
{
  snprintf(path, 300, "%s/%s", scene->directory, name);
  return path;
}

bool scene_finds(const struct scene *scene, const char *prefix, char name[256])
{
  bool is_there = false;
  DIR *entries = opendir(scene->directory);
  assert_non_null(entries);
  for (struct dirent *entry; !is_there && (entry = readdir(entries));)
    if (!strncmp(entry->d_name, prefix, strlen(prefix))) {
      is_there = true;
      if (name)
        snprintf(name, 256, "%s", entry->d_name);
    }
  closedir(entries);
  return is_there;
}
