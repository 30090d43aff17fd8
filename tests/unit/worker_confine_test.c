/* What the kernel keeps from the real worker: a native module (raw_call.c) makes the system
 * calls that code which got out of the Lua environment would make. */
#include "worker_peer.h"

#include "base/clock.h"
#include "base/kernel.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* A folder with `open`, which is granted, and `closed`, each with a file `data`. */
struct scene {
  char path[64];
  char options[160]; /* its `closed` is the agent's */
};

static char cpath[4200];

/* ---- the scene ---- */

static void write_file(const char *folder, const char *name, const char *text)
{
  char *path = memory_format("%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  free(path);
}

static char *read_text(const char *folder, const char *name)
{
  static char text[64];
  char *path = memory_format("%s/%s", folder, name);
  FILE *file = fopen(path, "r");
  free(path);
  if (!file)
    return NULL;
  text[fread(text, 1, sizeof text - 1, file)] = '\0';
  fclose(file);
  return text;
}

static int make_scene(void **state)
{
  struct scene *scene = memory_zeroed(1, sizeof *scene);
  char path[] = "/tmp/kaalua-confine-XXXXXX";
  assert_non_null(mkdtemp(path));
  chmod(path, 0755);
  snprintf(scene->path, sizeof scene->path, "%s", path);
  snprintf(scene->options, sizeof scene->options, "{\"private\":[\"%s/closed\"]}", path);
  static const char *const folders[] = {"open", "closed"};
  for (size_t i = 0; i < 2; i++) {
    char *folder = memory_format("%s/%s", path, folders[i]);
    assert_int_equal(mkdir(folder, 0755), 0);
    write_file(folder, "data", folders[i]);
    free(folder);
  }
  *state = scene;
  return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
  (void)info;
  (void)kind;
  (void)at;
  return remove(path);
}

static int remove_scene(void **state)
{
  struct scene *scene = *state;
  nftw(scene->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
  free(scene);
  return 0;
}

/* ---- what is run ---- */

/* Runs `body` with the contract's `needs`; in it `at` is the scene's folder, `host` the id of
 * this process, and call() makes a system call. */
static struct finished run_body(const struct scene *scene, const char *needs, const char *options,
                                const char *body)
{
  struct peer peer;
  char *source = memory_format(
      "local at, host = '%s', %d\n"
      "return { needs = %s, memory_mib = 32, run = function(command)\n"
      "  local raw = require 'raw_call'\n"
      "  local call = raw.call\n%s\nend }", scene->path, (int)getpid(), needs, body);
  peer_load(&peer, source, options);
  struct finished finished = peer_run(&peer, NULL);
  if (finished.status != 200)
    fail_msg("%s", finished.reason);
  peer_stop(&peer);
  free(source);
  return finished;
}

static void expect_payload(const struct scene *scene, const char *needs, const char *body,
                           const char *payload)
{
  struct finished finished = run_body(scene, needs, scene->options, body);
  assert_string_equal(finished.payload, payload);
  finished_clear(&finished);
}

/* Makes each call and expects its error. */
static void expect_errors(const struct scene *scene, const char *needs,
                          const char *const (*cases)[2], size_t count)
{
  struct buffer body = {0}, expected = {0};
  buffer_append_text(&body, "return 200, 'OK', {\n");
  buffer_append_char(&expected, '[');
  for (size_t i = 0; i < count; i++) {
    buffer_format(&body, "call(%s),\n", cases[i][0]);
    buffer_format(&expected, "%s\"%s\"", i ? "," : "", cases[i][1]);
  }
  buffer_append_text(&body, "}");
  buffer_append_char(&expected, ']');
  expect_payload(scene, needs, buffer_text(&body), buffer_text(&expected));
  buffer_clear(&body);
  buffer_clear(&expected);
}

#define EXPECT_ERRORS(scene, needs, cases) \
  expect_errors(scene, needs, cases, sizeof cases / sizeof *cases)

static bool lacks_landlock(void)
{
  return kernel_landlock_abi() < 2;
}

/* ---- system calls ---- */

static void calls_that_reach_out_are_refused(void **state)
{
  static const char *const cases[][2] = {
      {"'execve', '/bin/true'", "EPERM"},
      {"'execveat', -100, '/bin/true'", "EPERM"},
      {"'clone', 17", "EPERM"},
      {"'clone3'", "ENOSYS"},
      {"'socket', 2, 1", "EPERM"},
      {"'socket', 16, 3", "EPERM"},
      {"'socketpair', 1, 1", "EPERM"},
      {"'connect', 3", "EPERM"},
      {"'bind', 3", "EPERM"},
      {"'listen', 3", "EPERM"},
      {"'accept4', 3", "EPERM"},
      {"'io_uring_setup', 8", "EPERM"},
      {"'bpf'", "EPERM"},
      {"'perf_event_open'", "EPERM"},
      {"'userfaultfd'", "EPERM"},
      {"'personality', 0xffffffff", "EPERM"},
      {"'mount', 'none', '/mnt', 'tmpfs'", "EPERM"},
      {"'umount2', '/mnt'", "EPERM"},
      {"'unshare', 0x10000000", "EPERM"},
      {"'setns', 3", "EPERM"},
      {"'chroot', '/tmp'", "EPERM"},
      {"'pivot_root', '/tmp', '/tmp'", "EPERM"},
      {"'open_by_handle_at', -100", "EPERM"},
      {"'openat2', -100", "ENOSYS"},
      {"'keyctl'", "EPERM"},
      {"'add_key'", "EPERM"},
      {"'init_module'", "EPERM"},
      {"'finit_module'", "EPERM"},
      {"'delete_module'", "EPERM"},
      {"'reboot'", "EPERM"},
      {"'swapon', '/tmp'", "EPERM"},
      {"'settimeofday'", "EPERM"},
      {"'clock_settime'", "EPERM"},
      {"'setresuid', -1, -1, -1", "EPERM"},
      {"'capset'", "EPERM"},
  };
  EXPECT_ERRORS(*state, "{ 'native', 'write', 'exec', 'net' }", cases);
}

static void other_processes_are_out_of_reach(void **state)
{
  static const char *const cases[][2] = {
      {"'kill', host, 0", "EPERM"},
      {"'kill', -1, 0", "EPERM"},
      {"'kill', 0, 0", "EPERM"},
      {"'kill', call 'getppid', 0", "EPERM"},
      {"'tkill', host, 0", "EPERM"},
      {"'tgkill', host, host, 0", "EPERM"},
      {"'rt_sigqueueinfo', host, 0", "EPERM"},
      {"'fcntl', 3, 8, host", "EPERM"},
      {"'fcntl', 3, 10, 9", "EPERM"},
      {"'ioctl', 3, 0x8901, 0", "EPERM"},
      {"'ioctl', 3, 0x100005412, 0", "EPERM"},
      {"'ptrace', 16, host", "EPERM"},
      {"'process_vm_readv', host", "EPERM"},
      {"'pidfd_open', host", "EPERM"},
      {"'prlimit64', host, 7", "EPERM"},
      {"'setpriority', 0, host, 19", "EPERM"},
      {"'setpriority', 1, 0, 0", "EPERM"}, /* PRIO_PGRP */
      {"'setpriority', 2, 0, 0", "EPERM"}, /* PRIO_USER: the agent is one of them */
      {"'ioprio_set', 1, host, 0", "EPERM"},
      {"'ioprio_set', 3, 0, 0", "EPERM"}, /* IOPRIO_WHO_USER */
      {"'sched_setscheduler', host", "EPERM"},
      {"'sched_setaffinity', host", "EPERM"},
      {"'shmat', 1 << 30", "EPERM"},
      {"'semop', 1 << 30", "EPERM"},
      {"'fcntl', 3, 0x500000008, host", "EPERM"},
      {"'prctl', 0x700000001, 0", "EPERM"},
      {"'clone', 0x700000011", "EPERM"},
      {"'prctl', 1, 0", "EPERM"},  /* PR_SET_PDEATHSIG */
      {"'prctl', 4, 1", "EPERM"},  /* PR_SET_DUMPABLE */
      {"'prctl', 36, 1", "EPERM"}, /* PR_SET_CHILD_SUBREAPER */
  };
  EXPECT_ERRORS(*state, "{ 'native', 'write', 'exec', 'net' }", cases);
}

static void what_a_worker_is_for_still_works(void **state)
{
  expect_payload(*state, "{ 'native', 'write' }",
                 "local own = call 'getpid'\n"
                 "return 200, 'OK', { call('kill', own, 0), call('tgkill', own, own, 0),\n"
                 "  call('prlimit64', 0, 7), call('setpriority', 0, 0, 0), raw.thread(), "
                 "raw.allocate(40),\n"
                 "  call('memfd_create', 'x') > 3, call('prctl', 38) }",
                 "[0,0,0,0,true,true,true,\"EINVAL\"]");
}

static void calls_of_another_architecture_are_refused(void **state)
{
  expect_payload(*state, "{ 'native' }",
                 "return 200, 'OK', { raw.old_call(20), call(0x40000000 + 39) }", /* getpid */
                 "[\"ENOSYS\",\"ENOSYS\"]");
}

static void another_process_shows_nothing(void **state)
{
  if (lacks_landlock())
    skip();
  expect_payload(*state, "{ 'native', 'write' }",
                 "local said = {}\n"
                 "for i, name in ipairs { 'environ', 'mem', 'maps', 'fd/0' } do\n"
                 "  said[i] = call('openat', -100, '/proc/' .. host .. '/' .. name, 0)\n"
                 "end\n"
                 "return 200, 'OK', said", "[\"EACCES\",\"EACCES\",\"EACCES\",\"EACCES\"]");
}

/* ---- files ---- */

#define OPEN "'openat', -100, at .. "
#define CREATE "0x41, 420" /* O_WRONLY | O_CREAT */

static void without_write_no_file_is_changed(void **state)
{
  static const char *const cases[][2] = {
      {OPEN "'/open/data', 1", "EACCES"},
      {OPEN "'/open/data', 2", "EACCES"},
      {OPEN "'/open/data', 0x200", "EPERM"}, /* O_RDONLY | O_TRUNC */
      {OPEN "'/open/new', " CREATE, "EACCES"},
      {"'truncate', at .. '/open/data', 0", "EPERM"},
      {"'unlinkat', -100, at .. '/open/data'", "EACCES"},
      {"'unlinkat', -100, at .. '/open', 0x200", "EACCES"},
      {"'mkdirat', -100, at .. '/new'", "EACCES"},
      {"'mknodat', -100, at .. '/new', 0x1000 + 420", "EACCES"},
      {"'mknodat', -100, at .. '/new', 0x2000 + 420, 0x103", "EACCES"},
      {"'symlinkat', '/', -100, at .. '/new'", "EACCES"},
      {"'linkat', -100, at .. '/open/data', -100, at .. '/new'", "EPERM"},
      {"'renameat2', -100, at .. '/open/data', -100, at .. '/open/new'", "EACCES"},
      {"'fchmodat', -100, at .. '/open/data', 511", "EPERM"},
      {"452, -100, at .. '/open/data', 511", "EPERM"}, /* fchmodat2 */
      {"'fchownat', -100, at .. '/open/data', 0, 0", "EPERM"},
      {"'setxattr', at .. '/open/data', 'user.x', 'x', 1", "EPERM"},
      {"'utimensat', -100, at .. '/open/data'", "EPERM"},
      {"'ioctl', call('openat', -100, at .. '/open/data', 0), 0x40086602", "EPERM"}, /* chattr */
      {"'fcntl', call('openat', -100, at .. '/open/data', 0), 1024, 0", "EPERM"}, /* a lease */
  };
  struct scene *scene = *state;
  if (lacks_landlock())
    skip();
  EXPECT_ERRORS(scene, "{ 'native' }", cases);
  char *open_folder = memory_format("%s/open", scene->path);
  assert_string_equal(read_text(open_folder, "data"), "open");
  free(open_folder);
  expect_payload(scene, "{ 'native' }",
                 "return 200, 'OK', { call('openat', -100, '/dev/null', 1) > 3,\n"
                 "  call('openat', -100, at .. '/open/data', 0) > 3 }", "[true,true]");
}

static void narrowed_write_holds_inside_and_refuses_outside(void **state)
{
  struct scene *scene = *state;
  char *needs = memory_format("{ 'native', write = { '%s/open' } }", scene->path);
  static const char *const outside[][2] = {
      {OPEN "'/closed/data', 1", "EACCES"},
      {OPEN "'/closed/new', " CREATE, "EACCES"},
      {"'unlinkat', -100, at .. '/closed/data'", "EACCES"},
      {"'mkdirat', -100, at .. '/new'", "EACCES"},
      {"'symlinkat', '/', -100, at .. '/closed/new'", "EACCES"},
      {"'renameat2', -100, at .. '/closed/data', -100, at .. '/open/new'", "EACCES"},
      {"'renameat2', -100, at .. '/open/data', -100, at .. '/closed/new'", "EACCES"},
      {"'renameat2', -100, at .. '/open', -100, at .. '/other'", "EACCES"},
      {"'mknodat', -100, at .. '/open/disk', 0x6000 + 420, 0x800", "EACCES"},
      {"'fchmodat', -100, at .. '/open/data', 511", "EPERM"},
  };
  if (lacks_landlock())
    skip();
  EXPECT_ERRORS(scene, needs, outside);
  expect_payload(scene, needs,
                 "return 200, 'OK', { call('openat', -100, at .. '/open/new', " CREATE ") > 3,\n"
                 "  call('openat', -100, at .. '/open/data', 0x201) > 3,\n"
                 "  call('mkdirat', -100, at .. '/open/deep', 493),\n"
                 "  call('renameat2', -100, at .. '/open/new', -100, at .. '/open/deep/new'),\n"
                 "  call('symlinkat', '../closed', -100, at .. '/open/out'),\n"
                 "  call('openat', -100, at .. '/open/out/data', 1),\n"
                 "  call('unlinkat', -100, at .. '/open/deep/new') }",
                 "[true,true,0,0,0,\"EACCES\",0]");
  free(needs);
}

static void a_link_that_is_made_in_between_leads_nowhere(void **state)
{
  struct scene *scene = *state;
  char *needs = memory_format("{ 'native', write = { '%s/open' } }", scene->path);
  if (lacks_landlock())
    skip();
  expect_payload(scene, needs,
                 "local file = io.open(at .. '/open/log', 'w')\n"
                 "file:close()\n"
                 "os.remove(at .. '/open/log')\n"
                 "call('symlinkat', at .. '/closed/data', -100, at .. '/open/log')\n"
                 "return 200, 'OK', { call('openat', -100, at .. '/open/log', 0x201),\n"
                 "  select(3, io.open(at .. '/open/log', 'w')) }", "[\"EACCES\",13]");
  free(needs);
}

static void what_the_host_knows_holds_before_the_file_is_loaded(void **state)
{
  struct scene *scene = *state;
  if (lacks_landlock())
    skip();
  struct finished finished = run_body(
      scene, "{ 'native', 'write' }", "{\"needs\":{\"native\":true}}",
      "return 200, 'OK', { call(" OPEN "'/open/data', 1) }");
  assert_string_equal(finished.payload, "[\"EACCES\"]");
  finished_clear(&finished);
}

static void all_may_be_written_where_all_is_granted(void **state)
{
  if (lacks_landlock())
    skip();
  expect_payload(*state, "{ 'native', 'write' }",
                 "return 200, 'OK', { call('openat', -100, at .. '/new', " CREATE ") > 3,\n"
                 "  call('renameat2', -100, at .. '/new', -100, at .. '/open/new'),\n"
                 "  call('mknodat', -100, at .. '/disk', 0x6000 + 420, 0x800) }",
                 "[true,0,\"EACCES\"]");
}

static void a_folder_that_comes_later_is_for_the_next_worker(void **state)
{
  struct scene *scene = *state;
  struct peer peer;
  if (lacks_landlock())
    skip();
  char *source = memory_format(
      "return { needs = { write = { '%s/stick' } }, run = function()\n"
      "  return 200, 'OK', (io.open('%s/stick/log', 'w') ~= nil)\nend }", scene->path, scene->path);
  peer_load(&peer, source, scene->options);
  struct finished before = peer_run(&peer, NULL);
  assert_false(before.is_spent);
  char *stick = memory_format("%s/stick", scene->path);
  assert_int_equal(mkdir(stick, 0755), 0);
  struct finished during = peer_run(&peer, NULL);
  assert_string_equal(during.payload, "false");
  assert_true(during.is_spent);
  peer_stop(&peer);
  peer_load(&peer, source, scene->options);
  struct finished after = peer_run(&peer, NULL);
  assert_string_equal(after.payload, "true");
  assert_false(after.is_spent);
  peer_stop(&peer);
  finished_clear(&before);
  finished_clear(&during);
  finished_clear(&after);
  free(stick);
  free(source);
}

/* Exchanges a folder and a link to the agent's own for as long as it is told. */
struct swap {
  const char *path;
  atomic_bool is_over;
};

static void *swap_folders(void *context)
{
  struct swap *swap = context;
  char *folder = memory_format("%s/open", swap->path);
  char *link = memory_format("%s/link", swap->path);
  assert_int_equal(symlink("closed", link), 0);
  while (!atomic_load(&swap->is_over))
    renameat2(AT_FDCWD, folder, AT_FDCWD, link, RENAME_EXCHANGE);
  unlink(link);
  unlink(folder);
  free(folder);
  free(link);
  return NULL;
}

static void a_folder_that_becomes_a_link_while_it_is_opened_shows_nothing(void **state)
{
  struct scene *scene = *state;
  struct swap swap = {.path = scene->path};
  pthread_t swapping;
  struct peer peer;
  char *source = memory_format(
      "local path = '%s/open/data'\n"
      "return { needs = { 'write' }, run = function()\n"
      "  local seen = { open = 0, closed = 0, emptied = 0 }\n"
      "  local function see(file)\n"
      "    local text = file and file:read 'a' or ''\n"
      "    if seen[text] then seen[text] = seen[text] + 1 end\n"
      "    if file then file:close() end\n"
      "  end\n"
      "  for _ = 1, 20000 do\n"
      "    see(io.open(path))\n"
      "    see(io.open(path, 'r+'))\n"
      "    local has_lines, line, _, _, file = pcall(io.lines, path, 'a')\n"
      "    if has_lines then\n"
      "      local text = line()\n"
      "      file:close()\n"
      "      if seen[text] then seen[text] = seen[text] + 1 end\n"
      "    end\n"
      "  end\n"
      "  return 200, 'OK', { seen.open > 0, seen.closed } end }", scene->path);
  peer_load(&peer, source, scene->options);
  assert_int_equal(pthread_create(&swapping, NULL, swap_folders, &swap), 0);
  struct finished finished = peer_run(&peer, NULL);
  atomic_store(&swap.is_over, true);
  pthread_join(swapping, NULL);
  assert_string_equal(finished.payload, "[true,0]");
  finished_clear(&finished);
  peer_stop(&peer);
  free(source);
}

static void a_folder_that_becomes_a_link_while_it_is_changed_stays_as_it_is(void **state)
{
  struct scene *scene = *state;
  struct swap swap = {.path = scene->path};
  pthread_t swapping;
  struct peer peer;
  char *source = memory_format(
      "local path, moved = '%s/open/data', 0\n"
      "return { needs = { 'write' }, run = function()\n"
      "  for _ = 1, 30000 do\n"
      "    if os.rename(path, path .. '-moved') then moved = moved + 1 end\n"
      "    os.rename(path .. '-moved', path)\n"
      "    os.remove(path .. '-none')\n"
      "  end\n"
      "  return 200, 'OK', moved > 0 end }", scene->path);
  write_file(scene->path, "closed/data-none", "stays");
  peer_load(&peer, source, scene->options);
  assert_int_equal(pthread_create(&swapping, NULL, swap_folders, &swap), 0);
  struct finished finished = peer_run(&peer, NULL);
  atomic_store(&swap.is_over, true);
  pthread_join(swapping, NULL);
  assert_string_equal(finished.payload, "true");
  finished_clear(&finished);
  peer_stop(&peer);
  free(source);
  static const char *const names[] = {"data", "data-none"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char *path = memory_format("%s/closed/%s", scene->path, names[i]);
    assert_int_equal(access(path, F_OK), 0);
    free(path);
  }
}

static void what_a_handlers_link_leads_to_is_not_written(void **state)
{
  struct scene *scene = *state;
  char *options = memory_format("{\"handlers\":[\"%s/closed\"]}", scene->path);
  char *link = memory_format("%s/closed/light.lua", scene->path);
  assert_int_equal(symlink("../open/data", link), 0);
  struct finished finished = run_body(scene, "{ 'native', 'write' }", options,
      "local function why(path)\n"
      "  local done, message = io.open(path, 'a')\n"
      "  return done and 'open' or message:match ': (.*)$'\n"
      "end\n"
      "local _, moved = os.rename(at .. '/open/other', at .. '/open/data')\n"
      "return 200, 'OK', { why(at .. '/closed/light.lua'), why(at .. '/open/data'),\n"
      "  why(at .. '/open/other'), moved:match ': (.*)$' }");
  assert_string_equal(finished.payload, "[\"never written by handlers\","
      "\"never written by handlers\",\"open\",\"never written by handlers\"]");
  finished_clear(&finished);
  free(options);
  free(link);
}

static void a_disk_is_not_read_past_its_files(void **state)
{
  struct scene *scene = *state;
  if (geteuid())
    skip();
  char *disk = memory_format("%s/disk", scene->path);
  if (mknod(disk, S_IFBLK | 0666, makedev(7, 0)))
    skip(); /* a container may not let us */
  free(disk);
  expect_payload(scene, "{ 'native' }",
                 "local file, message = io.open(at .. '/disk')\n"
                 "return 200, 'OK', { file == nil, (message:gsub('^.*: ', '')) }",
                 "[true,\"Permission denied\"]");
}

/* ---- resources ---- */

static void no_file_grows_while_the_handler_loads(void **state)
{
  (void)state;
  peer_expect_result(
      "local function limit(name)\n"
      "  return io.open '/proc/self/limits':read 'a':match('Max ' .. name .. ' +(%S+)')\n"
      "end\n"
      "local loading = limit 'file size'\n"
      "return { needs = { 'write' }, run = function()\n"
      "  return 200, 'OK', { loading, limit 'file size', limit 'core file size',\n"
      "    limit 'open files', limit 'locked memory', limit 'realtime priority' }\n"
      "end }", "{}", NULL, 200, "OK", "[\"0\",\"unlimited\",\"0\",\"256\",\"0\",\"0\"]");
}

static void memory_that_lua_does_not_count_has_an_end(void **state)
{
#if defined(__SANITIZE_ADDRESS__)
  skip();
#endif
  expect_payload(*state, "{ 'native' }",
                 "return 200, 'OK', { raw.allocate(60), raw.allocate(200), raw.allocate(60),\n"
                 "  call('prlimit64', 0, 2, ('I8I8'):pack(1 << 40, 1 << 40)), raw.allocate(200) }",
                 "[true,false,true,\"EPERM\",false]");
}

/* ---- who it runs as ---- */

static void root_keeps_what_concerns_files_alone(void **state)
{
  if (geteuid())
    skip();
  expect_payload(*state, "{ 'native' }",
                 "local text = io.open '/proc/self/status':read 'a'\n"
                 "return 200, 'OK', { text:match 'CapEff:%s+(%x+)', text:match 'CapAmb:%s+(%x+)',\n"
                 "  text:match 'NoNewPrivs:%s+(%d)' }",
                 "[\"000000000000000e\",\"0000000000000000\",\"1\"]");
}

static void it_becomes_another_user_before_lua_runs(void **state)
{
  struct scene *scene = *state;
  if (geteuid())
    skip();
  peer_set_user("65534:65534,4");
  expect_payload(scene, "{ 'native', 'write' }",
                 "local text = io.open '/proc/self/status':read 'a'\n"
                 "local file, _, why = io.open(at .. '/open/data', 'w')\n"
                 "return 200, 'OK', { text:match 'Uid:([^\\n]+)', text:match 'Gid:([^\\n]+)',\n"
                 "  text:match 'Groups:%s*([%d ]-) *\\n', text:match 'CapEff:%s+(%x+)', why }",
                 "[\"\\t65534\\t65534\\t65534\\t65534\",\"\\t65534\\t65534\\t65534\\t65534\","
                 "\"4 65534\",\"0000000000000000\",13]");
  peer_set_user(NULL);
}

static void a_worker_of_another_user_is_asked_and_ended(void **state)
{
  struct peer peer;
  if (geteuid())
    skip();
  (void)state;
  peer_set_user("65534:65534");
  peer_load(&peer, "return { timeout_s = 0.2, run = function() while true do end end }", "{}");
  peer_set_user(NULL);
  pid_t worker = peer_worker(&peer);
  peer_send_command(&peer, 7, "{\"id\":7}");
  peer_expect(&peer, WORKER_MARK);
  int64_t half_over_ms = clock_monotonic_ms() + 150;
  while (clock_monotonic_ms() < half_over_ms)
    usleep(1000);
  peer_ask(&peer);
  struct finished finished = peer_expect_finished(&peer);
  assert_string_equal(finished.reason, "Timed out after 0.2 s at park.lua:1");
  finished_clear(&finished);
  peer_stop(&peer);
  peer_expect_gone(worker);
}

static void a_worker_of_another_user_does_not_outlive_its_leader(void **state)
{
  struct peer peer;
  int status;
  (void)state;
  if (geteuid())
    skip();
  peer_set_user("65534:65534");
  peer_load(&peer, "return function() end", "{}");
  peer_set_user(NULL);
  pid_t worker = peer_worker(&peer);
  int frames = peer.frames; /* stays open: it is not their end that ends it */
  kill(peer.leader, SIGKILL);
  assert_int_equal(waitpid(peer.leader, &status, 0), peer.leader);
  peer_expect_gone(worker);
  close(frames);
  close(peer.lifeline);
  frame_reader_clear(&peer.reader);
}

static void who_cannot_become_that_user_does_not_run(void **state)
{
  struct peer peer;
  (void)state;
  peer_set_user("nobody");
  peer_start(&peer);
  peer_set_user(NULL);
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_true(WIFEXITED(ending.wait_status));
  assert_int_equal(WEXITSTATUS(ending.wait_status), 75);
  peer_stop(&peer);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
#define IN_SCENE(test) cmocka_unit_test_setup_teardown(test, make_scene, remove_scene)
      IN_SCENE(calls_that_reach_out_are_refused),
      IN_SCENE(other_processes_are_out_of_reach),
      IN_SCENE(what_a_worker_is_for_still_works),
      IN_SCENE(calls_of_another_architecture_are_refused),
      IN_SCENE(another_process_shows_nothing),
      IN_SCENE(without_write_no_file_is_changed),
      IN_SCENE(narrowed_write_holds_inside_and_refuses_outside),
      IN_SCENE(a_link_that_is_made_in_between_leads_nowhere),
      IN_SCENE(what_the_host_knows_holds_before_the_file_is_loaded),
      IN_SCENE(all_may_be_written_where_all_is_granted),
      IN_SCENE(a_folder_that_comes_later_is_for_the_next_worker),
      IN_SCENE(a_folder_that_becomes_a_link_while_it_is_opened_shows_nothing),
      IN_SCENE(a_folder_that_becomes_a_link_while_it_is_changed_stays_as_it_is),
      IN_SCENE(what_a_handlers_link_leads_to_is_not_written),
      IN_SCENE(a_disk_is_not_read_past_its_files),
      cmocka_unit_test(no_file_grows_while_the_handler_loads),
      IN_SCENE(memory_that_lua_does_not_count_has_an_end),
      IN_SCENE(root_keeps_what_concerns_files_alone),
      IN_SCENE(it_becomes_another_user_before_lua_runs),
      cmocka_unit_test(a_worker_of_another_user_is_asked_and_ended),
      cmocka_unit_test(a_worker_of_another_user_does_not_outlive_its_leader),
      cmocka_unit_test(who_cannot_become_that_user_does_not_run),
  };
  char self[4096];
  ssize_t size = readlink("/proc/self/exe", self, sizeof self - 1);
  self[size > 0 ? size : 0] = '\0';
  char *slash = strrchr(self, '/');
  snprintf(cpath, sizeof cpath, "LUA_CPATH_5_4=%.*s/?.so", slash ? (int)(slash - self) : 0, self);
  peer_set_variable(cpath);
  return peer_find_program(argc, argv) ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
