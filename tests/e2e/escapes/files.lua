-- Attacks by way of files and paths; the rows are as in escapes/language.lua. In `at`
-- are yard (a folder that may be written), yard/state and yard/handlers (links to the
-- agent's own), yard/swap (a link), yard/pipe, -2 and -3 (FIFOs), secret (the password's file),
-- state, handlers, host (the agent's process).
local write = require "escapes.write"
local plain, writes, short = write.plain, write.writes, write.writes_short

local PRIVATE = "private to the agent"
local NEVER = "never written by handlers"

-- Tries each path with each function; what was opened is the answer: it must be nothing.
local READS = [[
local function paths(at)
  return %s
end
local got = {}
for _, path in ipairs(paths(at)) do
  local file = io.open(path)
  got[#got + 1] = file and "open " .. path
  got[#got + 1] = pcall(io.lines, path) and "lines " .. path or nil
  got[#got + 1] = pcall(io.input, path) and "input " .. path or nil
end
return 200, "OK", kaa.array(got)]]

local WRITES = [[
local function paths(at)
  return %s
end
local got = {}
for _, path in ipairs(paths(at)) do
  for _, mode in ipairs { "w", "a", "r+" } do
    local file = io.open(path, mode)
    if file then file:write "escaped" file:close() end
    got[#got + 1] = file and mode .. " " .. path
  end
  got[#got + 1] = pcall(io.output, path) and "output " .. path or nil
  got[#got + 1] = os.remove(path) and "remove " .. path
  got[#got + 1] = os.rename(at.yard .. "/victim", path) and "rename " .. path
  got[#got + 1] = os.rename(path, at.yard .. "/taken") and "move " .. path
end
return 200, "OK", kaa.array(got)]]

local function reads(list)
  return plain(READS:format(list))
end

local function forces(list)
  return writes(WRITES:format(list))
end

local function unharmed(scene)
  scene.equal("unharmed", scene.read(scene.places.yard .. "/victim"))
  scene.equal("the password", scene.read(scene.places.secret))
end

return {
  {
    tried = "the worker's own frames and memory: `/proc/self/fd`, `/dev/fd`, `/proc/self/mem`",
    stopped = "Lua environment: what `/proc` has of a process is not written; a link is not opened",
    attacks = {
      frames_write = { forces [[{ "/proc/self/fd/3", "/dev/fd/3", "/proc/thread-self/fd/3",
  "/proc/self/task/../fd/3", "/proc/self/fd/1", "/dev/fd/2", "/proc/self/mem",
  "/proc/self/oom_score_adj", "/proc/self/comm", "/proc/self/root/proc/self/mem",
  "/proc/self/map_files/x", "/proc/self/attr/current" }]], 200, "OK", "[]", goal = unharmed },
      frames_read = { reads [[{ "/proc/self/fd/3", "/dev/fd/3", "/proc/thread-self/fd/3" }]],
        200, "OK", "[]" },
      frames_number = { plain "return 200, 'OK', #io.read('a') + #io.stdin:read('a')", 200, "OK", "0" },
    },
  },
  {
    tried = "the agent's process: its memory, environment, descriptors, folders by way of `/proc`",
    stopped = "Lua environment: nothing of another process is read or written",
    attacks = {
      host_read = { reads [[(function(host)
  local list = {}
  for _, name in ipairs { "mem", "maps", "environ", "cmdline", "fd/5", "fd/6", "task", "stat",
    "root" .. at.secret, "root" .. at.state .. "/journal.db", "task/" .. host .. "/mem", "fdinfo/0", "auxv" } do
    list[#list + 1] = "/proc/" .. host .. "/" .. name
    list[#list + 1] = "/proc/self/../" .. host .. "/" .. name
    list[#list + 1] = "/proc/self/root/proc/" .. host .. "//" .. name
  end
  list[#list + 1] = "/proc/1/environ"
  return list
end)(math.tointeger(at.host))]], 200, "OK", "[]" },
      host_write = { forces [[(function(host)
  local list = {}
  for _, name in ipairs { "mem", "oom_score_adj", "fd/1", "fd/2", "comm" } do
    list[#list + 1] = "/proc/" .. host .. "/" .. name
    list[#list + 1] = "/proc/self/root/proc/" .. host .. "/" .. name
  end
  return list
end)(math.tointeger(at.host))]], 200, "OK", "[]", goal = unharmed },
    },
  },
  {
    tried = "the state, the configuration and credentials: by `..`, `//`, links, `/proc/self/root`, a NUL byte",
    stopped = "Lua environment: paths are resolved before they are compared",
    attacks = {
      secret_read = { reads [[{ at.secret, at.yard .. "/../secret", at.yard .. "//..//./secret",
  "/proc/self/root" .. at.secret, "/proc/self/cwd/../../../../../../../../.." .. at.secret,
  at.secret .. "\0.txt", at.yard .. "/secret", at.yard .. "/swap/secret" }]], 200, "OK", "[]" },
      state_read = { reads [[{ at.state .. "/journal.db", at.state .. "/../state/journal.db",
  at.yard .. "/state/journal.db", at.state .. "/control", at.yard .. "/state/../kaalua.lua",
  at.state .. "/../kaalua.lua" }]], 200, "OK", "[]" },
      secret_message = { plain "return io.open(at.secret)", 500, PRIVATE },
      secret_write = { forces [[{ at.secret, at.yard .. "/../secret", at.yard .. "/secret",
  "/proc/self/root" .. at.secret, at.secret .. "\0.txt" }]], 200, "OK", nil, goal = function(scene)
          scene.equal("the password", scene.read(scene.places.secret))
        end },
      path_long = { writes [[
local _, why, errno = io.open(("/x"):rep(100000), "w")
local _, _, other = os.remove("/" .. ("x"):rep(5000))
return 200, "OK", { errno, other }]], 200, "OK", "[36,36]" },
    },
  },
  {
    tried = "symbolic links into the state directory: written through, renamed, put in a granted place",
    stopped = "Lua environment: links are followed before paths are compared, and not after",
    attacks = {
      link_write = { forces [[{ at.yard .. "/state/escaped", at.yard .. "/state/journal.db",
  at.yard .. "/state/../state/escaped" }]], 200, "OK", "[]", goal = function(scene)
          scene.equal(nil, scene.read(scene.places.state .. "/escaped"))
        end },
      link_narrowed = { [[return { needs = { write = { "/var/tmp" } }, run = function(c)
        return io.open(c.payload.yard .. "/state/escaped", "w") end }]], 500, NEVER },
      link_outside = { [[return { needs = { write = { "/var/tmp" } }, run = function(c)
        return io.open("/var/tmp/../.." .. c.payload.yard .. "/escaped", "w") end }]], 500,
        "outside the directories of needs%.write" },
      link_message = { writes "return io.open(at.yard .. '/state/escaped', 'w')", 500, NEVER },
      folder_moved = { writes "return os.rename(at.state .. '/..', at.yard .. '/agent')", 500, "." },
      folder_above = { writes [[
return os.rename(at.state:match "^(.*)/[^/]+$", at.state:match "^(.*)/[^/]+$" .. ".moved")]], 500, NEVER },
    },
  },
  {
    tried = "a handler that writes a handler, or a library: directly, by a link, by a rename, by moving its folder",
    stopped = "Lua environment: the handlers directories are never written, whatever is granted",
    attacks = {
      handler_write = { forces [[{ at.handlers .. "/escaped.lua", at.yard .. "/handlers/escaped.lua",
  at.handlers .. "/lib/escaped.lua", at.handlers .. "/../handlers/escaped.lua",
  at.handlers .. "/lib/../escaped.lua" }]], 200, "OK", "[]", goal = function(scene)
          scene.equal(nil, scene.read(scene.places.handlers .. "/escaped.lua"))
          scene.equal(501, scene.platform:call("escaped", 1).statusCode)
        end },
      handler_changed = { writes "return io.open(at.handlers .. '/echo.lua', 'a')", 500, NEVER },
      handler_removed = { writes "return os.remove(at.handlers .. '/echo.lua')", 500, NEVER },
      handlers_moved = { writes "return os.rename(at.handlers, at.yard .. '/h')", 500, NEVER },
    },
  },
  {
    tried = "files that block or never end: a FIFO, `/dev/zero`, a read of a terabyte",
    stopped = "limit by signal, or killed process; the memory is counted",
    attacks = {
      block_open = { short "io.open(at.yard .. '/pipe')", 504, "^Timed out after 0%.3 s" },
      block_pcall = { short "while true do pcall(io.open, at.yard .. '/pipe') end", 504, "^Timed out after 0%.3 s" },
      block_write = { short "io.open(at.yard .. '/pipe-2', 'w')", 504, "^Timed out after 0%.3 s" },
      block_lines = { short "for _ in io.lines(at.yard .. '/pipe') do end", 504, "^Timed out after 0%.3 s" },
      block_read = { short "io.open(at.yard .. '/pipe-3', 'r+'):read()", 504, "^Timed out after 0%.3 s" },
      zero_all = { plain "return 200, io.open('/dev/zero'):read('a')", 500, "^Out of memory %(limit 32 MiB%)" },
      zero_line = { plain "return 200, io.lines('/dev/zero')()", 500, "^Out of memory" },
      zero_count = { plain "return 200, io.open('/dev/zero'):read(1 << 40)", 500, "^Out of memory" },
      zero_buffer = { plain [[
local file = io.open "/dev/zero"
file:setvbuf("full", 1 << 40)
return 200, "OK", #file:read(10)]], 200, "OK", "10" },
    },
  },
  {
    tried = "file handles that are closed, odd, or the log's own; their metatable",
    stopped = "Lua environment: checked by each function; the metatable is hidden",
    attacks = {
      handle_closed = { plain "local f = io.open '/etc/passwd' f:close() f:read()", 500, "attempt to use a closed file" },
      handle_twice = { plain "local f = io.open '/etc/passwd' f:close() f:close()", 500, "attempt to use a closed file" },
      handle_other = { plain "io.stdout.write({}, 'x')", 500, "FILE%*" },
      handle_swapped = { plain "kaa.exec(io.stdout)", 500, "needs \"exec\"" },
      handle_metatable = { plain "getmetatable(io.stdout).__index.close = nil", 500,
        "attempt to index a boolean value" },
      handle_methods = { plain "io.stdout.close = nil", 500, "attempt to index a FILE%* value" },
      handle_log = { plain [[
io.stdout:close() io.close() pcall(io.stdout.seek, io.stdout, "set", 0) pcall(io.stdout.read, io.stdout)
io.stdout:setvbuf "full" io.write "still there" return 200]], 200, "OK" },
      handle_many = { plain [[
local open, why, n = {}, nil, 0
repeat
  open[n], why = io.open "/dev/null"
  n = n + 1
until not open[n - 1] or n > 1e5
return 200, "OK", why ~= nil]], 200, "OK", "true" },
    },
  },
}
