-- Attacks on what all handlers share: the agent itself; the rows are as in
-- escapes/language.lua. `beside`: so many commands of the healthy handler are answered
-- before the first of the attacks that last is over.
local write = require "escapes.write"
local plain, short = write.plain, write.short

local HOST_MAX_KB = 64 * 1024

local function flood(body, needs)
  return ("return { needs = { %s }, timeout_s = 10, run = function(c)\nlocal n = 0\nwhile true do n = n + 1 %s end\nend }")
    :format(needs or "", body)
end

local TIMED_OUT = "^Timed out after 10 s"

local function host_is_small(scene)
  if scene.agent.is_sanitized() then
    return
  end
  scene.truthy(scene.host_most_kb() < HOST_MAX_KB, scene.host_most_kb())
end

-- Sends another command of the crashing handler.
local function again(scene, name, id)
  local result = scene.platform:call(name, id, scene:payload(), 60)
  return result.statusCode, result.reasonPhrase
end

return {
  {
    tried = "floods: `print`, `io.write`, `kaa.log`, `kaa.telemetry`, `kaa.metadata`, `kaa.store`, without end",
    stopped = "Lua environment: 100 lines a second; the host's check: who sends more waits",
    beside = 50,
    attacks = {
      flood_print = { flood "print(('x'):rep(4000))", 504, TIMED_OUT, lasts = true },
      flood_write = { flood "io.write(('x\\n'):rep(1000)) io.stderr:write('y\\n')", 504, TIMED_OUT, lasts = true },
      flood_log = { flood "kaa.log.error(n, ('\\0\\27\\n'):rep(1000))", 504, TIMED_OUT, lasts = true },
      flood_samples = { flood "kaa.telemetry { a = ('x'):rep(200000) }", 504, TIMED_OUT, lasts = true },
      flood_many = { flood "kaa.telemetry { a = n }", 504, TIMED_OUT, lasts = true },
      flood_metadata = { flood "kaa.metadata { ['k' .. n] = ('x'):rep(20000) }", 504, TIMED_OUT, lasts = true },
      flood_store = { flood "kaa.store.set('k' .. n, ('x'):rep(60000))", 504, TIMED_OUT, lasts = true },
      flood_checkpoint = { flood "kaa.checkpoint { n = n, s = ('x'):rep(60000) }", 504, TIMED_OUT, lasts = true },
      flood_faults = { [[
local handler = {}
for n = 1, 300 do handler[("%05d\n"):format(n)] = n end
return handler]], 503, "^flood_faults%.lua:3: ", goal = function(scene)
          scene.truthy(scene.agent:log():find "201 more faults")
        end },
      flood_native = { flood([[local uv = require "luv"
uv.fs_write(3, ("<I4c1Bs4"):pack(4001 + 4, "P", 1, ("x"):rep(4000)))
uv.fs_write(2, ("y"):rep(4000) .. "\n")]], '"native"'), 504, TIMED_OUT, lasts = true },
    },
    goal = function(scene)
      host_is_small(scene)
      local log_bytes = #scene.agent:log()
      scene.truthy(log_bytes < 30e6, log_bytes)
    end,
  },
  {
    tried = "a crash loop, beside a memory hog, a loop and a log flooder",
    stopped = "killed process; quarantine after three deaths in a row",
    beside = 50,
    attacks = {
      beside_crash = { plain "os.exit(7)", 500, "^Handler exited with 7$", goal = function(scene)
          for id = 2, 3 do
            scene.equal(500, (again(scene, "beside_crash", id)))
          end
          local status, reason = again(scene, "beside_crash", 4)
          scene.equal(503, status)
          scene.truthy(reason:find "^Quarantined: ")
        end },
      beside_memory = { flood "pcall(string.rep, 'x', 1e7) pcall(function() local t = {} while true do t[#t + 1] = {} end end)",
        504, TIMED_OUT, lasts = true },
      beside_loop = { flood "", 504, TIMED_OUT, lasts = true },
      beside_flood = { flood "print(n)", 504, TIMED_OUT, lasts = true },
      beside_short = { short "while true do end", 504, "^Timed out after 0%.3 s" },
      beside_result = { plain "return 200, 'OK', ('x'):rep(262142)", 200, "OK" },
    },
    goal = host_is_small,
  },
}
