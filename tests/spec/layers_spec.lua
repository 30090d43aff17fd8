-- The layers of src/: who may include whom, where each library's header may
-- stand, and who may start a process.
local uv = require "luv"

-- A folder includes from itself and from the folders and headers named here.
local LAYERS = {
  base = {},
  kp = { "base" },
  core = { "base", "kp" },
  io = { "base" },
  journal = { "base", "core/command.h", "core/storage.h", "io/loop.h" },
  supervision = { "base", "kp", "core", "io" },
  handlers = { "base", "kp", "core", "io", "supervision" },
  host = { "base", "kp", "core", "io", "journal", "supervision", "handlers" },
  cli = { "base", "kp", "core", "io", "journal", "supervision", "handlers", "host" },
  worker = { "base" },
  http = { "base", "kp" },
}

-- The one place of each library's headers: patterns of header and of path.
local LIBRARIES = {
  { header = "^jansson%.h$", places = { "^base/", "^journal/", "^supervision/",
    "^handlers/", "^host/", "^cli/", "^worker/" } },
  { header = "^sqlite3%.h$", places = { "^journal/" } },
  { header = "^uv%.h$", places = { "^io/uv_loop%.h$" } },
  { header = "^mosquitto%.h$", places = { "^io/mqtt[%w_]*%.[ch]$" } },
  { header = "^openssl/", places = { "^io/tls[%w_]*%.[ch]$", "^http/fetch_answer%.c$" } },
  { header = "^sys/inotify%.h$", places = { "^io/watch%.c$" } },
  { header = "^curl/", places = { "^http/" } },
  { header = "^lua%.h$", places = { "^worker/" } },
  { header = "^lauxlib%.h$", places = { "^worker/" } },
  { header = "^lualib%.h$", places = { "^worker/" } },
  { header = "^seccomp%.h$", places = { "^worker/confine_filter_make%.c$" } },
  { header = "^lua%-cjson%.h$", places = { "^worker/" } },
}

local LIBC = {}
for name in ([[
  assert ctype dirent errno fcntl float glob grp inttypes libgen limits link locale malloc math
  netdb poll pthread pwd regex sched search semaphore setjmp signal spawn stdalign stdarg stdatomic
  stdbool stddef stdint stdio stdlib stdnoreturn string strings termios threads time ucontext
  unistd wchar getopt dlfcn syslog
]]):gmatch "%S+" do
  LIBC[name .. ".h"] = true
end
local LIBC_FOLDERS = { "^sys/", "^linux/", "^netinet/", "^arpa/" }

-- Calls that start or become a process, and the files that may make them.
local CALLS = {
  system = {}, popen = {}, vfork = {}, wordexp = {},
  fork = { "^worker/" }, -- the leader
  execve = { "^worker/" }, execv = { "^worker/" }, execvp = { "^worker/" },
  execvpe = { "^worker/" }, fexecve = { "^worker/" }, execl = {}, execlp = {}, execle = {},
  posix_spawn = { "^io/process%.c$" }, posix_spawnp = { "^io/process%.c$" },
  uv_spawn = { "^io/process%.c$" },
}

local function matches_any(text, patterns)
  for _, pattern in ipairs(patterns) do
    if text:find(pattern) then
      return true
    end
  end
  return false
end

local function contains(list, wanted)
  for _, each in ipairs(list) do
    if each == wanted then
      return true
    end
  end
  return false
end

-- Blanks comments, and texts where asked, but keeps every line where it is.
local function without_comments(source, texts_too)
  local function blank(text)
    return (text:gsub("[^\n]", " "))
  end
  local out, at = {}, 1
  while at <= #source do
    local next_at = source:find("[/\"']", at)
    if not next_at then
      break
    end
    out[#out + 1] = source:sub(at, next_at - 1)
    local two, stop = source:sub(next_at, next_at + 1), nil
    if two == "/*" then
      stop = select(2, source:find("*/", next_at + 2, true)) or #source
      out[#out + 1] = blank(source:sub(next_at, stop))
    elseif two == "//" then
      stop = (source:find("\n", next_at, true) or #source + 1) - 1
      out[#out + 1] = blank(source:sub(next_at, stop))
    elseif two:sub(1, 1) == "/" then
      stop = next_at
      out[#out + 1] = "/"
    else
      local quote = two:sub(1, 1)
      stop = next_at + 1
      while stop < #source and source:sub(stop, stop) ~= quote do
        stop = stop + (source:sub(stop, stop) == "\\" and 2 or 1)
      end
      local text = source:sub(next_at, stop)
      out[#out + 1] = texts_too and blank(text) or text
    end
    at = stop + 1
  end
  out[#out + 1] = source:sub(at)
  return table.concat(out)
end

local function check_own_include(report, sources, path, header)
  local folder, wanted = path:match "^[^/]+", header:match "^([^/]+)/"
  if not sources[header] then
    report("includes %q, which is not in src", header)
  elseif wanted ~= folder and not contains(LAYERS[folder], wanted)
    and not contains(LAYERS[folder], header) then
    report("%s may not include %q", folder, header)
  elseif header == "io/uv_loop.h" and not path:find "^io/" then
    report("%q is for io alone", header)
  end
end

local function check_library_include(report, path, header)
  for _, library in ipairs(LIBRARIES) do
    if header:find(library.header) then
      if not matches_any(path, library.places) then
        report("<%s> is out of its place", header)
      end
      return
    end
  end
  if not LIBC[header] and not matches_any(header, LIBC_FOLDERS) then
    report("<%s> is of no library that has a place", header)
  end
end

local function check_file(faults, sources, path)
  local includes, number = {}, 0
  local function report(format, ...)
    faults[#faults + 1] = ("src/%s:%d: " .. format):format(path, number, ...)
  end
  if not LAYERS[path:match "^[^/]+"] then
    report "the folder is not in the table of layers"
    return includes
  end
  for line in (without_comments(sources[path]) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    local own = line:match '^%s*#%s*include%s+"(.-)"'
    local other = line:match "^%s*#%s*include%s+<(.-)>"
    if own then
      check_own_include(report, sources, path, own)
      includes[#includes + 1] = own
    elseif other then
      check_library_include(report, path, other)
    elseif line:find "^%s*#%s*include" then
      report "an include that this check cannot read"
    end
  end
  number = 0
  for line in (without_comments(sources[path], true) .. "\n"):gmatch "(.-)\n" do
    number = number + 1
    for name in line:gmatch "([%a_][%w_]*)%s*%(" do
      if CALLS[name] and not matches_any(path, CALLS[name]) then
        report("%s() has no place here", name)
      end
    end
  end
  return includes
end

local function check_cycles(faults, graph)
  local state, trail = {}, {}
  local function visit(path)
    if state[path] == "open" then
      local shown = {}
      for i = #trail, 1, -1 do
        table.insert(shown, 1, trail[i])
        if trail[i] == path then
          break
        end
      end
      faults[#faults + 1] = ("src/%s: a cycle: %s"):format(path, table.concat(shown, ", "))
    elseif not state[path] then
      state[path] = "open"
      trail[#trail + 1] = path
      for _, header in ipairs(graph[path] or {}) do
        visit(header)
      end
      trail[#trail] = nil
      state[path] = "done"
    end
  end
  for path in pairs(graph) do
    visit(path)
  end
end

--- All faults of a tree {["kp/name.c"] = source, …}, sorted.
local function faults_of(sources)
  local faults, graph = {}, {}
  for path in pairs(sources) do
    graph[path] = check_file(faults, sources, path)
  end
  check_cycles(faults, graph)
  table.sort(faults)
  return faults
end

local function read_tree(root, below, sources)
  local listing = assert(uv.fs_scandir(root .. below))
  for name, kind in function() return uv.fs_scandir_next(listing) end do
    if kind == "directory" then
      read_tree(root, below .. name .. "/", sources)
    elseif name:find "%.[ch]$" then
      local file = assert(io.open(root .. below .. name, "rb"))
      sources[below .. name] = file:read "a"
      file:close()
    end
  end
  return sources
end

-- {what, path, source, the fault that must be found}
local BROKEN = {
  { "a lower layer that includes a higher one", "kp/x.c", '#include "core/core.h"',
    'kp may not include "core/core.h"' },
  { "io that knows the core", "io/x.c", '\n#include "core/core.h"',
    'io may not include "core/core.h"' },
  { "a worker that knows io", "worker/x.c", '#  include "io/loop.h"',
    'worker may not include "io/loop.h"' },
  { "base that knows anything", "base/x.h", '#include "kp/name.h"',
    'base may not include "kp/name.h"' },
  { "a header that is not there", "kp/x.c", '#include "kp/gone.h"',
    'includes "kp/gone.h", which is not in src' },
  { "Lua in the host", "host/x.c", "#include <lua.h>", "<lua.h> is out of its place" },
  { "libuv in the core", "core/x.c", "#include <uv.h>", "<uv.h> is out of its place" },
  { "libuv's loop in the host", "host/x.c", '#include "io/uv_loop.h"',
    '"io/uv_loop.h" is for io alone' },
  { "mosquitto beside its file", "io/loop2.c", "#include <mosquitto.h>",
    "<mosquitto.h> is out of its place" },
  { "OpenSSL beside its file", "io/mqtt.c", "#include <openssl/ssl.h>",
    "<openssl/ssl.h> is out of its place" },
  { "libcurl in the host", "host/x.c", "#include <curl/curl.h>",
    "<curl/curl.h> is out of its place" },
  { "a library that has no place", "io/x.c", "#include <zlib.h>",
    "<zlib.h> is of no library that has a place" },
  { "an include by macro", "io/x.c", "#include HEADER", "an include that this check cannot read" },
  { "a shell", "host/x.c", "int a = system (line);", "system() has no place here" },
  { "a pipe to a shell", "cli/x.c", "/* */ f = popen(line);", "popen() has no place here" },
  { "a fork in the host", "host/x.c", "if (!fork())", "fork() has no place here" },
  { "a process beside the one place", "io/x.c", "uv_spawn(&loop)", "uv_spawn() has no place here" },
  { "a folder that no layer names", "util/x.c", "", "the folder is not in the table of layers" },
}

-- {what, path, source}: none of these is a fault.
local SOUND = {
  { "a comment", "kp/x.c", '/* #include "core/core.h"\n#include <lua.h> system() */' },
  { "a comment to the line's end", "kp/x.c", "// fork()" },
  { "a text", "host/x.c", [[say("system(%s) \" fork()");]] },
  { "a name that only ends alike", "host/x.c", "my_system(a); core_fork(b);" },
  { "the C library", "kp/x.c", "#include <sys/queue.h>\n#include <string.h>" },
  { "what lies below", "core/x.c", '#include "kp/name.h"\n#include "base/error.h"' },
  { "the leader's fork", "worker/leader.c", "pid_t pid = fork();" },
}

local function with_example(path, source)
  local sources = {
    ["base/error.h"] = "", ["kp/name.h"] = "", ["core/core.h"] = "", ["io/loop.h"] = "",
    ["io/uv_loop.h"] = "#include <uv.h>",
  }
  sources[path] = source
  return sources
end

describe("the layers of src", function()
  it("hold", function()
    local sources = read_tree((os.getenv "KAALUA_ROOT" or ".") .. "/src/", "", {})
    assert.is_string(sources["base/log.c"], "the tree was read")
    assert.are.same({}, faults_of(sources))
  end)

  for _, case in ipairs(BROKEN) do
    it("refuse " .. case[1], function()
      local faults = faults_of(with_example(case[2], case[3]))
      assert.are.equal(1, #faults, table.concat(faults, "\n"))
      assert.is_truthy(faults[1]:find(case[4], 1, true), faults[1])
    end)
  end

  it("refuse a cycle of headers", function()
    local faults = faults_of {
      ["kp/a.h"] = '#include "kp/b.h"',
      ["kp/b.h"] = '#include "kp/c.h"',
      ["kp/c.h"] = '#include "kp/a.h"',
    }
    assert.are.equal(1, #faults)
    assert.is_truthy(faults[1]:find("a cycle", 1, true))
  end)

  for _, case in ipairs(SOUND) do
    it("let pass " .. case[1], function()
      assert.are.same({}, faults_of(with_example(case[2], case[3])))
    end)
  end
end)
