-- Attacks by way of programs; the rows are as in escapes/language.lua. What a program
-- leaves behind has the yard's path among its arguments.
local write = require "escapes.write"
local plain, executes, short = write.plain, write.executes, write.executes_short

local function narrowed(body)
  return ([[return { needs = { exec = { "/bin/true" } }, run = function(c)
local at = c.payload;
%s
end }]]):format(body)
end

local function shell(write_file, script)
  return write_file(("return 200, 'OK', (kaa.exec { '/bin/sh', '-c', %q, 'sh', at.yard } ~= nil)"):format(script))
end

local TOUCH = "kaa.exec({ '/bin/touch', at.yard .. '/escaped' }%s)"

local function none_left(scene)
  scene.await("what the programs left behind to go", function()
    return #scene.processes_with(scene.places.yard) == 0
  end, 20)
end

local function no_mark(scene)
  scene.equal(nil, scene.read(scene.places.yard .. "/escaped"))
  scene.equal("unharmed", scene.read(scene.places.yard .. "/victim"))
end

return {
  {
    tried = "programs that were not granted: another path to them, a shell, variables that load code, `detach`",
    stopped = "Lua environment, and the host's check",
    attacks = {
      exec_none = { plain(TOUCH:format ""), 500, "kaa%.exec needs \"exec\"" },
      exec_other = { narrowed(TOUCH:format ""), 500, "is not in needs%.exec" },
      exec_path = { narrowed "return kaa.exec { '/bin/../bin/touch', at.yard .. '/escaped' }", 500,
        "is not in needs%.exec" },
      exec_nul = { narrowed "return kaa.exec { '/bin/true\\0x', at.yard }", 500, "a text with a NUL byte" },
      exec_shell = { narrowed "return os.execute('touch ' .. at.yard .. '/escaped')", 500, "is not in needs%.exec" },
      exec_popen = { narrowed "return io.popen('touch ' .. at.yard .. '/escaped')", 500, "is not in needs%.exec" },
      exec_preload = { narrowed "return kaa.exec({ '/bin/true' }, { env = { LD_PRELOAD = at.yard .. '/x.so' } })",
        500, "run other code than its own" },
      exec_program_path = { narrowed "return kaa.exec({ '/bin/true' }, { env = { PATH = at.yard } })",
        500, "run other code than its own" },
      exec_variable = { executes "return kaa.exec({ '/bin/true' }, { env = { ['A=B\\0'] = 'x' } })", 500,
        "is no name of a variable" },
      exec_detach = { narrowed(TOUCH:format ", { detach = true }"), 500, "is not in needs%.exec" },
      exec_lying = { narrowed [[
local argv = setmetatable({ "/bin/true" }, { __index = { "/bin/touch", at.yard .. "/escaped" },
  __len = function() return 2 end })
return 200, "OK", kaa.exec(argv) ~= nil]], 200, "OK", "true" },
      exec_needs_later = { [[
local granted = { "/bin/true" }
return { needs = { exec = granted }, run = function(c)
  granted[1], granted[2] = "/bin/sh", "/bin/touch"
  return kaa.exec { "/bin/touch", c.payload.yard .. "/escaped" }
end }]], 500, "is not in needs%.exec" },
      exec_loading = { [[kaa.exec { "/bin/true" } return { needs = { "exec" }, run = function() end }]], 503,
        "kaa%.exec acts" },
    },
    goal = no_mark,
  },
  {
    tried = "a child that outlives the command: in the background, in a session of its own, forked twice, "
      .. "deaf to SIGTERM, holding the pipes",
    stopped = "killed process: its leader is the subreaper of all beneath it",
    attacks = {
      child_background = { shell(executes, [[tail -f "$1/victim" &]]), 200, "OK", "true" },
      child_session = { shell(executes, [[setsid tail -f "$1/victim" &]]), 200, "OK", "true" },
      child_twice = { shell(executes, [[(setsid sh -c 'tail -f "$1/victim" &' sh "$1" &)]]), 200, "OK", "true" },
      child_quiet = { shell(executes, [[setsid tail -f "$1/victim" </dev/null >/dev/null 2>&1 &]]), 200, "OK", "true" },
      child_deaf = { shell(short, [[trap '' TERM INT HUP QUIT; setsid tail -f "$1/victim" & tail -f "$1/victim"; wait]]),
        504, "^Timed out after 0%.3 s" },
      child_tree = { shell(short,
        [[i=0; while [ $i -lt 50 ]; do i=$((i+1)); setsid tail -f "$1/victim" & done; wait]]),
        504, "^Timed out after 0%.3 s" },
      child_of_timeout = { executes [[
local done, message = kaa.exec({ "/bin/sh", "-c", 'trap "" TERM; setsid tail -f "$1/victim" & wait', "sh", at.yard },
  { timeout_s = 0.2 })
return 200, message]], 200, "^sh took longer than 0%.2 s$" },
      child_of_exit = { executes [[
kaa.exec { "/bin/sh", "-c", 'setsid tail -f "$1/victim" &', "sh", at.yard }
os.exit(3)]], 500, "^Handler exited with 3$" },
    },
    goal = none_left,
  },
  {
    tried = "what a program inherits: descriptors, variables; gigabytes that it prints",
    stopped = "host's check: three streams, three variables, 256 kB kept of each stream",
    attacks = {
      inherit_descriptors = { executes [[
return 200, "OK", kaa.exec({ "/bin/sh", "-c", "for fd in 3 4 5 6 7 8 9; do (: >&$fd) 2>/dev/null && echo $fd; done; :" }).stdout]],
        200, "OK", '""' },
      inherit_variables = { executes [[
local names = {}
for name in ("\n" .. kaa.exec({ "/usr/bin/env" }).stdout):gmatch "\n([%w_]+)=" do
  if not name:find "SAN_OPTIONS$" then names[#names + 1] = name end -- of a build with the sanitizers
end
table.sort(names)
return 200, "OK", names]], 200, "OK", '["HOME","LANG","PATH"]' },
      inherit_flood = { short "return kaa.exec { '/usr/bin/yes', at.yard }", 504, "^Timed out after 0%.3 s",
        goal = function(scene)
          scene.truthy(scene.agent.is_sanitized() or scene.host_kb() < 60000, scene.host_kb())
        end },
      inherit_kept = { executes [[
return 200, "OK", #kaa.exec({ "/usr/bin/head", "-c", "30000000", "/dev/zero" }).stdout < 300000]], 200, "OK", "true" },
    },
    goal = none_left,
  },
}
