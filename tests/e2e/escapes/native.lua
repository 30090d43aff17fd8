-- A handler that is out of Lua: `native` modules call the kernel. The rows are as in
-- escapes/language.lua. luv stands for any of them.
local small = require("escapes.write").small

local PLAIN = '"native"'
local PROTOCOL = "^Handler crashed: it broke the worker's protocol$"

-- Frames as base/frame.h and base/worker_frames.h have them.
local HEAD = [[
local at = c.payload
local uv = require "luv"
local function bytes(...) return ("<s4"):pack(...) end
local function send(kind, body) return uv.fs_write(3, ("<I4c1"):pack(#body, kind) .. body) end
local function exec(argv, env, max_output, timeout_ms)
  local texts = ("<I4"):pack(#argv)
  for _, text in ipairs(argv) do texts = texts .. bytes(text) end
  return send("E", ("<I4i8"):pack(99, 1) .. texts .. "\0" .. bytes "" .. ("<i8"):pack(timeout_ms or 0) .. bytes ""
    .. (env and ("<I4"):pack(1) .. bytes(env) or ("<I4"):pack(0)) .. ("<i8"):pack(max_output or 1000) .. "\0")
end
local function forever() while true do kaa.sleep(1) end end
]]

local function native(body, needs)
  return ("return { needs = { %s }, timeout_s = 5, run = function(c)\n%s%s\nend }")
    :format(needs or PLAIN, HEAD, body)
end

local function brief(body)
  return 'return { needs = { "native" }, timeout_s = 0.3, run = function(c)\n' .. HEAD .. body .. "\nend }"
end

local TIMED_OUT = "^Timed out after 0%.3 s"
local NO_MEMORY = "^Out of memory|not enough memory|^Handler exited with|^Handler crashed"

-- The most that the process ever had.
local PEAK = [[return 200, "not stopped", io.open("/proc/self/status"):read("a"):match "VmHWM:%s*(%d+)"]]

local function unharmed(scene)
  for _, name in ipairs { "/yard/escaped", "/handlers/escaped.lua", "/state/escaped" } do
    local folder = scene.places[name:match "^/(%w+)"]
    scene.equal(nil, scene.read(folder .. name:match "/[%w.]+$"))
  end
  scene.equal("the password", scene.read(scene.places.secret))
end

local function refused(call)
  return native(([[local done, why, code = %s
return 200, "OK", code == "EACCES" or code == "EPERM" or tostring(why)]]):format(call))
end

return {
  {
    tried = "writing to the host's frames: no frames, unknown ones, another's, a program that was not granted",
    stopped = "host's check: its worker is ended",
    attacks = {
      frames_garbage = { native "uv.fs_write(3, ('\\255'):rep(1000)) forever()", 500, PROTOCOL },
      frames_kind = { native "send('Z', '') forever()", 500, PROTOCOL },
      frames_large = { native [[
uv.fs_write(3, ("<I4c1"):pack(60 << 20, "T"))
for _ = 1, 40 do uv.fs_write(3, ("x"):rep(1 << 20)) end
forever()]], 500, PROTOCOL },
      frames_large_exec = { native [[
uv.fs_write(3, ("<I4c1"):pack(60 << 20, "E"))
for _ = 1, 40 do uv.fs_write(3, ("x"):rep(1 << 20)) end
forever()]], 500, PROTOCOL },
      frames_short = { native "send('T', 'x') forever()", 500, PROTOCOL },
      frames_loaded = { native [[
send("L", bytes '{"faults":[],"contract":{"needs":{"exec":true,"write":true}}}') forever()]], 500, PROTOCOL },
      frames_mark = { native "send('M', ('<i8'):pack(77)) forever()", 500, PROTOCOL },
      frames_finished = { native [[
send("F", ("<i8i8"):pack(77, 200) .. bytes "OK" .. "\0" .. bytes "" .. bytes "" .. "\0\0") forever()]], 500, PROTOCOL },
      frames_status = { native [[
send("F", ("<i8i8"):pack(1, 20000) .. bytes "OK" .. "\0" .. bytes "" .. bytes "" .. "\0\0") forever()]], 500, PROTOCOL },
      frames_result = { native [[
send("F", ("<i8i8"):pack(1, 200) .. bytes "OK" .. "\1" .. bytes "{not json" .. bytes "" .. "\0\0") forever()]],
        500, PROTOCOL },
      frames_level = { native "send('P', '\\77' .. bytes 'x') forever()", 500, PROTOCOL },
      frames_samples = { native "send('T', bytes 'T1' .. bytes '[1]') forever()", 500, PROTOCOL },
      frames_metadata = { native "send('m', bytes 'T1' .. bytes '{\"a b\":1}') forever()", 500, PROTOCOL },
      frames_keep = { native [[
send("K", ("<I4i8"):pack(99, 1) .. bytes "set" .. bytes "host" .. bytes "k" .. "\1" .. bytes "1" .. ("<i8"):pack(0))
forever()]], 500, PROTOCOL },
      frames_exec = { native "exec { '/bin/touch', at.yard .. '/escaped' } kaa.sleep(0.2) return 200", 200, "OK" },
      frames_exec_narrowed = { native("exec { '/bin/touch', at.yard .. '/escaped' } kaa.sleep(0.2) return 200",
        '"native", exec = { "/bin/true" }'), 200, "OK" },
      frames_exec_preload = { native([[
exec({ "/bin/true" }, "LD_PRELOAD=" .. at.yard .. "/x.so") kaa.sleep(0.2) return 200]],
        '"native", exec = { "/bin/true" }'), 200, "OK" },
      frames_exec_output = { native("exec({ '/usr/bin/yes', at.yard }, nil, 1 << 40) forever()",
        '"native", exec = { "/usr/bin/yes" }'), 500, PROTOCOL },
      frames_exec_time = { native("exec({ '/usr/bin/yes', at.yard }, nil, 9, math.maxinteger) forever()",
        '"native", exec = { "/usr/bin/yes" }'), 500, PROTOCOL },
      frames_exec_many = { native("for _ = 1, 50 do exec { '/usr/bin/yes', at.yard } end forever()",
        '"native", exec = { "/usr/bin/yes" }'), 500, PROTOCOL },
      frames_unread = { native([[
for _ = 1, 20 do
  exec({ "/usr/bin/head", "-c", "2000000", "/dev/zero" }, nil, 2000000)
  uv.sleep(100)
end
forever()]], '"native", exec = { "/usr/bin/head" }'), 500, PROTOCOL },
      frames_exec_none = { native "exec {} forever()", 500, PROTOCOL },
      frames_endpoint = { native [[
send("T", bytes "T2" .. bytes '[{"escaped":1}]')
send("T", bytes "T1/../T2" .. bytes '[{"escaped":1}]')
send("m", bytes "#" .. bytes '{"escaped":1}')
kaa.telemetry { arrived = 1 }
return 200]], 200, "OK", goal = function(scene)
          scene.await("the sample that was allowed", function() return #scene.platform.telemetry > 0 end)
          for _, sent in ipairs(scene.platform.telemetry) do
            scene.equal(nil, sent.body:find "escaped")
          end
          scene.equal(0, #scene.platform.metadata)
          scene.equal(0, #scene.platform.unexpected)
        end },
      frames_log = { native [[
send("P", "\1" .. bytes "x\n2026-01-01T00:00:00Z error host forged=1\27[2J")
uv.fs_write(1, "y\r2026-01-01T00:00:00Z error host forged=1\27[2J\n")
return 200]], 200, "OK", goal = function(scene)
          scene.refute_log "^2026%-01%-01T00:00:00Z error host forged"
          scene.equal(nil, scene.agent:log():find("\27", 1, true))
          scene.equal(nil, scene.agent:log():find("\r", 1, true))
        end },
      frames_others = { native [[
local others = {}
for fd = 4, 30 do -- 7 hands the host a file (base/worker_frames.h)
  local what = uv.fs_readlink("/proc/self/fd/" .. fd)
  if fd ~= 7 and what and (what:find "^/" or what:find "^socket") then others[#others + 1] = what end
end
return 200, "OK", kaa.array(others)]], 200, "OK", "[]" },
      frames_closed = { native "uv.fs_close(3) forever()", 500, "^Handler exited with 0$|standard|protocol|crashed" },
    },
    goal = function(scene)
      unharmed(scene)
      scene.truthy(scene.agent.is_sanitized() or scene.host_most_kb() < 30000, scene.host_most_kb())
      scene.await("the programs to go", function() return #scene.processes_with(scene.places.yard) == 0 end, 20)
    end,
  },
  {
    tried = "crashing its own process: SIGSEGV, SIGABRT, SIGSTOP, a stack that runs over in C",
    stopped = "killed process: one for each handler",
    attacks = {
      crash_segv = { native "uv.kill(uv.os_getpid(), 'sigsegv') forever()", 500,
        "^Handler crashed: SIGSEGV$|^Handler exited with" },
      crash_kill = { native "uv.kill(uv.os_getpid(), 'sigkill') forever()", 500, "^Handler crashed: SIGKILL$" },
      crash_abort = { native "uv.kill(uv.os_getpid(), 'sigabrt') forever()", 500,
        "^Handler crashed: SIGABRT$|^Handler exited with" },
      crash_stop = { 'return { needs = { "native" }, timeout_s = 0.3, run = function()'
        .. '\nlocal uv = require "luv" uv.kill(uv.os_getpid(), "sigstop") end }', 504, "^Timed out after 0%.3 s" },
      crash_stack = { [[
return function()
  local json = require "cjson"
  json.decode_max_depth(1e9)
  json.decode(("["):rep(1e7))
end]], 500, "^Handler crashed: SIGSEGV$|stack overflow|^Out of memory|^Handler exited with" },
    },
  },
  {
    tried = "out of Lua: blocking for ever, catching the signal of the limit, threads",
    stopped = "killed process: 1 s after the limit",
    attacks = {
      native_blocks = { brief "uv.new_timer():start(1000000, 0, print) uv.run()", 504, TIMED_OUT },
      native_catches = { brief [[
local signal = uv.new_signal()
signal:start("sigusr1", function() end)
while true do uv.run "nowait" end]], 504, TIMED_OUT },
      native_threads = { brief [[
for _ = 1, 20 do uv.new_thread(function() while true do end end) end
while true do pcall(uv.sleep, 100000) end]], 504, TIMED_OUT },
    },
  },
  {
    tried = "memory that Lua does not count: what `cjson` encodes, buffers of C modules",
    stopped = "kernel: the limit of the process's memory",
    unlike_sanitized = true, -- whose shadow is larger than any such limit
    attacks = {
      cjson_sparse = { small([[
local json = require "cjson"
json.encode_sparse_array(false, 0)
pcall(json.encode, { [3e7] = 1 })
]] .. PEAK), 500, NO_MEMORY },
      cjson_strings = { small([[
local json, text = require "cjson", ("\0"):rep(1e6)
local list = {}
for i = 1, 50 do list[i] = text end
pcall(json.encode, list)
]] .. PEAK), 500, NO_MEMORY },
    },
  },
  {
    tried = "out of Lua: another program, sockets, the agent's control socket",
    stopped = "kernel: seccomp",
    attacks = {
      kernel_spawn = { native [[
local ended
local handle = uv.spawn("/bin/touch", { args = { at.yard .. "/escaped" } }, function() ended = true end)
if handle then uv.run() end
return 200, "OK", ended == nil]], 200, "OK", "true" },
      kernel_tcp = { native [[
local tcp = uv.new_tcp()
return 200, "OK", (tcp:bind("127.0.0.1", 0) == nil)]], 200, "OK", "true" },
      kernel_udp = { native [[
local udp = uv.new_udp()
return 200, "OK", (udp and udp:bind("127.0.0.1", 0)) == nil]], 200, "OK", "true" },
      kernel_control = { native [[
local connected
local pipe = uv.new_pipe(false)
local path = at.state .. "/control"
local begun = pipe and pcall(pipe.connect, pipe, path, function(why) connected = why == nil end)
if begun then uv.run() end
return 200, "OK", uv.fs_stat(path) ~= nil and not connected]], 200, "OK", "true" },
    },
    goal = unharmed,
  },
  {
    tried = "out of Lua: signals to the agent or its leader, its memory, its priority",
    stopped = "kernel: seccomp, Landlock, a host that cannot be traced",
    attacks = {
      kernel_signal = { native [[
local host, leader = uv.kill(math.tointeger(at.host), 0), uv.kill(uv.os_getppid(), 0)
return 200, "OK", { host == nil, leader == nil }]], 200, "OK", "[true,true]" },
      kernel_memory = { native [[
local read = uv.fs_open("/proc/" .. math.tointeger(at.host) .. "/mem", "r", 0)
local written = uv.fs_open("/proc/" .. math.tointeger(at.host) .. "/mem", "r+", 0)
return 200, "OK", { read == nil, written == nil }]], 200, "OK", "[true,true]" },
      kernel_priority = { refused "uv.os_setpriority(math.tointeger(at.host), 1)", 200, "OK", "true" },
    },
  },
  {
    tried = "out of Lua, without `write`: files, links, modes, owners, handlers, the state",
    stopped = "kernel: Landlock, seccomp",
    attacks = {
      kernel_write = { refused "uv.fs_open(at.yard .. '/escaped', 'w', 420)", 200, "OK", 'true' },
      kernel_handler = { refused "uv.fs_open(at.handlers .. '/escaped.lua', 'w', 420)", 200, "OK", 'true' },
      kernel_state = { refused "uv.fs_open(at.state .. '/escaped', 'w', 420)", 200, "OK", 'true' },
      kernel_symlink = { refused "uv.fs_symlink('/etc', at.yard .. '/escaped-link')", 200, "OK", 'true' },
      kernel_link = { refused "uv.fs_link(at.secret, at.yard .. '/escaped-hard')", 200, "OK", 'true' },
      kernel_mode = { refused "uv.fs_chmod(at.secret, 511)", 200, "OK", 'true' },
      kernel_owner = { refused "uv.fs_chown(at.secret, 1, 1)", 200, "OK", 'true' },
      kernel_times = { refused "uv.fs_utime(at.secret, 1, 1)", 200, "OK", 'true' },
      kernel_moved = { refused "uv.fs_rename(at.yard .. '/victim', at.yard .. '/escaped')", 200, "OK", 'true' },
      kernel_changed = { refused "uv.fs_open(at.yard .. '/victim', 'r+', 0)", 200, "OK", 'true' },
      kernel_remove = { refused "uv.fs_unlink(at.yard .. '/victim')", 200, "OK", 'true' },
      kernel_folder = { refused "uv.fs_mkdir(at.yard .. '/escaped-folder', 493)", 200, "OK", 'true' },
    },
    goal = unharmed,
  },
}
