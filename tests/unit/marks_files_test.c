/* supervision/marks_files.c on a real folder. */
#include "supervision/marks_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct scene {
  char state[64];
  char folder[80];
  int64_t begun[8];
  size_t begun_count;
  int64_t finished[8];
  size_t finished_count;
};

static int set_up(void **state)
{
  struct scene *scene = calloc(1, sizeof *scene);
  assert_non_null(scene);
  snprintf(scene->state, sizeof scene->state, "/tmp/marks-XXXXXX");
  assert_non_null(mkdtemp(scene->state));
  snprintf(scene->folder, sizeof scene->folder, "%s/marks", scene->state);
  *state = scene;
  return 0;
}

static size_t each_file(const struct scene *scene, bool remove_it)
{
  DIR *listing = opendir(scene->folder);
  assert_non_null(listing);
  size_t count = 0;
  struct dirent *entry;
  while ((entry = readdir(listing)))
    if (entry->d_name[0] != '.') {
      count++;
      if (remove_it)
        unlinkat(dirfd(listing), entry->d_name, 0);
    }
  closedir(listing);
  return count;
}

static int tear_down(void **state)
{
  struct scene *scene = *state;
  each_file(scene, true);
  rmdir(scene->folder);
  rmdir(scene->state);
  free(scene);
  return 0;
}

static struct marks_files *open_files(const struct scene *scene)
{
  struct error error = {0};
  struct marks_files *files = marks_files_open(scene->state, &error);
  if (!files)
    fail_msg("%s", error.text);
  return files;
}

static void on_finished(void *context, const struct marks_result *result)
{
  struct scene *scene = context;
  scene->finished[scene->finished_count++] = result->sequence;
}

static void on_begun(void *context, int64_t sequence)
{
  struct scene *scene = context;
  scene->begun[scene->begun_count++] = sequence;
}

/* What its worker does with the file. */
static void work(const struct marks_file *file, int64_t first, int64_t last)
{
  int rc = 0;
  struct marks *marks = marks_attach(dup(marks_file_fd(file)), &rc);
  assert_non_null(marks);
  for (int64_t sequence = first; sequence < last; sequence++) {
    marks_begin(marks, sequence);
    marks_finish(marks, 200, "OK", NULL, 0, 0);
  }
  marks_begin(marks, last);
  marks_destroy(marks);
}

static void removes_a_file_once_its_worker_and_its_commands_are_over(void **state)
{
  struct scene *scene = *state;
  struct marks_files *files = open_files(scene);
  assert_false(marks_files_were_there(files));
  struct command commands[2] = {0};
  struct marks_file *file = marks_file_create(files, NULL);
  marks_file_hold(file, &commands[0]);
  marks_file_hold(file, &commands[1]);
  assert_int_equal(each_file(scene, false), 1);
  marks_file_ended(&commands[0]);
  marks_file_release(file);
  assert_int_equal(each_file(scene, false), 1);
  marks_file_ended(&commands[1]);
  assert_int_equal(each_file(scene, false), 0);
  marks_files_close(files);
}

static void leaves_to_the_next_host_what_a_command_still_needs(void **state)
{
  struct scene *scene = *state;
  struct marks_files *files = open_files(scene);
  struct command command = {0};
  struct marks_file *held = marks_file_create(files, NULL);
  struct marks_file *idle = marks_file_create(files, NULL);
  marks_file_hold(held, &command);
  work(held, 5, 7);
  marks_file_release(held);
  assert_non_null(idle);
  marks_files_close(files);
  assert_int_equal(each_file(scene, false), 1);

  files = open_files(scene);
  assert_true(marks_files_were_there(files));
  assert_int_equal(marks_files_read(files, on_finished, on_begun, scene), 0);
  assert_int_equal(scene->finished_count, 2);
  assert_int_equal(scene->finished[0], 5);
  assert_int_equal(scene->finished[1], 6);
  assert_int_equal(scene->begun_count, 1);
  assert_int_equal(scene->begun[0], 7);
  struct marks_file *own = marks_file_create(files, NULL); /* this process has the same pid */
  assert_non_null(own);
  marks_files_remove_old(files);
  assert_int_equal(each_file(scene, false), 1);
  marks_file_release(own);
  assert_int_equal(each_file(scene, false), 0);
  marks_files_close(files);
}

static void keeps_only_the_files_that_name_what_stays(void **state)
{
  struct scene *scene = *state;
  const int64_t staying[] = {6, 20, 99};
  struct command commands[3] = {0};
  struct marks_files *files = open_files(scene);
  for (int i = 0; i < 3; i++) {
    struct marks_file *file = marks_file_create(files, NULL);
    marks_file_hold(file, &commands[i]);
    work(file, 5 + 10 * i - 5 * (i == 1), 7 + 10 * i - 5 * (i == 1)); /* 5-7, 10-12, 25-27 */
    marks_file_release(file);
  }
  marks_files_close(files);
  files = open_files(scene);
  assert_int_equal(marks_files_read(files, on_finished, on_begun, scene), 0);
  marks_files_keep(files, staying, 3);
  marks_files_remove_old(files);
  assert_int_equal(each_file(scene, false), 1);
  marks_files_close(files);

  *scene->begun = 0;
  scene->begun_count = scene->finished_count = 0;
  files = open_files(scene);
  assert_int_equal(marks_files_read(files, on_finished, on_begun, scene), 0);
  assert_int_equal(scene->begun[0], 7);
  marks_files_keep(files, NULL, 0);
  marks_files_remove_old(files);
  assert_int_equal(each_file(scene, false), 0);
  marks_files_close(files);
}

static void put(const struct scene *scene, const char *name, const char *text)
{
  char path[128];
  snprintf(path, sizeof path, "%s/%s", scene->folder, name);
  FILE *file = fopen(path, "we");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void counts_what_it_cannot_read_and_passes_over_other_names(void **state)
{
  struct scene *scene = *state;
  marks_files_close(open_files(scene));
  put(scene, "12-1", "no marks");
  put(scene, "12-2.new", ""); /* of a host that was killed while it made it */
  struct marks_files *files = open_files(scene);
  assert_int_equal(marks_files_read(files, on_finished, on_begun, scene), 1);
  assert_int_equal(scene->begun_count + scene->finished_count, 0);
  marks_files_remove_old(files);
  assert_int_equal(each_file(scene, false), 0);
  marks_files_close(files);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(removes_a_file_once_its_worker_and_its_commands_are_over,
                                      set_up, tear_down),
      cmocka_unit_test_setup_teardown(leaves_to_the_next_host_what_a_command_still_needs, set_up,
                                      tear_down),
      cmocka_unit_test_setup_teardown(keeps_only_the_files_that_name_what_stays, set_up, tear_down),
      cmocka_unit_test_setup_teardown(counts_what_it_cannot_read_and_passes_over_other_names, set_up,
                                      tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
