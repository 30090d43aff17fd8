/* What a handler reaches in the real worker and what it does not: files,
 * programs, globals, the log, the module `kaa`. */
#include "worker_peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WITH(needs, body) \
  "return { needs = " needs ", run = function(command)\n" body "\nend }"

#define NEEDS_EXEC "needs \"exec\": return { needs = { \"exec\" }, run = … }"
#define NEEDS_WRITE "needs \"write\": return { needs = { \"write\" }, run = … }"
#define RIGHT_SAMPLE "write: kaa.telemetry { temperature = 21.5 }"

/* ---- globals ---- */

static void what_is_not_there_says_why(void **state)
{
  (void)state;
  static const struct {
    const char *statement;
    const char *reason;
  } cases[] = {
      {"x = 1", "assignment to the global 'x': write local x"},
      {"_G.x = 1", "assignment to the global 'x': write local x"},
      {"dofile('x')", "dofile is not there: put the file into lib/ and require it"},
      {"loadfile('x')", "loadfile is not there: put the file into lib/ and require it"},
      {"string.dump(print)", "string.dump is not there: load takes text only"},
      {"load('x', 'x', 'b')", "load takes text only, not bytecode"},
      {"debug.sethook()", "debug, for a handler, has no \"sethook\""},
      {"collectgarbage('stop')", "collectgarbage(\"stop\") is not there, only \"count\" and "
                                 "\"collect\""},
      {"setmetatable({}, { __gc = print })", "setmetatable: no __gc here; close things with "
                                             "local x <close>"},
      {"print(package.path)", "package is not there: require finds what lies in lib/"},
      {"os.setlocale('C')", "os.setlocale is not there: it would change how numbers are read "
                            "and written"},
      {"kaa.telemetri {}", "kaa has no \"telemetri\", did you mean \"telemetry\"?"},
      {"kaa.log.warning('x')", "kaa.log has no \"warning\", did you mean \"warn\"?"},
      {"kaa.x = 1", "kaa is not to be changed"},
      {"setmetatable(_G, nil)", "cannot change a protected metatable"},
      {"kaa.exec { '/bin/true' }", "kaa.exec " NEEDS_EXEC},
      {"os.execute('true')", "os.execute " NEEDS_EXEC},
      {"io.popen('true')", "io.popen " NEEDS_EXEC},
      {"io.open('/tmp/x', 'w')", "io.open(…, \"w\") " NEEDS_WRITE},
      {"io.open('/tmp/x', 'r+')", "io.open(…, \"r+\") " NEEDS_WRITE},
      {"io.output('/tmp/x')", "io.output " NEEDS_WRITE},
      {"os.remove('/tmp/x')", "os.remove " NEEDS_WRITE},
      {"os.rename('/tmp/x', '/tmp/y')", "os.rename " NEEDS_WRITE},
      {"os.tmpname()", "os.tmpname " NEEDS_WRITE},
      {"io.tmpfile()", "io.tmpfile " NEEDS_WRITE},
      {"require 'socket'", "no library \"socket\" in lib/; a C module needs \"native\""},
      {"kaa.telemetry('x')", "kaa.telemetry takes a sample, a table of names and values, got a "
                             "string; "
                             RIGHT_SAMPLE},
      {"kaa.telemetry {}", "kaa.telemetry: the sample is empty; " RIGHT_SAMPLE},
      {"kaa.telemetry { {} }", "kaa.telemetry: element 1 is empty; " RIGHT_SAMPLE},
      {"local t = {} for i = 1, 63 do t = { t = t } end kaa.telemetry(t)",
       "kaa.telemetry: the sample is nested deeper than 63"},
      {"kaa.telemetry { 1 }", "kaa.telemetry: element 1 is a number, not a sample; " RIGHT_SAMPLE},
      {"kaa.telemetry { a = print }", "kaa.telemetry: sample.a: a function has no JSON form"},
      {"kaa.sleep(-1)", "kaa.sleep takes seconds from 0, got -1.0; write: kaa.sleep(0.5)"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char source[200], reason[300];
    struct peer peer;
    snprintf(source, sizeof source, "return function()\n%s end", cases[i].statement);
    snprintf(reason, sizeof reason, "park.lua:2: %s", cases[i].reason);
    peer_load(&peer, source, "{}");
    struct finished finished = peer_run(&peer, NULL);
    if (strcmp(finished.reason, reason) && strcmp(finished.reason, cases[i].reason))
      fail_msg("%s: got %s", cases[i].statement, finished.reason);
    assert_int_equal(finished.status, 500);
    finished_clear(&finished);
    peer_stop(&peer);
  }
}

static void nothing_of_the_inside_leaks(void **state)
{
  (void)state;
  peer_expect_result(
      "local inside = { loadlib = true, sethook = true, getregistry = true, open = true }\n"
      "local function reachable(t, seen, path)\n"
      "  if type(t) ~= 'table' or seen[t] then return end\n"
      "  seen[t] = true\n"
      "  for k, v in next, t do\n"
      "    if inside[k] then seen[#seen + 1] = path .. tostring(k) end\n"
      "    reachable(v, seen, path .. tostring(k) .. '.')\n"
      "  end\n"
      "end\n"
      "return function(c)\n"
      "  local seen = {} reachable(_G, seen, '')\n"
      "  return 200, 'OK', { table.concat(seen, ' '), load('return _G == ...')(_G), "
      "getmetatable('') == false,\n"
      "    getmetatable(kaa) == false, getmetatable(kaa.array()), tostring(kaa.endpoint),\n"
      "    getmetatable(io.stdout) == false, load('x = 1') ~= nil, pcall(load('x = 1')) }\n"
      "end", "{}", NULL, 200, "OK",
      "[\"io.open\",true,true,true,\"kaa.array\",\"device-1\",true,true,false,"
      "\"[string \\\"x = 1\\\"]:1: assignment to the global 'x': write local x\"]");
}

static void the_environment_is_what_the_host_gave(void **state)
{
  (void)state;
  if (geteuid())
    skip(); /* a worker shows its environment to root alone */
  peer_expect_result("return function() return 200, 'OK', { os.getenv 'HOME', os.getenv 'USER' "
                     "== nil,\n"
                     "#io.open('/proc/self/environ'):read('a'), io.read() == nil } end", "{}",
                         NULL, 200, "OK",
                     "[\"/\",true,39,true]");
}

static void a_worker_has_no_other_descriptors(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() local open = {} for fd = 0, 63 do\n"
                   "local f = io.open('/proc/self/fdinfo/' .. fd) if f then open[#open + 1] = "
                   "fd f:close() end end\n"
                   "return 200, 'OK', open end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.payload, "[0,1,2,3]"); /* 3: the frames */
  finished_clear(&finished);
  peer_stop(&peer);
}

static void standard_functions_work(void **state)
{
  (void)state;
  peer_expect_result(
      "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)\n"
      "return function()\n"
      "  local ok, a, b = xpcall(function(...) return ... end, print, 1, 2)\n"
      "  local bad, handled = xpcall(error, function(m) return 'handled ' .. m end, 'x')\n"
      "  local wrapped, yielded = coroutine.wrap(function() return xpcall(coroutine.yield, "
      "print, 5) end)\n"
      "  yielded = wrapped() local again = { wrapped(6) }\n"
      "  local c = coroutine.create(function() local x <close> = setmetatable({}, { __close = "
      "error }) coroutine.yield() end)\n"
      "  coroutine.resume(c)\n"
      "  return 200, 'OK', { co(1), co(5), ok, a, b, bad, handled, yielded, again[2], "
      "coroutine.close(c),\n"
      "    coroutine.status(c), math.type(collectgarbage('count')), (pcall(coroutine.resume, 1)),\n"
      "    (pcall(coroutine.close, coroutine.running())), os.time() > 0, kaa.now() > 1e9 }\n"
      "end", "{}", NULL, 200, "OK",
      "[2,10,true,1,2,false,\"handled x\",5,6,false,\"dead\",\"float\",false,false,true,true]");
}

/* ---- the log ---- */

static void printing_goes_to_the_log(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() print('a', 1, nil) io.write('b', 2, '\\nc') "
                   "io.stdout:write('d\\n')\n"
                   "io.stderr:write('e\\n') kaa.log.debug('f') kaa.log.error('g', 1) warn('h', "
                   "'i')\n"
                   "io.write('unfinished') io.stdout:close() io.stdout:write('!') end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, "OK");
  assert_string_equal(buffer_text(&peer.log),
                      "1 a 1 nil\n1 b2\n1 cd\n2 e\n0 f\n3 g 1\n2 hi\n1 unfinished!\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void a_megabyte_is_cut(void **state)
{
  (void)state;
  static const char *const calls[] = {"print(s)", "io.write(s, '\\n')", "kaa.log.info(s)"};
  for (int i = 0; i < 3; i++) {
    struct peer peer;
    char source[200];
    snprintf(source, sizeof source, "return function() local s = ('é'):rep(524288) %s end",
        calls[i]);
    peer_load(&peer, source, "{}");
    struct finished finished = peer_run(&peer, NULL);
    assert_true(peer.log.size_bytes < 4110 && peer.log.size_bytes > 4000);
    assert_non_null(strstr(buffer_text(&peer.log), "é… (1048576 bytes)\n"));
    finished_clear(&finished);
    peer_stop(&peer);
  }
}

static void a_flood_is_limited(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() for i = 1, 100000 do print('line') end end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  unsigned left_out = 0;
  const char *last = strstr(buffer_text(&peer.log), " lines left out");
  assert_non_null(last);
  while (last[-1] != ' ')
    last--;
  assert_int_equal(sscanf(last, "%u", &left_out), 1);
  assert_true(peer.log.size_bytes < 7 * 2000);
  assert_true(left_out > 1000);
  finished_clear(&finished);
  peer_stop(&peer);
}

static void samples_go_to_the_platform(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function() kaa.telemetry { fuelLevel = 0 }\n"
                   "kaa.telemetry { { a = 1 }, { a = 2.0 } } end", "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(buffer_text(&peer.telemetry),
                      "device-1 [{\"fuelLevel\":0}]\ndevice-1 [{\"a\":1},{\"a\":2.0}]\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* ---- files ---- */

struct folder {
  char path[64];
  char options[400];
};

static void write_file(const struct folder *folder, const char *name, const char *text)
{
  char path[256];
  snprintf(path, sizeof path, "%s/%s", folder->path, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
}

static void make_link(const struct folder *folder, const char *target, const char *name)
{
  char from[256], to[256];
  snprintf(from, sizeof from, "%s/%s", folder->path, target);
  snprintf(to, sizeof to, "%s/%s", folder->path, name);
  assert_int_equal(symlink(from, to), 0);
}

static int make_folder(void **state)
{
  static struct folder folder;
  static const char *const parts[] = {"state", "handlers", "open", "granted"};
  strcpy(folder.path, "/tmp/kaalua-test-XXXXXX");
  if (!mkdtemp(folder.path))
    return -1;
  for (int i = 0; i < 4; i++) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder.path, parts[i]);
    mkdir(path, 0700);
  }
  write_file(&folder, "token", "secret");
  write_file(&folder, "state/journal", "secret");
  write_file(&folder, "open/data", "one\ntwo\n");
  make_link(&folder, "token", "open/link");
  make_link(&folder, "state", "open/dir");
  make_link(&folder, "open/new", "granted/dangling");
  make_link(&folder, "open", "granted/out");
  snprintf(folder.options, sizeof folder.options,
           "{\"private\":[\"%s/token\",\"%s/state\"],\"handlers\":[\"%s/handlers\"],"
           "\"settings\":{\"at\":\"%s\"}}", folder.path, folder.path, folder.path, folder.path);
  *state = &folder;
  return 0;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
  (void)info;
  (void)kind;
  (void)walk;
  return remove(path);
}

static int remove_folder(void **state)
{
  return nftw(((struct folder *)*state)->path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void files_are_read(void **state)
{
  const struct folder *folder = *state;
  peer_expect_result(
      WITH("{}", "local at = kaa.settings.at local lines = {}\n"
                 "for line in io.lines(at .. '/open/data') do lines[#lines + 1] = line end\n"
                 "local f = assert(io.open(at .. '/open/data', 'rb')) local first = f:read('l') "
                 "f:close()\n"
                 "io.input(at .. '/open/data') lines[3] = io.read('a')\n"
                 "local none, why = io.open(at .. '/open/none') why = why:gsub('^.*/', '')\n"
                 "return 200, 'OK', { lines, first, why }"),
      folder->options, NULL, 200, "OK",
      "[[\"one\",\"two\",\"one\\ntwo\\n\"],\"one\",\"none: No such file or directory\"]");
}

static void expect_text_in(const struct folder *folder, const char *name, const char *text)
{
  char path[128], got[64] = "";
  snprintf(path, sizeof path, "%s/%s", folder->path, name);
  FILE *file = fopen(path, "r");
  assert_non_null(file);
  assert_non_null(fgets(got, sizeof got, file));
  fclose(file);
  assert_string_equal(got, text);
}

static void what_is_written_is_there_with_the_result(void **state)
{
  const struct folder *folder = *state;
  struct peer peer;
  peer_load(&peer, "local held\nreturn { needs = { 'write' }, run = function(command)\n"
                   "local at = kaa.settings.at\n"
                   "held = held or assert(io.open(at .. '/open/held', 'w'))\n"
                   "held:write('kept')\n"
                   "if command.payload then held:write(' too') os.exit(3) end end }",
            folder->options);
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, "OK");
  expect_text_in(folder, "open/held", "kept");
  finished_clear(&finished);
  peer_send_command(&peer, 8, "{\"id\":8,\"payload\":1}");
  struct worker_ending ending = peer_expect_ending(&peer);
  assert_int_equal(WEXITSTATUS(ending.wait_status), 3);
  expect_text_in(folder, "open/held", "keptkept too");
  peer_stop(&peer);
}

static void what_cannot_be_written_is_said(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, WITH("{ 'write' }", "io.open('/dev/full', 'w'):write('x')"), "{}");
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.reason, "OK");
  assert_string_equal(buffer_text(&peer.log), "2 what was written to a file is not all on it: "
                                              "No space left on device\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* The paths to what is protected are no way around its protection: not a link in
 * the place of a name, not the folder above. */
static void names_of_the_protected_stay(void **state)
{
  const struct folder *folder = *state;
  const char *refused = "never written by handlers";
  char answer[300];
  make_link(folder, "open", "state/link");
  make_link(folder, "open", "handlers/link.lua");
  snprintf(answer, sizeof answer, "[13,\"%s %s %s %s %s %s %s %s\"]", refused, refused, refused,
           refused, refused, refused, refused, refused);
  peer_expect_result(
      WITH("{ 'write' }",
           "local at = kaa.settings.at local said, number = {}\n"
           "local function try(done, why, errno) number = errno\n"
           "said[#said + 1] = done and 'done' or why:gsub('^.*: ', '') end\n"
           "try(os.remove(at .. '/state/link'))\n"
           "try(os.remove(at .. '/open/dir/link'))\n"
           "try(os.remove(at .. '/handlers/link.lua'))\n"
           "try(os.rename(at .. '/state/link', at .. '/open/x'))\n"
           "try(os.rename(at .. '/open/link', at .. '/handlers/park.lua'))\n"
           "try(os.rename(at .. '/open/link', at .. '/handlers/link.lua'))\n"
           "try(os.rename(at, at .. '.moved'))\n"
           "try(os.rename(at .. '/', '/tmp/moved'))\n"
           "return 200, 'OK', { number, table.concat(said, ' ') }"),
      folder->options, NULL, 200, "OK", answer);
  peer_expect_result(
      WITH("{ 'write' }", "local at = kaa.settings.at assert(os.remove(at .. '/open/link'))\n"
                          "assert(os.rename(at .. '/open/dir', at .. '/open/other'))\n"
                          "assert(os.rename(at .. '/open/', at .. '/opened/'))\n"
                          "return 200, (select(2, os.remove('/tmp')):gsub('^.*: ', ''))"),
      folder->options, NULL, 200, refused, NULL);
  expect_text_in(folder, "token", "secret");
  expect_text_in(folder, "state/journal", "secret");
}

static void what_is_private_is_known_from_the_start(void **state)
{
  const struct folder *folder = *state;
  char options[300];
  snprintf(options, sizeof options, "{\"private\":[\"%s/open/dir\"],\"settings\":{\"at\":\"%s\"}}",
           folder->path, folder->path);
  peer_expect_result(
      WITH("{ 'write' }", "local at = kaa.settings.at\n"
                          "local _, why = os.remove(at .. '/open/dir')\n"
                          "local _, moved = os.rename(at .. '/open', at .. '/opened')\n"
                          "local _, read = io.open(at .. '/state/journal')\n"
                          "return 200, ((why .. moved .. read):gsub('/tmp[^:]*: ', ' '))"),
      options, NULL, 200, " never written by handlers never written by handlers"
                          " private to the agent", NULL);
}

/* A new version is put in place by leading the link elsewhere, while the worker lives. */
static void a_link_to_the_handlers_may_be_led_elsewhere(void **state)
{
  const struct folder *folder = *state;
  char options[300], link[128];
  struct peer peer;
  make_link(folder, "handlers", "served");
  snprintf(options, sizeof options, "{\"handlers\":[\"%s/served\"],\"settings\":{\"at\":\"%s\"}}",
           folder->path, folder->path);
  peer_load(&peer,
            WITH("{ 'write' }",
                 "local at, done = kaa.settings.at, {}\n"
                 "for _, name in ipairs { 'handlers', 'open', 'served' } do\n"
                 "if io.open(at .. '/' .. name .. '/park.lua', 'w') then done[#done + 1] = name end "
                 "end\n"
                 "if os.rename(at .. '/served', at .. '/moved') then done[#done + 1] = 'moved' end\n"
                 "return 200, 'OK', table.concat(done, ' ')"), options);
  struct finished finished = peer_run(&peer, NULL);
  assert_string_equal(finished.payload, "\"open\"");
  finished_clear(&finished);
  snprintf(link, sizeof link, "%s/served", folder->path);
  assert_int_equal(unlink(link), 0);
  make_link(folder, "open", "served");
  finished = peer_run(&peer, NULL);
  assert_string_equal(finished.payload, "\"\"");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* In its place could come a link that leads elsewhere. */
static void a_granted_directory_stays(void **state)
{
  const struct folder *folder = *state;
  char source[1000];
  snprintf(source, sizeof source,
           "return { needs = { write = { '%s/granted', '%s/open', '%s/open/later' } }, "
           "run = function()\n"
           "local at = kaa.settings.at local said = {}\n"
           "local function try(done, why) said[#said + 1] = done and 'done' or "
           "why:gsub('^.*: ', '') end\n"
           "try(os.rename(at .. '/granted/out', at .. '/open/out'))\n"
           "try(os.rename(at .. '/granted', at .. '/open/granted'))\n"
           "try(os.remove(at .. '/granted'))\n"
           "try(os.rename(at .. '/open/link', at .. '/open/later'))\n"
           "try(os.remove(at .. '/open/out'))\n"
           "return 200, 'OK', said end }", folder->path, folder->path, folder->path);
  peer_expect_result(source, folder->options, NULL, 200, "OK",
                     "[\"done\",\"outside the directories of needs.write\","
                     "\"outside the directories of needs.write\","
                     "\"outside the directories of needs.write\",\"done\"]");
}

static void other_processes_are_not_read(void **state)
{
  (void)state;
  peer_expect_result(
      WITH("{ 'write' }",
           "local said = {}\n"
           "local own, other = io.open('/proc/self/stat'):read('a'):match('^(%d+) .*%) %a (%d+)')\n"
           "for _, name in ipairs { 'environ', 'cmdline', 'mem', 'maps', 'stat', 'fd/3', "
           "'task/' .. other .. '/environ' } do\n"
           "for _, path in ipairs { '/proc/' .. other, '/proc/self/../' .. other, "
           "'/proc/self/root/proc/' .. other } do\n"
           "local f, why, errno = io.open(path .. '/' .. name)\n"
           "said[#said + 1] = (f or errno ~= 13) and path .. name or nil end end\n"
           "for _, mode in ipairs { 'r+', 'w', 'a' } do for _, id in ipairs { 'self', other, own, "
           "'thread-self' } do\n"
           "local f, why, errno = io.open('/proc/' .. id .. '/mem', mode)\n"
           "said[#said + 1] = (f or errno ~= 13) and id .. mode or nil end end\n"
           "said[#said + 1] = pcall(io.lines, '/proc/' .. other .. '/environ') and 'lines' or nil\n"
           "for _, path in ipairs { '/proc/self/stat', '/proc/thread-self/status', "
           "'/proc/' .. own .. '/stat', '/proc/cpuinfo', '/proc/meminfo', '/proc/uptime' } do\n"
           "assert(io.open(path)):close() end\n"
           "return 200, 'OK', table.concat(said, ' ')"),
      "{}", NULL, 200, "OK", "\"\"");
}

static void private_files_are_not_read(void **state)
{
  const struct folder *folder = *state;
  peer_expect_result(
      WITH("{ 'write' }",
           "local said = {} for _, name in ipairs { 'token', 'state/journal', 'state/none', "
           "'open/link',\n"
           "'open/dir/journal', 'open/../token', './token', 'state', 'open/dir' } do\n"
           "for _, mode in ipairs { 'r', 'a', 'r+' } do\n"
           "local f, why, errno = io.open(kaa.settings.at .. '/' .. name, mode)\n"
           "said[#said + 1] = f and name or errno ~= 13 and why or nil end end\n"
           "for _, call in ipairs { io.lines, io.input, io.output } do\n"
           "said[#said + 1] = pcall(call, kaa.settings.at .. '/token') and 'read' or nil end\n"
           "said[#said + 1] = os.remove(kaa.settings.at .. '/token') and 'removed' or nil\n"
           "said[#said + 1] = os.rename(kaa.settings.at .. '/token', '/tmp/x') and 'moved' or nil\n"
           "local _, why = io.open('token') return 200, 'OK', table.concat(said, ' ')"),
      folder->options, NULL, 200, "OK", "\"\"");
}

static void handlers_are_not_written(void **state)
{
  const struct folder *folder = *state;
  peer_expect_result(
      WITH("{ 'write' }",
           "local at = kaa.settings.at\n"
           "local f, why = io.open(at .. '/handlers/evil.lua', 'w')\n"
           "local g = assert(io.open(at .. '/open/free', 'w')) g:write('x') g:close()\n"
           "local moved, no = os.rename(at .. '/open/free', at .. '/handlers/evil.lua')\n"
           "return 200, 'OK', { why:gsub('^.*/', ''), (no:gsub('^.*/', '')) }"),
      folder->options, NULL, 200, "OK",
      "[\"evil.lua: never written by handlers\",\"evil.lua: never written by handlers\"]");
}

static void a_narrowed_grant_is_kept(void **state)
{
  const struct folder *folder = *state;
  char source[2000];
  snprintf(source, sizeof source,
           "return { needs = { write = { '%s/granted' } }, run = function(command)\n"
           "local at = kaa.settings.at local said = {}\n"
           "local f = assert(io.open(at .. '/granted/new', 'w')) f:write('x') f:close()\n"
           "assert(io.open(at .. '/granted/new', 'a+')):close()\n"
           "assert(os.rename(at .. '/granted/new', at .. '/granted/newer'))\n"
           "assert(os.remove(at .. '/granted/newer'))\n"
           "for _, name in ipairs { 'granted/out/x', 'granted/../x', 'open/x', "
           "'granted/dangling', 'grantedx' } do\n"
           "local g, why = io.open(at .. '/' .. name, 'w') said[#said + 1] = why and "
           "(why:gsub('^.*: ', '')) or name end\n"
           "said[#said + 1] = pcall(io.tmpfile) and not io.tmpfile() or 'tmpfile'\n"
           "return 200, 'OK', said end }", folder->path);
  peer_expect_result(source, folder->options, NULL, 200, "OK",
                     "[\"outside the directories of needs.write\",\"outside the directories of "
                     "needs.write\","
                     "\"outside the directories of needs.write\",\"Too many levels of symbolic "
                     "links\","
                     "\"outside the directories of needs.write\",true]");
}

/* ---- programs ---- */

/* Answers an EXEC as the host would. */
static void answer_exec(struct peer *peer, uint32_t call, const char *failure, int64_t code,
                        int64_t signal, bool timed_out, int64_t cut, const char *out,
                            const char *err)
{
  struct buffer bytes = {0};
  size_t at = frame_begin(&bytes, WORKER_EXECUTED);
  frame_put_u32(&bytes, call);
  frame_put_text(&bytes, failure);
  frame_put_i64(&bytes, code);
  frame_put_i64(&bytes, signal);
  frame_put_u8(&bytes, timed_out);
  frame_put_i64(&bytes, cut);
  frame_put_i64(&bytes, 0);
  frame_put_text(&bytes, out);
  frame_put_text(&bytes, err);
  frame_end(&bytes, at);
  peer_send(peer, &bytes);
  buffer_clear(&bytes);
}

static uint32_t expect_exec(struct peer *peer)
{
  struct frame frame = peer_expect(peer, WORKER_EXEC);
  return frame_get_u32(&frame);
}

static void expect_text(struct frame *frame, const char *text)
{
  char *got = frame_get_text(frame);
  assert_string_equal(got, text);
  free(got);
}

static void an_exec_says_all_of_it(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, WITH("{ exec = { '/usr/bin/x' } }",
                        "local r = assert(kaa.exec({ '/usr/bin/x', '', 'b c' }, { stdin = "
                        "'in\\0', timeout_s = 1.5,\n"
                        "cwd = '/tmp', env = { A = 'b=c' }, max_output = 9, detach = false }))\n"
                        "return 200, 'OK', { r.code, r.signal == nil, r.stdout, r.stderr }"), "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  struct frame frame = peer_expect(&peer, WORKER_EXEC);
  uint32_t call = frame_get_u32(&frame);
  assert_int_equal(frame_get_i64(&frame), 7);
  assert_int_equal(frame_get_u32(&frame), 3);
  expect_text(&frame, "/usr/bin/x");
  expect_text(&frame, "");
  expect_text(&frame, "b c");
  assert_int_equal(frame_get_u8(&frame), 1);
  size_t size;
  assert_memory_equal(frame_get_bytes(&frame, &size), "in\0", 3);
  assert_int_equal(size, 3);
  assert_int_equal(frame_get_i64(&frame), 1500);
  expect_text(&frame, "/tmp");
  assert_int_equal(frame_get_u32(&frame), 1);
  expect_text(&frame, "A=b=c");
  assert_int_equal(frame_get_i64(&frame), 9);
  assert_int_equal(frame_get_u8(&frame), 0);
  assert_int_equal(frame.at, frame.size_bytes);
  assert_false(frame.bad);
  answer_exec(&peer, call + 5, "", 0, 0, false, 0, "of another call", "");
  answer_exec(&peer, call, "", 0, 0, false, 10, "out\xe2\x82", "err");
  struct finished finished = peer_expect_finished(&peer);
  assert_string_equal(finished.payload, "[0,true,\"out… (12 bytes left out)\",\"err\"]");
  finished_clear(&finished);
  peer_stop(&peer);
}

static void commands_that_arrive_meanwhile_are_kept(void **state)
{
  (void)state;
  struct peer peer;
  struct buffer out = {0};
  peer_load(&peer, WITH("{ 'exec' }", "kaa.exec { '/bin/true' } return 200, 'OK', command.id"),
      "{}");
  for (int i = 1; i <= 50; i++)
    peer_put_command(&out, i, "{\"id\":1}");
  peer_send(&peer, &out);
  buffer_clear(&out);
  for (int i = 1; i <= 60; i++) {
    uint32_t call = expect_exec(&peer);
    if (i <= 10)
      peer_send_command(&peer, 50 + i, "{\"id\":1}");
    answer_exec(&peer, call, "", 0, 0, false, 0, "", "");
    struct finished finished = peer_expect_finished(&peer);
    assert_int_equal(finished.job, i);
    finished_clear(&finished);
  }
  peer_stop(&peer);
}

static void a_failed_program_is_told(void **state)
{
  (void)state;
  static const struct {
    const char *failure;
    int64_t code, signal;
    bool timed_out;
    const char *err;
    const char *payload;
  } cases[] = {
      {"/bin/x: No such file or directory", 0, 0, false, "",
       "[true,\"/bin/x: No such file or directory\",\"nil\"]"},
      {"", 1, 0, false, "no unit\r\nmore", "[true,\"x exited with 1: no unit\",\"1\"]"},
      {"", 2, 0, false, "", "[true,\"x exited with 2\",\"2\"]"},
      {"", -1, 9, false, "", "[true,\"x was ended by SIGKILL\",\"SIGKILL\"]"},
      {"", -1, 9, true, "", "[true,\"x took longer than 5 s\",\"SIGKILL\"]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct peer peer;
    peer_load(&peer, WITH("{ 'exec' }", "local r, why, full = kaa.exec({ '/bin/x' }, { "
                                        "timeout_s = 5 })\n"
                                        "return 200, 'OK', { r == nil, why, tostring(full and "
                                        "(full.signal or full.code)) }"),
              "{}");
    peer_send_command(&peer, 7, "{\"id\":7}");
    answer_exec(&peer, expect_exec(&peer), cases[i].failure, cases[i].code, cases[i].signal,
                cases[i].timed_out, 0, "", cases[i].err);
    struct finished finished = peer_expect_finished(&peer);
    assert_string_equal(finished.payload ? finished.payload : finished.reason, cases[i].payload);
    finished_clear(&finished);
    peer_stop(&peer);
  }
}

static void a_misused_exec_raises(void **state)
{
  (void)state;
  static const char *const cases[][2] = {
      {"'ls -l'", "kaa.exec takes a list, no shell command; write: kaa.exec { \"/bin/sh\", "
                  "\"-c\", command }"},
      {"{}", "kaa.exec takes a list of texts; write: kaa.exec { \"/usr/bin/systemctl\", "
             "\"reboot\" }"},
      {"{ 'ls' }", "kaa.exec: \"ls\" is no absolute path; write: kaa.exec { "
                   "\"/usr/bin/systemctl\", \"reboot\" }"},
      {"{ '/bin/ls', 1 }", "kaa.exec: argument 2 is a number; all are texts: tostring(…)"},
      {"{ '/bin/ls', 'a\\0b' }", "kaa.exec: an argument: a text with a NUL byte"},
      {"{ '/bin/rm' }", "kaa.exec: \"/bin/rm\" is not in needs.exec; add it: needs = { exec = { "
                        "\"/bin/rm\" } }"},
      {"{ '/bin/ls' }, { timeout = 3 }", "kaa.exec has no option \"timeout\", did you mean "
                                         "\"timeout_s\"?"},
      {"{ '/bin/ls' }, { timeout_s = '3' }", "kaa.exec: timeout_s: expected a number, got a "
                                             "string"},
      {"{ '/bin/ls' }, { timeout_s = 0/0 }", "kaa.exec: timeout_s: expected more than 0 and up "
                                             "to 86400"},
      {"{ '/bin/ls' }, { cwd = 'x' }", "kaa.exec: cwd: expected an absolute path"},
      {"{ '/bin/ls' }, { env = { 'A=b' } }", "kaa.exec: env: expected names and texts; write: "
                                             "env = { LANG = \"C\" }"},
      {"{ '/bin/ls' }, { env = { LD_PRELOAD = '/x' } }",
       "kaa.exec: env: LD_PRELOAD has a program run other code than its own: not with a list "
       "in needs.exec"},
      {"{ '/bin/ls' }, { env = { PATH = '/x' } }",
       "kaa.exec: env: PATH has a program run other code than its own: not with a list in "
       "needs.exec"},
      {"{ '/bin/ls' }, { detach = true, stdin = '' }",
       "kaa.exec: stdin does not go together with detach"},
      {"{ '/bin/ls' }, { detach = true, timeout_s = 1 }",
       "kaa.exec: timeout_s does not go together with detach"},
      {"(function() local t = {} for i = 1, 4097 do t[i] = '/bin/ls' end return t end)()",
       "kaa.exec: 4097 arguments, limit 4096"},
      {"{ '/bin/ls' }, { env = (function() local t = {} for i = 1, 4097 do t['A' .. i] = '' end "
       "return t end)() }", "kaa.exec: env: 4097 variables, limit 4096"},
      {"{ '/bin/ls' }, { max_output = -1 }", "kaa.exec: max_output: expected bytes from 0 to "
                                             "16777216"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char source[300], reason[300];
    snprintf(source, sizeof source, "return { needs = { exec = { '/bin/ls' } }, run = "
                                    "function() kaa.exec(%s) end }",
             cases[i][0]);
    snprintf(reason, sizeof reason, "park.lua:1: %s", cases[i][1]);
    peer_expect_result(source, "{}", NULL, 500, reason, NULL);
  }
  peer_expect_result("return { needs = { exec = { '/bin/ls' } }, run = function() "
                     "os.execute('ls') end }", "{}", NULL, 500,
                     "park.lua:1: os.execute: \"/bin/sh\" is not in needs.exec; add it: needs = "
                     "{ exec = { "
                     "\"/bin/sh\" } }", NULL);
}

static void a_shell_is_an_exec(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, WITH("{ 'exec' }", "local p = io.popen('ls') local a, b = p:read('l', 'a')\n"
                                      "local ok, how, code = p:close()\n"
                                      "local done, ended, status = os.execute('exit 3')\n"
                                      "return 200, 'OK', { a, b, ok == nil, how, code, done == "
                                      "nil, ended, status, os.execute() }"),
            "{}");
  peer_send_command(&peer, 7, "{\"id\":7}");
  struct frame frame = peer_expect(&peer, WORKER_EXEC);
  uint32_t call = frame_get_u32(&frame);
  frame_get_i64(&frame);
  assert_int_equal(frame_get_u32(&frame), 3);
  expect_text(&frame, "/bin/sh");
  expect_text(&frame, "-c");
  expect_text(&frame, "ls");
  answer_exec(&peer, call, "", -1, 15, false, 0, "one\ntwo\n", "oops\n");
  answer_exec(&peer, expect_exec(&peer), "", 3, 0, false, 0, "said\n", "");
  struct finished finished = peer_expect_finished(&peer);
  assert_string_equal(finished.payload ? finished.payload : finished.reason,
                      "[\"one\",\"two\\n\",true,\"signal\",15,true,\"exit\",3,true]");
  assert_string_equal(buffer_text(&peer.log), "2 oops\n1 said\n");
  finished_clear(&finished);
  peer_stop(&peer);
}

/* One frame has its limit; what is over is the handler's fault, not the worker's. */
static void a_stdin_that_fits_no_frame_raises(void **state)
{
  (void)state;
  peer_expect_result("return { needs = { 'exec' }, memory_mib = 200, run = function()\n"
                     "kaa.exec({ '/bin/cat' }, { stdin = ('x'):rep(64 << 20) }) end }", "{}", NULL,
                     500, "park.lua:2: kaa.exec: 67108927 bytes of arguments, stdin and env, "
                          "limit 67108864", NULL);
}

static void the_tree_of_a_json_text_counts(void **state)
{
  (void)state;
  struct peer peer;
  peer_load(&peer, "return function(command)\n"
                   "local text = '[' .. ('{},'):rep(command.payload) .. '\"é\"]'\n"
                   "local list = kaa.json.decode(text)\n"
                   "return 200, 'OK', { #list, list[#list] }\nend", "{}");
  for (int i = 0; i < 20; i++) { /* what is parsed is given back */
    struct finished finished = peer_run(&peer, "30000");
    assert_string_equal(finished.payload ? finished.payload : finished.reason, "[30001,\"é\"]");
    finished_clear(&finished);
  }
  struct finished finished = peer_run(&peer, "2500000");
  assert_string_equal(finished.reason, "Out of memory (limit 32 MiB) at park.lua:3");
  assert_int_equal(finished.status, 500);
  assert_true(finished.is_spent);
  finished_clear(&finished);
  peer_stop(&peer);
}

#define NOT_AT_LOADING(name) \
  "require \"" name "\": an installed module needs \"native\" and is not for loading time; " \
  "write: return { needs = { \"native\" }, run = function(command) local module = require " \
  "\"" name "\" … end }"

static void native_modules_need_their_capability(void **state)
{
  (void)state;
  static const char *const sources[] = {
      "\nlocal luv = require 'luv'\nreturn function() end",
      "\nlocal luv = require 'luv'\nreturn { needs = { 'native' }, run = function() end }",
  };
  for (size_t i = 0; i < 2; i++)
    peer_expect_fault(sources[i], "{}", 2, NOT_AT_LOADING("luv"));
  peer_expect_fault("local u = require 'pl.utils'\nreturn function() end", "{}", 1,
                    NOT_AT_LOADING("pl.utils"));
  peer_expect_fault("local none = require 'none.such'\nreturn function() end", "{}", 1,
                    "no library \"none.such\" in lib/; a C module needs \"native\"");
  peer_expect_result("return { needs = { 'native' }, run = function()\nlocal luv = require 'luv'\n"
                     "return 200, type(luv.version()) end }", "{}", NULL, 200, "number", NULL);
  peer_expect_result("return function()\nrequire 'luv' end", "{}", NULL, 500,
                     "park.lua:2: no library \"luv\" in lib/; a C module needs \"native\"", NULL);
}

int main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_not_there_says_why),
      cmocka_unit_test(nothing_of_the_inside_leaks),
      cmocka_unit_test(the_environment_is_what_the_host_gave),
      cmocka_unit_test(a_worker_has_no_other_descriptors),
      cmocka_unit_test(standard_functions_work),
      cmocka_unit_test(printing_goes_to_the_log),
      cmocka_unit_test(a_megabyte_is_cut),
      cmocka_unit_test(a_flood_is_limited),
      cmocka_unit_test(samples_go_to_the_platform),
      cmocka_unit_test_setup_teardown(files_are_read, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(what_is_written_is_there_with_the_result, make_folder,
                                      remove_folder),
      cmocka_unit_test_setup_teardown(names_of_the_protected_stay, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(what_is_private_is_known_from_the_start, make_folder,
                                      remove_folder),
      cmocka_unit_test_setup_teardown(a_link_to_the_handlers_may_be_led_elsewhere, make_folder,
                                      remove_folder),
      cmocka_unit_test_setup_teardown(a_granted_directory_stays, make_folder, remove_folder),
      cmocka_unit_test(what_cannot_be_written_is_said),
      cmocka_unit_test(other_processes_are_not_read),
      cmocka_unit_test_setup_teardown(private_files_are_not_read, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(handlers_are_not_written, make_folder, remove_folder),
      cmocka_unit_test_setup_teardown(a_narrowed_grant_is_kept, make_folder, remove_folder),
      cmocka_unit_test(an_exec_says_all_of_it),
      cmocka_unit_test(commands_that_arrive_meanwhile_are_kept),
      cmocka_unit_test(a_failed_program_is_told),
      cmocka_unit_test(a_misused_exec_raises),
      cmocka_unit_test(a_shell_is_an_exec),
      cmocka_unit_test(a_stdin_that_fits_no_frame_raises),
      cmocka_unit_test(the_tree_of_a_json_text_counts),
      cmocka_unit_test(native_modules_need_their_capability),
  };
  int rc = peer_find_program(argc, argv);
  return rc ? rc : cmocka_run_group_tests(tests, NULL, NULL);
}
