/* The journal's bad days: killed, damaged, lost, full, read-only. What a child process
 * was told is stored must be there, or the journal must say that it was lost. */
#include "base/clock.h"
#include "base/memory.h"
#include "journal/journal_database.h"
#include "journal/journal_prune.h"
#include "journal_scene.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { PEOPLE = 4000, KILLS = 50, DAMAGES = 200, SEED = 20261122 };

static unsigned next_random(unsigned *seed)
{
  *seed = *seed * 1103515245u + 12345u;
  return *seed >> 8;
}

/* The lives of commands by id (which is their sequence, too): what was told of each. */
struct told {
  int64_t id;
  enum command_state state;
};

/* One step of a random life of many commands; returns what is to be told once it is stored. */
static struct told step(struct scene *scene, enum command_state states[], int64_t *last,
                        unsigned *seed)
{
  int64_t id = *last > 20 ? *last - next_random(seed) % 20 : *last;
  bool begins = !*last || next_random(seed) % 3 == 0 || states[id] == COMMAND_CONFIRMED;
  if (begins)
    id = ++*last;
  struct command command = scene_command(id % 2 ? "odd" : "even", id, id);
  char payload[3000];
  size_t size = next_random(seed) % sizeof payload;
  memset(payload, '7', sizeof payload);
  payload[size] = '\0';
  scene_command_done(&command, 200, "OK", payload);
  enum change_kind kind = CHANGE_CONFIRM;
  if (begins)
    kind = CHANGE_ACCEPT;
  else if (states[id] == COMMAND_QUEUED)
    kind = CHANGE_RUN;
  else if (states[id] == COMMAND_RUNNING)
    kind = CHANGE_DONE;
  struct change changes[2] = {{.kind = kind, .command = &command},
                              {.kind = CHANGE_RUN, .command = &command}};
  bool both = begins && next_random(seed) % 2;
  scene_submit(scene, changes, both ? 2 : 1);
  assert_null(changes[0].found);
  states[id] = both                      ? COMMAND_RUNNING
               : kind == CHANGE_ACCEPT   ? COMMAND_QUEUED
               : kind == CHANGE_RUN      ? COMMAND_RUNNING
               : kind == CHANGE_DONE     ? COMMAND_DONE
                                         : COMMAND_CONFIRMED;
  scene_command_clear(&command);
  return (struct told){id, states[id]};
}

/* Commits until it is killed (or `most` times), and tells what was stored. */
static void work(struct scene *scene, int64_t last, enum command_state states[], int fd,
                 unsigned seed, int most)
{
  scene_open(scene);
  for (int i = 0; i < most && last < PEOPLE - 2; i++) {
    struct told told = step(scene, states, &last, &seed);
    if (write(fd, &told, sizeof told) != sizeof told)
      _exit(1);
  }
  kill(getpid(), SIGKILL);
}

struct crowd {
  enum command_state states[PEOPLE]; /* RECEIVED: was not told */
  int64_t last;
  int told;
};

static void raise_told(struct crowd *crowd, const struct told *told)
{
  crowd->states[told->id] = told->state;
  if (told->id > crowd->last)
    crowd->last = told->id;
  crowd->told++;
}

/* Runs a child on the scene's folder and kills it after `count` stored transactions. */
static void kill_after(struct scene *scene, struct crowd *crowd, unsigned seed, int count)
{
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (!child) {
    struct scene own = *scene;
    struct scene fresh;
    scene_init(&fresh, NULL); /* a loop of its own */
    rmdir(fresh.directory);
    own.loop = fresh.loop;
    own.deadline = fresh.deadline;
    own.options.directory = own.directory;
    close(ends[0]);
    work(&own, crowd->last, crowd->states, ends[1], seed, 100000);
    _exit(1);
  }
  close(ends[1]);
  struct told told;
  for (int i = 0; read(ends[0], &told, sizeof told) == sizeof told; i++) {
    raise_told(crowd, &told);
    if (i + 1 == count)
      kill(child, SIGKILL);
  }
  close(ends[0]);
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static enum command_state state_of(const char *name)
{
  for (int state = 0; state < COMMAND_STATES; state++)
    if (!strcmp(name, command_state_name((enum command_state)state)))
      return (enum command_state)state;
  fail_msg("no state: %s", name);
  return COMMAND_RECEIVED;
}

/* What the journal knows of each; RECEIVED: nothing. */
static void look(struct scene *scene, enum command_state known[PEOPLE])
{
  int64_t before = 0;
  for (int i = 0; i < PEOPLE; i++)
    known[i] = COMMAND_RECEIVED;
  for (;;) {
    struct scene_answer answer =
        scene_query(scene, &(struct journal_query){.before = before, .limit = 1000});
    assert_string_equal(answer.failure, "");
    size_t i;
    json_t *row;
    json_array_foreach(answer.rows, i, row)
    {
      int64_t id = json_integer_value(json_object_get(row, "id"));
      assert_in_range(id, 1, PEOPLE - 1);
      known[id] = state_of(json_string_value(json_object_get(row, "state")));
      before = json_integer_value(json_object_get(row, "sequence"));
    }
    json_decref(answer.rows);
    if (!i)
      return;
  }
}

/* Whether all that was told is there, and no command can run a second time. */
static void compare(struct scene *scene, const struct crowd *crowd, const char *what)
{
  static enum command_state known[PEOPLE];
  look(scene, known);
  for (int64_t id = 1; id < PEOPLE; id++) {
    enum command_state told = crowd->states[id];
    bool has_begun = told >= COMMAND_RUNNING;
    if (scene->found.is_lost) {
      if (has_begun && known[id] == COMMAND_QUEUED)
        fail_msg("%s: lost, and %lld would run again", what, (long long)id);
    } else if (known[id] < told) {
      fail_msg("%s: %lld was told %s and is %s", what, (long long)id, command_state_name(told),
               command_state_name(known[id]));
    }
  }
}

static void what_was_stored_survives_fifty_kills(void **unused)
{
  (void)unused;
  static struct crowd crowd;
  struct scene scene;
  unsigned seed = SEED;
  crowd = (struct crowd){0};
  scene_init(&scene, NULL);
  for (int i = 0; i < KILLS; i++) {
    kill_after(&scene, &crowd, next_random(&seed), 1 + (int)(next_random(&seed) % 60));
    scene_open(&scene);
    assert_false(scene.found.is_lost);
    compare(&scene, &crowd, "killed");
    /* What the child began and did not tell of is taken from the journal. */
    look(&scene, crowd.states);
    crowd.last = scene.found.last_sequence;
    scene_close(&scene);
  }
  print_message("  %d kills, %d transactions were told, all of them are there\n", KILLS,
                crowd.told);
  scene_clear(&scene);
}

static char *read_whole(const char *path, size_t *size)
{
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return NULL;
  assert_int_equal(fstat(fd, &status), 0);
  char *bytes = memory_zeroed(1, (size_t)status.st_size + 1);
  assert_int_equal(read(fd, bytes, (size_t)status.st_size), status.st_size);
  close(fd);
  *size = (size_t)status.st_size;
  return bytes;
}

static void write_whole(const char *path, const char *bytes, size_t size)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, bytes, size), size);
  close(fd);
}

enum { FILES = 3 };
static const char *const FILE_NAMES[FILES] = {"journal.db", "journal.db-wal", "journal.mark"};

struct copy {
  char *bytes[FILES];
  size_t sizes[FILES];
};

static void take_copy(const struct scene *scene, struct copy *copy)
{
  char path[300];
  for (int i = 0; i < FILES; i++)
    copy->bytes[i] = read_whole(scene_path(scene, FILE_NAMES[i], path), &copy->sizes[i]);
}

static void put_copy(const struct scene *scene, const struct copy *copy)
{
  char path[300];
  for (int i = 0; i < FILES; i++)
    if (copy->bytes[i])
      write_whole(scene_path(scene, FILE_NAMES[i], path), copy->bytes[i], copy->sizes[i]);
}

static void drop_copy(struct copy *copy)
{
  for (int i = 0; i < FILES; i++)
    free(copy->bytes[i]);
}

/* Damages one of the files; says how in `what`. */
static void damage(const struct scene *scene, const struct copy *copy, unsigned *seed,
                   char what[100])
{
  char path[300];
  int file = (int)(next_random(seed) % FILES);
  unsigned kind = next_random(seed) % 4;
  size_t size = copy->sizes[file];
  if (!copy->bytes[file] || !size)
    file = 0, size = copy->sizes[0];
  char *bytes = memory_copied(copy->bytes[file], size);
  /* Headers, where most depends on a bit, as often as all the rest. */
  size_t at = next_random(seed) % (next_random(seed) % 2 && size > 200 ? 200 : size);
  snprintf(what, 100, "%s %s at %zu of %zu", FILE_NAMES[file],
           kind == 0 ? "cut" : kind == 1 ? "zeroed" : "flipped", at, size);
  if (kind == 1)
    memset(bytes + at, 0, size - at < 5000 ? size - at : 5000);
  else if (kind > 1)
    bytes[at] = (char)(bytes[at] ^ (1 << next_random(seed) % 8));
  write_whole(scene_path(scene, FILE_NAMES[file], path), bytes, kind == 0 ? at : size);
  free(bytes);
}

/* After it was opened, it works: also what was salvaged. */
static void use(struct scene *scene, int64_t id)
{
  struct command command = scene_command("later", id, scene->found.last_sequence + 1);
  struct storage_record *record = scene_accept(scene, &command);
  assert_null(record);
  scene_change(scene, CHANGE_RUN, &command);
  scene_command_clear(&command);
}

static void damaged_anywhere_nothing_runs_twice(void **unused)
{
  (void)unused;
  static struct crowd crowd;
  struct scene origin;
  struct copy copy;
  unsigned seed = SEED;
  int lost = 0, found_whole = 0;
  crowd = (struct crowd){0};
  scene_init(&origin, NULL);
  kill_after(&origin, &crowd, 1, 300);
  take_copy(&origin, &copy);
  assert_non_null(copy.bytes[1]); /* there is a log */
  for (int i = 0; i < DAMAGES; i++) {
    char what[100], *twice;
    struct scene scene;
    scene_init(&scene, NULL);
    put_copy(&scene, &copy);
    damage(&scene, &copy, &seed, what);
    twice = memory_format("%s, in the second start", what);
    if (scene_try(&scene))
      fail_msg("%s: %s", what, scene.error.text);
    assert_int_equal(journal_start(scene.journal, &scene.error), 0);
    lost += scene.found.is_lost;
    found_whole += !scene.found.is_lost;
    assert_true(scene.found.is_lost == (scene.found.set_aside[0] != '\0'));
    assert_true(scene.found.is_lost == (scene.found.why[0] != '\0'));
    if (scene.found.is_lost)
      assert_true(scene.found.last_sequence > crowd.last + 900000);
    compare(&scene, &crowd, what);
    use(&scene, PEOPLE - 1);
    bool was_lost = scene.found.is_lost;
    scene_reopen(&scene);
    assert_true(scene.found.is_lost == was_lost); /* and it stays so */
    assert_string_equal(scene.found.set_aside, "");
    compare(&scene, &crowd, twice);
    free(twice);
    scene_clear(&scene);
  }
  print_message("  %d damages: %d lost and said so, %d harmless\n", DAMAGES, lost, found_whole);
  assert_true(lost > DAMAGES / 20); /* much of a log may be written back already */
  drop_copy(&copy);
  scene_clear(&origin);
}

static void a_missing_journal_beside_its_mark_is_lost(void **unused)
{
  (void)unused;
  struct scene scene;
  char path[300];
  scene_init(&scene, NULL);
  scene_open(&scene);
  use(&scene, 1);
  scene_close(&scene);
  assert_int_equal(unlink(scene_path(&scene, "journal.db", path)), 0);
  scene_open(&scene);
  assert_true(scene.found.is_lost);
  assert_true(scene.found.last_sequence > 1000000);
  assert_string_equal(scene.found.set_aside, "");
  assert_true(scene.found.is_missing);
  scene_clear(&scene);
}

static void an_empty_journal_is_never_a_new_one(void **unused)
{
  (void)unused;
  struct scene scene;
  char path[300], name[256];
  scene_init(&scene, NULL);
  write_whole(scene_path(&scene, "journal.db", path), "", 0);
  scene_open(&scene);
  assert_true(scene.found.is_lost);
  assert_true(scene_finds(&scene, "journal.db.damaged-20", name));
  assert_string_equal(scene.found.set_aside, name);
  assert_false(scene.found.is_missing);
  scene_clear(&scene);
}

static void count_row(void *context, const struct storage_row *row)
{
  int *counts = context;
  counts[row->state]++;
  if (row->state == COMMAND_DONE && row->result.status == 500)
    assert_string_equal(row->result.reason, "Journal lost: the outcome is unknown");
}

/* A queued, a running and a done command, and one that is over. */
static void four_lives(struct scene *scene)
{
  for (int64_t id = 1; id <= 4; id++) {
    struct command command = scene_command("a", id, id);
    scene_command_done(&command, 200, "OK", "[1]");
    assert_null(scene_accept(scene, &command));
    if (id > 1)
      scene_change(scene, CHANGE_RUN, &command);
    if (id > 2)
      scene_change(scene, CHANGE_DONE, &command);
    if (id > 3)
      scene_change(scene, CHANGE_CONFIRM, &command);
    scene_command_clear(&command);
  }
}

static void an_older_database_has_lost_transactions(void **unused)
{
  (void)unused;
  struct scene scene;
  struct copy copy;
  scene_init(&scene, NULL);
  scene_open(&scene);
  four_lives(&scene);
  scene_close(&scene);
  take_copy(&scene, &copy);
  scene_open(&scene);
  use(&scene, 5);
  scene_close(&scene);
  char path[300];
  write_whole(scene_path(&scene, "journal.db", path), copy.bytes[0], copy.sizes[0]);
  assert_int_equal(scene_try(&scene), 0);
  assert_true(scene.found.is_lost);
  assert_non_null(strstr(scene.found.why, "lost 2 of its transactions"));
  int counts[COMMAND_STATES] = {0};
  journal_each_command(scene.journal, count_row, counts);
  assert_int_equal(counts[COMMAND_QUEUED], 0); /* they may have run since */
  assert_int_equal(counts[COMMAND_RUNNING], 0);
  assert_int_equal(counts[COMMAND_DONE], 3);
  assert_int_equal(journal_start(scene.journal, &scene.error), 0);
  struct command again = scene_command("a", 4, scene.found.last_sequence + 1);
  struct storage_record *record = scene_accept(&scene, &again);
  assert_non_null(record);
  assert_string_equal(record->result.payload, "[1]");
  storage_record_destroy(record);
  scene_command_clear(&again);
  drop_copy(&copy);
  scene_clear(&scene);
}

static void a_damaged_row_costs_only_itself(void **unused)
{
  (void)unused;
  struct scene scene;
  struct copy copy;
  char path[300];
  scene_init(&scene, NULL);
  scene_open(&scene);
  four_lives(&scene);
  scene_store(&scene, JOURNAL_SET, "a", "k", "77");
  struct change listed = {.kind = CHANGE_LISTED, .pair = {"E1", "a", 0}};
  scene_submit(&scene, &listed, 1);
  scene_close(&scene);
  take_copy(&scene, &copy);
  char *element = memmem(copy.bytes[0], copy.sizes[0], "{\"id\":3}", 8);
  assert_non_null(element);
  element[6] = '9';
  put_copy(&scene, &copy);
  assert_int_equal(scene_try(&scene), 0);
  assert_true(scene.found.is_lost);
  assert_string_equal(scene.found.why, "table command: a checksum does not hold");
  int counts[COMMAND_STATES] = {0};
  journal_each_command(scene.journal, count_row, counts);
  assert_int_equal(counts[COMMAND_QUEUED], 1); /* no transaction was lost: they keep their state */
  assert_int_equal(counts[COMMAND_RUNNING], 1);
  assert_int_equal(counts[COMMAND_DONE], 0);
  assert_int_equal(journal_start(scene.journal, &scene.error), 0);
  struct scene_answer answer = scene_store(&scene, JOURNAL_GET, "a", "k", NULL);
  assert_string_equal(answer.value, "77");
  free(answer.value);
  write_whole(scene_path(&scene, "journal.db.damaged-20200101T000000Z", path), "old", 3);
  scene_reopen(&scene); /* one that was set aside long ago is of no interest */
  assert_string_equal(scene.found.set_aside, "");
  drop_copy(&copy);
  scene_clear(&scene);
}

static void run_sql(const struct scene *scene, const char *format, ...)
{
  char path[300];
  sqlite3 *handle;
  va_list arguments;
  va_start(arguments, format);
  char *sql = sqlite3_vmprintf(format, arguments);
  va_end(arguments);
  assert_int_equal(sqlite3_open(scene_path(scene, "journal.db", path), &handle), SQLITE_OK);
  if (sqlite3_exec(handle, sql, NULL, NULL, NULL))
    fail_msg("%s", sqlite3_errmsg(handle));
  sqlite3_close(handle);
  sqlite3_free(sql);
}

/* A whole life up to confirmed. */
static void live(struct scene *scene, int64_t id, int64_t sequence, char *payload)
{
  struct command command = scene_command("a", id, sequence);
  scene_command_done(&command, 200, "OK", payload);
  struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &command},
                             {.kind = CHANGE_DONE, .command = &command},
                             {.kind = CHANGE_CONFIRM, .command = &command}};
  scene_submit(scene, changes, 3);
  assert_null(changes[0].found);
  scene_command_clear(&command);
}

/* A closed journal in which the history holds three, and the rows of commands 1 (over) and 2
 * (queued), which have gone to their ids, have come back as they were: a stale page does that. */
static void make_doubles(struct scene *scene)
{
  struct copy copy;
  char path[300];
  scene->options.max_history = 3;
  scene_open(scene);
  live(scene, 1, 1, "[1]");
  struct command second = scene_command("a", 2, 2);
  assert_null(scene_accept(scene, &second));
  scene_close(scene);
  take_copy(scene, &copy);
  write_whole(scene_path(scene, "old.db", path), copy.bytes[0], copy.sizes[0]);
  drop_copy(&copy);
  scene_open(scene);
  scene_command_done(&second, 200, "OK", "[2]");
  scene_change(scene, CHANGE_DONE, &second);
  scene_change(scene, CHANGE_CONFIRM, &second);
  scene_command_clear(&second);
  for (int64_t id = 3; id <= 8; id++)
    live(scene, id, id, "[1]");
  assert_int_equal(scene_number(scene, "ids"), 5);
  scene_close(scene);
  run_sql(scene, "ATTACH %Q AS old; INSERT INTO command SELECT * FROM old.command", path);
}

/* None of both is alive, both are known, and pruning goes on in this start and the next. */
static void expect_no_doubles(struct scene *scene)
{
  int counts[COMMAND_STATES] = {0};
  assert_int_equal(scene_try(scene), 0);
  journal_each_command(scene->journal, count_row, counts);
  for (int state = 0; state < COMMAND_STATES; state++)
    assert_int_equal(counts[state], 0);
  assert_int_equal(journal_start(scene->journal, &scene->error), 0);
  assert_int_equal(scene_number(scene, "commands"), 4); /* with 1, which is over */
  assert_int_equal(scene_number(scene, "ids"), 4);
  int64_t sequence = scene->found.last_sequence;
  for (int64_t id = 1; id <= 2; id++) {
    struct command again = scene_command("a", id, sequence + id);
    struct storage_record *record = scene_accept(scene, &again);
    assert_non_null(record);
    assert_int_equal(record->state, COMMAND_CONFIRMED);
    storage_record_destroy(record);
    scene_command_clear(&again);
  }
  live(scene, 20, sequence + 20, "[1]");
  assert_int_equal(scene_number(scene, "commands"), 3);
  assert_int_equal(scene_number(scene, "ids"), 6);
  scene_reopen(scene);
  live(scene, 21, sequence + 21, "[1]");
  assert_int_equal(scene_number(scene, "ids"), 7);
  assert_int_equal(scene->failed, 0);
}

static void what_is_whole_and_also_an_id_is_one_command(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  make_doubles(&scene);
  expect_no_doubles(&scene);
  assert_false(scene.found.is_lost);
  scene_clear(&scene);
}

static void what_is_salvaged_whole_and_as_an_id_is_one_command(void **unused)
{
  (void)unused;
  struct scene scene;
  scene_init(&scene, NULL);
  make_doubles(&scene);
  run_sql(&scene, "UPDATE name SET sum=sum+1 WHERE text=CAST('boot-1' AS BLOB)");
  expect_no_doubles(&scene);
  assert_true(scene.found.is_lost);
  scene_clear(&scene);
}

static void an_id_gives_way_to_what_is_pruned(void **unused)
{
  (void)unused;
  struct scene scene;
  struct journal_database database;
  char path[300];
  scene_init(&scene, NULL);
  make_doubles(&scene);
  assert_int_equal(journal_database_open(&database, scene_path(&scene, "journal.db", path), true),
                   0);
  database.counts = (struct journal_counts){.commands = 5, .over = 4, .past = 5};
  const struct journal_bounds bounds = {.max_history = 1, .max_history_ms = INT64_MAX / 2,
                                        .max_history_bytes = INT64_MAX,
                                        .max_ids = 100};
  assert_int_equal(journal_prune(&database, &bounds, clock_wall_ms(), 10), 0);
  int64_t count;
  assert_int_equal(journal_database_integer(&database, "SELECT count(*) FROM past", 0, &count), 0);
  assert_int_equal(count, 7); /* 1 to 7 */
  assert_int_equal(database.counts.past, count);
  assert_int_equal(database.counts.over, 1);
  assert_int_equal(database.counts.commands, 2);
  journal_database_close(&database);
  scene_clear(&scene);
}

/* As if it was killed behind the rename: it begins again with what was set aside. */
static void a_recovery_that_was_cut_short_is_taken_up_again(void **unused)
{
  (void)unused;
  struct scene scene;
  char path[300], to[300];
  scene_init(&scene, NULL);
  scene_open(&scene);
  four_lives(&scene);
  scene_close(&scene);
  scene_path(&scene, "journal.db", path);
  scene_path(&scene, "journal.db.damaged-20260101T000000Z", to);
  assert_int_equal(rename(path, to), 0);
  write_whole(scene_path(&scene, "journal.db.new", path), "half", 4);
  scene_open(&scene);
  assert_true(scene.found.is_lost);
  assert_true(scene.found.is_missing);
  assert_string_equal(scene.found.set_aside, "journal.db.damaged-20260101T000000Z");
  struct scene_answer answer = scene_query(&scene, &(struct journal_query){0});
  assert_int_equal(json_array_size(answer.rows), 4);
  json_decref(answer.rows);
  assert_false(scene_finds(&scene, "journal.db.new", NULL));
  scene_clear(&scene);
}

static void a_damaged_mark_is_written_anew(void **unused)
{
  (void)unused;
  struct scene scene;
  char path[300];
  scene_init(&scene, NULL);
  scene_open(&scene);
  use(&scene, 1);
  scene_close(&scene);
  write_whole(scene_path(&scene, "journal.mark", path), "nonsense", 8);
  scene_reopen(&scene);
  assert_false(scene.found.is_lost);
  scene_close(&scene);
  unlink(scene_path(&scene, "journal.mark", path));
  scene_reopen(&scene);
  assert_false(scene.found.is_lost);
  assert_true(scene_finds(&scene, "journal.mark", NULL));
  scene_clear(&scene);
}

static void damage_under_a_running_journal_ends_it(void **unused)
{
  (void)unused;
  struct scene scene;
  char path[300], *payload = memory_zeroed(1, 3001);
  struct stat status;
  scene_init(&scene, NULL);
  scene.options.is_normal = true;
  scene_open(&scene);
  memset(payload, '7', 3000);
  for (int64_t id = 1; id <= 700; id++) { /* far more than is cached, and out of the log */
    struct command command = scene_command("a", id, id);
    scene_command_done(&command, 200, "OK", payload);
    struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &command},
                               {.kind = CHANGE_DONE, .command = &command},
                               {.kind = CHANGE_CONFIRM, .command = &command}};
    scene_submit(&scene, changes, 3);
    scene_command_clear(&command);
  }
  scene_path(&scene, "journal.db", path);
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  assert_int_equal(fstat(fd, &status), 0);
  memset(payload, 0x5a, 3000);
  for (off_t at = 4096 * 8 + 1000; at < status.st_size; at += 4096)
    assert_int_equal(pwrite(fd, payload, 3000, at), 3000);
  /* It keeps its lock: nobody else's descriptor may be closed in this process before. */
  int stored = scene.stored;
  struct command command = scene_command("a", 3, 1000);
  struct change change = {.kind = CHANGE_ACCEPT, .command = &command};
  journal_submit(scene.journal, &change, 1);
  scene_await(&scene, &scene.failed, 0);
  assert_non_null(strstr(scene.failure, "the journal failed: "));
  scene_close(&scene);
  assert_int_equal(scene.stored, stored);
  assert_int_equal(scene.failed, 1);
  assert_null(change.found);
  close(fd);
  free(payload);
  scene_command_clear(&command);
  scene_clear(&scene);
}

static void a_write_that_fails_ends_it(void **unused)
{
  (void)unused;
  struct scene scene;
  struct rlimit before, small;
  scene_init(&scene, NULL);
  scene_open(&scene);
  use(&scene, 1);
  signal(SIGXFSZ, SIG_IGN);
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
  small = before;
  small.rlim_cur = 8192; /* the log is longer than that: EFBIG */
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
  struct command command = scene_command("a", 2, 2);
  struct change change = {.kind = CHANGE_ACCEPT, .command = &command};
  int stored = scene.stored;
  journal_submit(scene.journal, &change, 1);
  scene_await(&scene, &scene.failed, 0);
  assert_non_null(strstr(scene.failure, "disk I/O error"));
  struct storage_record *none = change.found;
  journal_query(scene.journal, &(struct journal_query){0}, NULL, NULL); /* is not answered */
  scene_close(&scene);
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
  signal(SIGXFSZ, SIG_DFL);
  assert_null(none);
  assert_int_equal(scene.stored, stored);
  assert_int_equal(scene.failed, 1);
  scene_open(&scene); /* the process is started again */
  assert_false(scene.found.is_lost);
  assert_int_equal(scene.found.last_sequence, 1);
  scene_command_clear(&command);
  scene_clear(&scene);
}

/* A file system of `size` of our own; skips where that is not allowed. */
static void mount_small(char directory[64], const char *size)
{
  char options[64];
  strcpy(directory, "/tmp/kaalua-small-XXXXXX");
  assert_non_null(mkdtemp(directory));
  snprintf(options, sizeof options, "size=%s,mode=700", size);
  if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
      mount("tmpfs", directory, "tmpfs", 0, options) < 0) {
    print_message("  skipped: a file system cannot be mounted here: %s\n", strerror(errno));
    rmdir(directory);
    skip();
  }
}

static void unmount(const char *directory)
{
  assert_int_equal(umount(directory), 0);
  rmdir(directory);
}

/* Fills what is free, but for `left` bytes; appends to what it wrote before. */
static void fill_disk(const char *directory, int64_t left)
{
  char path[300], block[4096] = {0};
  snprintf(path, sizeof path, "%s/filler", directory);
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  while (write(fd, block, sizeof block) == (ssize_t)sizeof block) {
  }
  struct stat status;
  assert_int_equal(fstat(fd, &status), 0);
  assert_int_equal(ftruncate(fd, status.st_size > left ? status.st_size - left : 0), 0);
  close(fd);
}

static void free_disk(const char *directory)
{
  char path[300];
  snprintf(path, sizeof path, "%s/filler", directory);
  assert_int_equal(unlink(path), 0);
}

/* Accepts until the disk is full; returns the number of the one that was left. */
static int64_t accept_until_left(struct scene *scene, int64_t first, char *payload)
{
  for (int64_t id = first; id < first + 3000; id++) {
    struct command command = scene_command("a", id, id);
    scene_command_done(&command, 400, payload, NULL);
    struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &command},
                               {.kind = CHANGE_DONE, .command = &command}};
    scene_submit(scene, changes, 2);
    scene_command_clear(&command);
    if (changes[0].is_left)
      return id;
  }
  fail_msg("the disk was never full");
  return 0;
}

static void a_full_disk_leaves_commands_and_keeps_results(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64], reason[1001];
  mount_small(directory, "16m");
  scene_init(&scene, directory);
  scene.options.ballast_bytes = 1024 * 1024;
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_GOOD);
  struct command running = scene_command("b", 1, 1);
  struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &running},
                             {.kind = CHANGE_RUN, .command = &running}};
  scene_submit(&scene, changes, 2);
  memset(reason, 'r', 1000);
  reason[1000] = '\0';
  fill_disk(directory, 200 * 1024);
  int64_t left = accept_until_left(&scene, 2, reason);
  assert_int_equal(scene.condition, JOURNAL_FULL);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_FULL);
  assert_int_equal(scene.failed, 0);
  assert_false(scene_finds(&scene, "journal.ballast", NULL));

  /* What is done is stored with the room of the ballast; the rest is left, or told so. */
  scene_command_done(&running, 200, "OK", "[1]");
  char body[] = "[1]";
  struct command more = scene_command("b", 2, left + 1);
  struct change full[] = {{.kind = CHANGE_REPLACE, .command = &more},
                          {.kind = CHANGE_RUN, .command = &more},
                          {.kind = CHANGE_DONE, .command = &running},
                          {.kind = CHANGE_KEEP, .message = {1, false, "E1", 10, body, 3}}};
  scene_submit(&scene, full, 4);
  assert_true(full[0].is_left);
  assert_true(full[3].is_left);
  struct scene_answer answer = scene_store(&scene, JOURNAL_SET, "a", "k", "1");
  assert_string_equal(answer.failure, "no room on the disk");
  struct command again = scene_command("a", 2, left + 2);
  scene_change(&scene, CHANGE_CONFIRM, &running);

  /* It recovers by itself. */
  int changed = scene.changes;
  free_disk(directory);
  scene_await(&scene, &scene.changes, changed);
  assert_int_equal(scene.condition, JOURNAL_GOOD);
  assert_true(scene_finds(&scene, "journal.ballast", NULL));
  scene_change(&scene, CHANGE_REPLACE, &more);
  scene_reopen(&scene);
  assert_false(scene.found.is_lost);
  struct command repeat = scene_command("b", 1, left + 3);
  struct storage_record *record = scene_accept(&scene, &repeat);
  assert_non_null(record);
  assert_int_equal(record->state, COMMAND_CONFIRMED);
  assert_string_equal(record->result.payload, "[1]");
  storage_record_destroy(record);
  scene_command_clear(&running);
  scene_command_clear(&more);
  scene_command_clear(&again);
  scene_command_clear(&repeat);
  scene_clear(&scene);
  unmount(directory);
}

static void what_does_not_fit_waits_until_it_does(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64], reason[1001], *payload = memory_zeroed(1, 200001);
  mount_small(directory, "16m");
  scene_init(&scene, directory);
  scene.options.ballast_bytes = 256 * 1024;
  scene_open(&scene);
  struct command running[8];
  memset(payload, '1', 200000);
  for (int64_t i = 0; i < 8; i++) {
    running[i] = scene_command("b", i, i + 1);
    struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &running[i]},
                               {.kind = CHANGE_RUN, .command = &running[i]}};
    scene_submit(&scene, changes, 2);
    scene_command_done(&running[i], 200, "OK", payload);
  }
  memset(reason, 'r', 1000);
  reason[1000] = '\0';
  fill_disk(directory, 100 * 1024);
  accept_until_left(&scene, 100, reason);
  fill_disk(directory, 0); /* the room of the ballast, too */
  struct change changes[8];
  for (int i = 0; i < 8; i++)
    changes[i] = (struct change){.kind = CHANGE_DONE, .command = &running[i]};
  int stored = scene.stored, changed = scene.changes;
  journal_submit(scene.journal, changes, 8);
  /* Behind it, in order: so it has been tried when this is answered. */
  struct scene_answer answer = scene_store(&scene, JOURNAL_SET, "a", "k", "1");
  assert_string_equal(answer.failure, "no room on the disk");
  answer = scene_query(&scene, &(struct journal_query){.type = "b"});
  assert_int_equal(json_array_size(answer.rows), 8);
  json_decref(answer.rows);
  assert_int_equal(scene.stored, stored);
  assert_true(journal_is_busy(scene.journal));
  assert_int_equal(scene.failed, 0);
  free_disk(directory);
  scene_await(&scene, &scene.stored, stored);
  if (scene.changes == changed)
    scene_await(&scene, &scene.changes, changed);
  assert_int_equal(scene.condition, JOURNAL_GOOD);
  scene_close(&scene);
  assert_int_equal(scene_try(&scene), 0);
  int counts[COMMAND_STATES] = {0};
  journal_each_command(scene.journal, count_row, counts);
  assert_int_equal(counts[COMMAND_RUNNING], 0);
  free(payload);
  for (int i = 0; i < 8; i++)
    scene_command_clear(&running[i]);
  scene_clear(&scene);
  unmount(directory);
}

/* Nothing but the journal is on that disk. */
static void a_disk_full_of_history_has_room_again(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64], *payload = memory_zeroed(1, 100001);
  mount_small(directory, "12m");
  scene_init(&scene, directory);
  scene_open(&scene);
  memset(payload, '1', 100000);
  int64_t id = 0;
  for (struct change first = {0}; !first.is_left;) {
    id++;
    struct command command = scene_command("a", id, id);
    scene_command_done(&command, 200, "OK", payload);
    struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &command},
                               {.kind = CHANGE_DONE, .command = &command}};
    scene_submit(&scene, changes, 2);
    first = changes[0];
    if (!first.is_left)
      scene_change(&scene, CHANGE_CONFIRM, &command);
    scene_command_clear(&command);
  }
  assert_int_equal(journal_condition(scene.journal), JOURNAL_FULL);
  if (scene.condition != JOURNAL_FULL)
    scene_await(&scene, &scene.changes, 0);
  int changed = scene.changes;
  scene_await(&scene, &scene.changes, changed);
  assert_int_equal(scene.condition, JOURNAL_GOOD);
  assert_int_equal(scene.failed, 0);
  use(&scene, 1000);
  scene_reopen(&scene);
  assert_false(scene.found.is_lost);
  for (int64_t past = 1; past < id; past++) {
    struct command again = scene_command("a", past, 2000 + past);
    struct storage_record *record = scene_accept(&scene, &again);
    assert_non_null(record);
    assert_int_equal(record->result.status, 200);
    assert_true((record->result.payload != NULL) == (past >= id - 2)); /* 256 kB stay whole */
    storage_record_destroy(record);
    scene_command_clear(&again);
  }
  print_message("  %lld commands filled the disk\n", (long long)id - 1);
  free(payload);
  scene_clear(&scene);
  unmount(directory);
}

static void a_disk_that_is_full_at_the_start_is_told(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64];
  mount_small(directory, "4m");
  scene_init(&scene, directory);
  scene.options.ballast_bytes = 1024 * 1024;
  scene_open(&scene);
  use(&scene, 1);
  scene_close(&scene);
  char path[300];
  unlink(scene_path(&scene, "journal.ballast", path));
  fill_disk(directory, 100 * 1024);
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_FULL);
  assert_int_equal(scene.found.last_sequence, 1);
  struct command command = scene_command("a", 9, 9);
  struct change change = {.kind = CHANGE_ACCEPT, .command = &command};
  scene_submit(&scene, &change, 1);
  assert_true(change.is_left);
  scene_command_clear(&command);
  scene_clear(&scene);
  free_disk(directory);
  unmount(directory);
}

static void a_disk_without_room_to_open_it_is_read_until_there_is(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64], path[300];
  mount_small(directory, "8m");
  scene_init(&scene, directory);
  scene.options.ballast_bytes = 1024 * 1024;
  scene_open(&scene);
  four_lives(&scene);
  scene_close(&scene);
  unlink(scene_path(&scene, "journal.ballast", path));
  fill_disk(directory, 0);
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_READ_ONLY);
  assert_true(scene.found.is_full);
  assert_false(scene.found.is_lost);
  scene_close(&scene);
  assert_int_equal(scene_try(&scene), 0);
  int counts[COMMAND_STATES] = {0};
  journal_each_command(scene.journal, count_row, counts);
  assert_int_equal(counts[COMMAND_DONE], 1);
  assert_int_equal(counts[COMMAND_RUNNING], 1);
  assert_int_equal(journal_start(scene.journal, &scene.error), 0);
  struct command command = scene_command("a", 99, 99);
  struct change change = {.kind = CHANGE_ACCEPT, .command = &command};
  scene_submit(&scene, &change, 1);
  assert_true(change.is_left);
  assert_int_equal(scene.failed, 0);
  free_disk(directory);
  scene_await(&scene, &scene.failed, 0);
  assert_non_null(strstr(scene.failure, "room again"));
  scene_close(&scene);
  scene_open(&scene); /* the process is started again */
  assert_int_equal(journal_condition(scene.journal), JOURNAL_GOOD);
  assert_false(scene.found.is_full);
  assert_false(scene.found.is_lost);
  assert_null(scene_accept(&scene, &command));
  scene_command_clear(&command);
  scene_clear(&scene);
  unmount(directory);
}

static void a_disk_that_was_always_full_is_an_empty_journal(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64];
  mount_small(directory, "4m");
  scene_init(&scene, directory);
  fill_disk(directory, 0);
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_READ_ONLY);
  assert_true(scene.found.is_full);
  struct command command = scene_command("a", 1, 1);
  struct change change = {.kind = CHANGE_ACCEPT, .command = &command};
  scene_submit(&scene, &change, 1);
  assert_true(change.is_left);
  scene_command_clear(&command);
  scene_clear(&scene);
  free_disk(directory);
  unmount(directory);
}

static void a_read_only_file_system_reports_and_accepts_nothing(void **unused)
{
  (void)unused;
  struct scene scene;
  struct copy copy;
  char directory[64];
  mount_small(directory, "16m");
  scene_init(&scene, directory);
  scene_open(&scene);
  four_lives(&scene);
  scene_store(&scene, JOURNAL_SET, "a", "k", "77");
  take_copy(&scene, &copy); /* with a log, as a killed process leaves it */
  scene_close(&scene);
  put_copy(&scene, &copy);
  drop_copy(&copy);
  assert_int_equal(mount(NULL, directory, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  if (scene_try(&scene))
    fail_msg("%s", scene.error.text);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_READ_ONLY);
  assert_false(scene.found.is_lost);
  assert_int_equal(scene.found.last_sequence, 4);
  int counts[COMMAND_STATES] = {0};
  journal_each_command(scene.journal, count_row, counts);
  assert_int_equal(counts[COMMAND_QUEUED], 1);
  assert_int_equal(counts[COMMAND_RUNNING], 1);
  assert_int_equal(counts[COMMAND_DONE], 1);
  assert_int_equal(journal_start(scene.journal, &scene.error), 0);
  struct command command = scene_command("a", 9, 9), done = scene_command("a", 3, 3);
  struct change changes[] = {{.kind = CHANGE_ACCEPT, .command = &command},
                             {.kind = CHANGE_CONFIRM, .command = &done}};
  scene_submit(&scene, changes, 2);
  assert_true(changes[0].is_left);
  struct scene_answer answer = scene_store(&scene, JOURNAL_GET, "a", "k", NULL);
  assert_string_equal(answer.value, "77");
  free(answer.value);
  answer = scene_store(&scene, JOURNAL_SET, "a", "k", "1");
  assert_string_equal(answer.failure, "the file system is read-only");
  answer = scene_query(&scene, &(struct journal_query){0});
  assert_int_equal(json_array_size(answer.rows), 4);
  json_decref(answer.rows);
  scene_close(&scene);
  assert_int_equal(mount(NULL, directory, NULL, MS_REMOUNT, NULL), 0);
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_GOOD);
  assert_false(scene.found.is_lost);
  scene_command_clear(&command);
  scene_command_clear(&done);
  scene_clear(&scene);
  unmount(directory);
}

static void a_missing_journal_on_a_read_only_file_system_is_empty(void **unused)
{
  (void)unused;
  struct scene scene;
  char directory[64];
  mount_small(directory, "1m");
  scene_init(&scene, directory);
  assert_int_equal(mount(NULL, directory, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
  scene_open(&scene);
  assert_int_equal(journal_condition(scene.journal), JOURNAL_READ_ONLY);
  assert_false(scene.found.is_lost);
  struct scene_answer answer = scene_query(&scene, &(struct journal_query){0});
  assert_int_equal(json_array_size(answer.rows), 0);
  json_decref(answer.rows);
  scene_close(&scene);
  assert_int_equal(mount(NULL, directory, NULL, MS_REMOUNT, NULL), 0);
  scene_clear(&scene);
  unmount(directory);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_stored_survives_fifty_kills),
      cmocka_unit_test(damaged_anywhere_nothing_runs_twice),
      cmocka_unit_test(a_missing_journal_beside_its_mark_is_lost),
      cmocka_unit_test(an_empty_journal_is_never_a_new_one),
      cmocka_unit_test(an_older_database_has_lost_transactions),
      cmocka_unit_test(a_damaged_row_costs_only_itself),
      cmocka_unit_test(what_is_whole_and_also_an_id_is_one_command),
      cmocka_unit_test(what_is_salvaged_whole_and_as_an_id_is_one_command),
      cmocka_unit_test(an_id_gives_way_to_what_is_pruned),
      cmocka_unit_test(a_recovery_that_was_cut_short_is_taken_up_again),
      cmocka_unit_test(a_damaged_mark_is_written_anew),
      cmocka_unit_test(damage_under_a_running_journal_ends_it),
      cmocka_unit_test(a_write_that_fails_ends_it),
      cmocka_unit_test(a_full_disk_leaves_commands_and_keeps_results),
      cmocka_unit_test(what_does_not_fit_waits_until_it_does),
      cmocka_unit_test(a_disk_full_of_history_has_room_again),
      cmocka_unit_test(a_disk_that_is_full_at_the_start_is_told),
      cmocka_unit_test(a_disk_without_room_to_open_it_is_read_until_there_is),
      cmocka_unit_test(a_disk_that_was_always_full_is_an_empty_journal),
      cmocka_unit_test(a_read_only_file_system_reports_and_accepts_nothing),
      cmocka_unit_test(a_missing_journal_on_a_read_only_file_system_is_empty),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
