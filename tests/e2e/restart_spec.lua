-- The durable life of a command: the agent is killed, or the machine "restarts",
-- between and during commands.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local world = require "support.world"

local folder, loop, process = world.folder, world.loop, world.process

-- Writes one line per effect into the file that the payload names.
local EFFECT = [[
  local function effect(c, what)
    local file = assert(io.open(c.payload, "a"))
    file:write(c.id, what or "", "\n")
    file:close()
  end
]]

local HANDLERS = {
  echo = "return function(c) return 200, 'OK', c.payload end",
  effect = EFFECT .. [[return { needs = { "write" }, run = function(c)
    effect(c)
    return 200, "OK", c.id
  end }]],
  slow = EFFECT .. [[return { needs = { "write" }, run = function(c)
    effect(c)
    kaa.sleep(c.id == 1 and 20 or 0)
  end }]],
  naps = EFFECT .. [[return { needs = { "write" }, run = function(c)
    effect(c)
    kaa.sleep(c.id == 1 and 1 or 0)
  end }]],
  tries = EFFECT .. [[return { needs = { "write" }, on_interrupt = "retry", run = function(c)
    effect(c)
    kaa.sleep(20)
  end }]],
  aged = EFFECT .. [[return { needs = { "write" }, on_interrupt = "retry", max_age_s = 1,
    run = function(c)
      effect(c)
      kaa.sleep(20)
    end }]],
  resumes = EFFECT .. [[return { needs = { "write" }, on_interrupt = "resume", run = function(c)
    kaa.checkpoint { step = 1 }
    kaa.checkpoint { step = 2 }
    effect(c)
    kaa.sleep(20)
  end, resume = function(c, saved, away)
    effect(c, " resumed")
    return 200, "Resumed", { saved = saved, away_s = away.s }
  end }]],
  unsaved = EFFECT .. [[return { needs = { "write" }, on_interrupt = "resume", run = function(c)
    effect(c)
    kaa.sleep(20)
  end, resume = function() return 200 end }]],
  restarts = EFFECT .. [[return { needs = { "write" }, run = function(c)
    kaa.resume_after("restart", { n = 7 })
    effect(c)
  end, resume = function(c, saved, away)
    effect(c, " resumed")
    return 200, "Back", { n = saved.n, away_s = away.s }
  end }]],
  once = EFFECT .. [[return { needs = { "write" }, on_interrupt = "report", run = function(c)
    kaa.resume_after "restart"
  end, resume = function(c)
    effect(c, " resumed")
    kaa.sleep(20)
  end }]],
  lingers = EFFECT .. [[return { needs = { "write" }, on_interrupt = "report", run = function(c)
    kaa.resume_after("restart", { n = 7 })
    effect(c)
    kaa.sleep(20)
  end, resume = function(c, saved)
    effect(c, " resumed")
    return 200, "Back", { n = saved.n }
  end }]],
  reboots = [[return { run = function(c)
    kaa.resume_after("reboot", nil, { within_s = c.payload })
  end, resume = function(c, saved, away)
    return 200, "Back", { away = away.s ~= nil }
  end }]],
  counts = [[return function(c)
    local n = (kaa.store.get "n" or 0) + 1
    assert(kaa.store.set("n", n))
    assert(kaa.shared.set("last", c.id))
    return 200, "OK", { n = n, last = kaa.shared.get "last" }
  end]],
  reads = [[return function()
    return 200, "OK", { last = kaa.shared.get "last", n = kaa.store.get "n" }
  end]],
}

local function handlers(...)
  local chosen = {}
  for _, name in ipairs { ... } do
    chosen[name] = HANDLERS[name]
  end
  return chosen
end

local function kill(agent)
  agent.process:kill "sigcont"
  agent.process:kill "sigkill"
  agent.process:await_end()
end

local function restart(agent)
  kill(agent)
  agent:start():await_connected()
end

--- The lines of the file of effects.
local function effects(path)
  local lines = {}
  for line in (folder.read(path) or ""):gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  return lines
end

local function await_effects(path, count, deadline_s)
  loop.await(("%d effects"):format(count), function()
    return #effects(path) >= count
  end, deadline_s)
end

local function array(first, last, payload)
  local elements = {}
  for id = first, last do
    elements[#elements + 1] = ('{"id":%d,"payload":%s}'):format(id, payload)
  end
  return "[" .. table.concat(elements, ",") .. "]"
end

local function scene(...)
  local agent, platform = world.connected { handlers = handlers(...) }
  local file = agent.folder .. "/effects"
  return agent, platform, file, ("%q"):format(file)
end

local function status(program, ...)
  return (process.run(program, { ... }, {}, 10))
end

local function may_unshare()
  return status("/usr/bin/unshare", "-m", "/bin/true") == 0
end

--- Runs the agent as on a machine that was started anew: with another boot id.
local function start_with_boot_id(agent, id)
  local fake = folder.write(agent.folder .. "/boot_id", id .. "\n")
  local script = 'mount --bind "$0" /proc/sys/kernel/random/boot_id && exec "$@"'
  agent.process = process.start("/usr/bin/unshare",
    { "-m", "/bin/sh", "-c", script, fake, agent.program, table.unpack(agent.arguments) }, {})
  agent.expects_failure = false
  return agent
end

local NEXT_BOOT = "11111111-2222-4333-8444-555555555555"

describe("a killed agent", function()
  after_each(world.clear)

  it("sends a result again that was not confirmed, and answers a repeat from it", function()
    local agent, platform, file, payload = scene "effect"
    platform.confirms = false
    platform:call("effect", 1, payload)
    kill(agent)
    platform.confirms = true
    agent:start():await_connected()
    loop.await("the result again", function() return #platform:results_of("effect", 1) >= 2 end)
    restart(agent)
    platform:command("effect", 1, payload)
    loop.await("a third answer", function() return #platform:results_of("effect", 1) >= 3 end)
    for _, result in ipairs(platform:results_of("effect", 1)) do
      assert.are.equal(200, result.statusCode)
    end
    assert.are.same({ "1" }, effects(file))
  end)

  it("answers what ran as interrupted, once, and runs what had not begun", function()
    local agent, platform, file, payload = scene "slow"
    platform:push("slow", array(1, 4, payload))
    await_effects(file, 1)
    restart(agent)
    local first = platform:await_result("slow", 1)
    assert.are.equal(500, first.statusCode)
    assert.are.equal("Interrupted: the outcome is unknown", first.reasonPhrase)
    for id = 2, 4 do
      assert.are.equal(200, platform:await_result("slow", id).statusCode)
    end
    assert.are.same({ "1", "2", "3", "4" }, effects(file))
    restart(agent)
    platform:push("slow", array(1, 4, payload))
    loop.await("the answers again", function() return #platform:results_of("slow", 4) >= 2 end)
    assert.are.same({ "1", "2", "3", "4" }, effects(file))
  end)

  it("finds the result that its worker had written down", function()
    local agent, platform, file, payload = scene "effect"
    platform:call("effect", 1, payload) -- a worker is there
    agent:save("effect", HANDLERS.effect:gsub("effect%(c%)\n    return",
      "kaa.log.info 'begun' kaa.sleep(0.5) effect(c)\n    return"))
    agent:await_log "changed version is in service"
    platform:command("effect", 2, payload)
    agent:await_log "begun"
    agent.process:kill "sigstop"
    await_effects(file, 2)
    local waited = uv.hrtime() + 2e8 -- the mark follows the effect; nothing tells of it
    loop.await("the worker's mark", function() return uv.hrtime() > waited end)
    restart(agent)
    local result = platform:await_result("effect", 2)
    assert.are.equal(200, result.statusCode)
    assert.are.equal(2, result.payload)
    assert.are.same({ "1", "2" }, effects(file))
    agent:await_log "its result was found"
  end)

  it("tries three times what may be tried again", function()
    local agent, platform, file, payload = scene "tries"
    platform:command("tries", 1, payload)
    for attempt = 1, 3 do
      await_effects(file, attempt)
      restart(agent)
    end
    local result = platform:await_result("tries", 1)
    assert.are.equal(500, result.statusCode)
    assert.is_truthy(result.reasonPhrase:find "^Interrupted")
    assert.are.same({ "1", "1", "1" }, effects(file))
  end)

  it("answers as interrupted what may be tried again and cannot", function()
    local agent, platform, file, payload = scene("tries", "aged")
    platform:command("tries", 1, payload)
    platform:command("aged", 2, payload)
    await_effects(file, 2)
    kill(agent)
    agent:remove "tries"
    local since = uv.hrtime()
    loop.await("the command to be too old", function() return uv.hrtime() - since > 1.1e9 end)
    agent:start():await_connected()
    for type, id in pairs { tries = 1, aged = 2 } do
      local result = platform:await_result(type, id)
      assert.are.equal(500, result.statusCode)
      assert.are.equal("Interrupted: the outcome is unknown", result.reasonPhrase)
    end
    assert.are.equal(2, #effects(file))
  end)

  it("has resume go on from the last checkpoint", function()
    local agent, platform, file, payload = scene "resumes"
    platform:command("resumes", 1, payload)
    await_effects(file, 1)
    restart(agent)
    local result = platform:await_result("resumes", 1)
    assert.are.equal("Resumed", result.reasonPhrase)
    assert.are.same({ step = 2 }, result.payload.saved)
    assert.is_true(result.payload.away_s >= 0 and result.payload.away_s < 60)
    assert.are.same({ "1", "1 resumed" }, effects(file))
  end)

  it("answers as interrupted what left no checkpoint to resume from", function()
    local agent, platform, file, payload = scene "unsaved"
    platform:command("unsaved", 1, payload)
    await_effects(file, 1)
    restart(agent)
    assert.are.equal(500, platform:await_result("unsaved", 1).statusCode)
  end)

  it("answers as interrupted what cannot be resumed because its handler is gone", function()
    local agent, platform, file, payload = scene("resumes", "echo")
    platform:command("resumes", 1, payload)
    await_effects(file, 1)
    kill(agent)
    agent:remove "resumes"
    agent:start():await_connected()
    local result = platform:await_result("resumes", 1)
    assert.are.equal(500, result.statusCode)
    assert.are.equal("Interrupted: the outcome is unknown", result.reasonPhrase)
  end)

  it("remembers what had begun for an endpoint that is not configured for a while", function()
    local agent, platform, file, payload = scene "slow"
    platform:command("slow", 1, payload)
    await_effects(file, 1)
    kill(agent)
    local arguments, others = agent.arguments, {}
    for i, argument in ipairs(arguments) do
      others[i] = argument == "T1" and "T2" or argument
    end
    agent.arguments = others
    agent:start():await_log "its endpoint is not configured.*id=1"
    agent:await_connected()
    platform:command("slow", 2, payload, "T2")
    platform:await_result("slow", 2, nil, "T2")
    kill(agent)
    agent.arguments = arguments
    agent:start():await_connected()
    assert.are.equal(500, platform:await_result("slow", 1).statusCode)
    assert.are.same({ "1", "2" }, effects(file))
  end)

  it("leaves no file of marks behind that is not needed", function()
    local agent, platform, file, payload = scene "slow"
    platform:push("slow", array(1, 2, payload))
    await_effects(file, 1)
    restart(agent)
    platform:await_result("slow", 2)
    agent:stop()
    local listing, names = assert(uv.fs_scandir(agent.state .. "/marks")), {}
    for name in function() return uv.fs_scandir_next(listing) end do
      names[#names + 1] = name
    end
    assert.are.same({}, names)
  end)

  it("is waited for: a worker of its that hangs is ended before the marks are read", function()
    local agent, platform, file, payload = scene "slow"
    platform:command("slow", 1, payload)
    await_effects(file, 1)
    local leader
    for _, each in ipairs(agent:descendants()) do
      if each.name:find "leader" then
        leader = each.pid
        os.execute("kill -STOP " .. leader)
      end
    end
    assert.is_truthy(leader)
    kill(agent)
    local begun = uv.hrtime()
    agent:start():await_connected(nil, 15)
    assert.is_true(uv.hrtime() - begun > 4.5e9, "it waits 5 s for them to go")
    agent:await_log "a worker of the agent before is still there: ended"
    assert.are.equal(500, platform:await_result("slow", 1).statusCode)
  end)
end)

describe("what a handler keeps", function()
  after_each(world.clear)

  it("lasts across restarts, per handler and for all", function()
    local agent, platform = scene("counts", "reads")
    assert.are.same({ n = 1, last = 1 }, platform:call("counts", 1).payload)
    restart(agent)
    assert.are.same({ n = 2, last = 2 }, platform:call("counts", 2).payload)
    assert.are.same({ last = 2 }, platform:call("reads", 1).payload)
  end)

  it("goes to resume after the agent was restarted, and not before", function()
    local agent, platform, file, payload = scene("restarts", "echo")
    platform:command("restarts", 1, payload)
    agent:await_log "waits for a restart"
    platform:call("echo", 1, "1")
    assert.are.same({}, platform:results_of("restarts", 1))
    assert.are.equal(0, agent:stop().code)
    agent:start():await_connected()
    local result = platform:await_result("restarts", 1)
    assert.are.equal("Back", result.reasonPhrase)
    assert.are.equal(7, result.payload.n)
    assert.is_true(result.payload.away_s >= 0 and result.payload.away_s < 60)
    restart(agent)
    platform:call("echo", 2, "1")
    assert.are.same({ "1", "1 resumed" }, effects(file))
  end)

  it("goes to resume once, where the handler may not run again", function()
    local agent, platform, file, payload = scene "once"
    platform:command("once", 1, payload)
    agent:await_log "waits for a restart"
    restart(agent)
    await_effects(file, 1)
    restart(agent)
    local result = platform:await_result("once", 1)
    assert.are.equal(500, result.statusCode)
    assert.are.equal("Interrupted: the outcome is unknown", result.reasonPhrase)
    assert.are.same({ "1 resumed" }, effects(file))
  end)

  it("goes to resume after a reboot, which a restart of the agent is not", function()
    if not may_unshare() then
      return pending "needs a mount namespace"
    end
    local agent, platform = scene("reboots", "echo")
    platform:command("reboots", 1, "60")
    agent:await_log "waits for a restart"
    restart(agent)
    platform:call("echo", 1, "1")
    assert.are.same({}, platform:results_of("reboots", 1))
    kill(agent)
    start_with_boot_id(agent, NEXT_BOOT):await_connected()
    local result = platform:await_result("reboots", 1)
    assert.are.equal("Back", result.reasonPhrase)
    assert.is_true(result.payload.away)
  end)

  it("is not waited for longer than it says", function()
    local agent, platform = scene "reboots"
    platform:command("reboots", 1, "2")
    agent:await_log "waits for a restart"
    restart(agent)
    local result = platform:await_result("reboots", 1)
    assert.are.equal(504, result.statusCode)
    assert.are.equal("Did not restart within 2 s", result.reasonPhrase)
  end)
end)

describe("a machine that was started anew", function()
  after_each(world.clear)

  --- An agent that was killed with one command running and two queued.
  local function interrupted()
    local agent, platform, file, payload = scene "slow"
    platform:push("slow", array(1, 3, payload))
    await_effects(file, 1)
    loop.await("the others to be queued", function()
      return #platform.requests > 0 and #effects(file) == 1
    end)
    kill(agent)
    return agent, platform, file, payload
  end

  it("runs what was queued only where the platform lists it", function()
    if not may_unshare() then
      return pending "needs a mount namespace"
    end
    local agent, platform, file, payload = interrupted()
    platform.deliver.slow = array(3, 3, payload)
    start_with_boot_id(agent, NEXT_BOOT):await_connected()
    assert.are.equal(500, platform:await_result("slow", 1).statusCode)
    assert.are.equal(200, platform:await_result("slow", 3).statusCode)
    agent:await_log "stale and not listed any more: not run.*id=2"
    assert.are.same({ "1", "3" }, effects(file))
    assert.are.same({}, platform:results_of("slow", 2))
  end)
end)

--- The handler that comes with the agent, with a folder in place of the kernel's.
local function motor()
  local sysfs = world.folder_for "gpio"
  local device = folder.write(sysfs .. "/direction", "in")
  assert(uv.fs_mkdir(sysfs .. "/class", 448))
  assert(uv.fs_symlink(sysfs, sysfs .. "/class/gpio17"))
  local root = os.getenv "KAALUA_ROOT" or "."
  local source = assert(folder.read(root .. "/handlers/close-door.lua"))
    :gsub("/sys/class/gpio", sysfs .. "/class"):gsub("/sys/devices", sysfs)
    :gsub("default = 3", "default = 8")
  local agent, platform = world.connected { handlers = { ["close-door"] = source } }
  platform:command("close-door", 1)
  loop.await("the motor to run", function() return folder.read(device) == "high" end)
  return agent, platform, device
end

describe("close-door", function()
  after_each(world.clear)

  local function assert_stopped(platform, device)
    local result = platform:await_result("close-door", 1)
    assert.are.equal(500, result.statusCode)
    assert.are.equal("Interrupted: the door may stand half closed", result.reasonPhrase)
    assert.are.equal("low", folder.read(device))
  end

  it("stops the motor once a killed agent is back", function()
    local agent, platform, device = motor()
    kill(agent)
    assert.are.equal("high", folder.read(device))
    agent:start():await_connected()
    assert_stopped(platform, device)
  end)

  it("stops the motor once an agent is back that was told to stop at once", function()
    local agent, platform, device = motor()
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    agent.process:kill "sigterm"
    assert.are.equal(0, agent.process:await_end().code)
    agent:start():await_connected()
    assert_stopped(platform, device)
  end)

  it("lets the motor run to its end where the agent is told to stop", function()
    local agent, platform, device = motor()
    assert.are.equal(0, agent:stop().code)
    assert.are.equal("Closed", platform:await_result("close-door", 1).reasonPhrase)
    assert.are.equal("low", folder.read(device))
  end)
end)

describe("an agent that is told to stop", function()
  after_each(world.clear)

  it("leaves what may be tried again to the next start", function()
    local agent, platform, file, payload = scene "tries"
    platform:command("tries", 1, payload)
    await_effects(file, 1)
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    agent.process:kill "sigterm"
    assert.are.equal(0, agent.process:await_end().code)
    assert.are.same({}, platform:results_of("tries", 1))
    agent:save("tries", HANDLERS.tries:gsub("kaa.sleep%(20%)", "return 200, 'Tried'"))
    agent:start():await_connected()
    assert.are.equal("Tried", platform:await_result("tries", 1).reasonPhrase)
    assert.are.same({ "1", "1" }, effects(file))
  end)

  it("runs nothing twice and loses no result where it stands still over its time", function()
    local agent, platform, file, payload = scene "naps"
    platform:push("naps", array(11, 50, payload)) -- fast ones: the worker is given many at once
    platform:await_result("naps", 50)
    platform:push("naps", array(1, 5, payload))
    await_effects(file, 41)
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    agent.process:kill "sigstop"
    local stopped = uv.hrtime()
    loop.await("its 10 s to be over", function() return uv.hrtime() - stopped > 10.6e9 end, 15)
    agent.process:kill "sigcont"
    assert.are.equal(0, agent.process:await_end().code)
    agent:start():await_connected()
    for id = 1, 5 do
      assert.are.equal(200, platform:await_result("naps", id).statusCode)
    end
    local ran = effects(file)
    assert.are.same({ "1", "2", "3", "4", "5" }, { table.unpack(ran, 41) })
  end)

  it("has what waits for its restart resumed, also where it still ran", function()
    local agent, platform, file, payload = scene "lingers"
    platform:command("lingers", 1, payload)
    await_effects(file, 1)
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    agent.process:kill "sigterm"
    assert.are.equal(0, agent.process:await_end().code)
    agent:start():await_connected()
    local result = platform:await_result("lingers", 1)
    assert.are.equal("Back", result.reasonPhrase)
    assert.are.equal(7, result.payload.n)
    assert.are.same({ "1", "1 resumed" }, effects(file))
  end)

  it("begins nothing more, also of what a worker has been given", function()
    local agent, platform, file, payload = scene "naps"
    platform:push("naps", array(11, 50, payload))
    platform:await_result("naps", 50)
    platform:push("naps", array(1, 5, payload))
    await_effects(file, 41)
    agent.process:kill "sigterm"
    assert.are.equal(0, agent.process:await_end().code)
    assert.are.equal(200, platform:await_result("naps", 1).statusCode)
    assert.are.same({ "1" }, { table.unpack(effects(file), 41) })
    agent:start():await_connected()
    platform:await_result("naps", 5)
    assert.are.same({ "1", "2", "3", "4", "5" }, { table.unpack(effects(file), 41) })
  end)

  it("answers the rest as interrupted, before it ends", function()
    local agent, platform, file, payload = scene "slow"
    platform:push("slow", array(1, 2, payload))
    await_effects(file, 1)
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    agent.process:kill "sigterm"
    assert.are.equal(500, platform:await_result("slow", 1).statusCode)
    assert.are.equal(0, agent.process:await_end().code)
    agent:start():await_connected()
    assert.are.equal(200, platform:await_result("slow", 2).statusCode)
    assert.are.same({ "1", "2" }, effects(file))
  end)
end)

describe("the state directory", function()
  after_each(world.clear)

  it("is of one agent at a time", function()
    local agent, platform = scene "echo"
    local code, _, said = process.run(agent.program, agent.arguments, {}, 10)
    assert.are.equal(75, code)
    assert.is_truthy(said:find("another agent is running on it", 1, true), said)
    assert.are.equal(1, platform:call("echo", 1, "1").payload)
  end)

  it("may be on a full disk: what is done is reported, nothing is accepted until there is room",
    function()
      if not may_unshare() then
        return pending "needs a mount namespace"
      end
      local agent, platform, file, payload = scene "effect"
      agent:stop()
      folder.remove(agent.state)
      folder.make(agent.state)
      local script = [[mount -t tmpfs -o size=8m none "$0" && "$@"; head -c 16m /dev/zero > "$0/fill"
        echo full >&2; "$@" & pid=$!; trap "kill $pid" TERM; while ! [ -e "$0.free" ]; do sleep 0.1
        done; rm "$0/fill"; wait; wait]]
      agent.process = process.start("/usr/bin/unshare",
        { "-m", "/bin/sh", "-c", script, agent.state, agent.program, table.unpack(agent.arguments) }, {})
      agent:await_connected()
      platform.confirms = false
      platform:call("effect", 1, payload)
      for _, each in ipairs(agent:descendants()) do
        if each.name == "kaalua" and each.parent == agent.process.pid then
          uv.kill(each.pid, "sigkill")
        end
      end
      agent:await_log "^full"
      local mark = agent:mark()
      agent:await_connected(mark)
      loop.await("the result again", function() return #platform:results_of("effect", 1) >= 2 end)
      platform.confirms = true
      platform:command("effect", 2, payload)
      agent:await_log("commands were left with the platform", mark)
      assert.are.same({ "1" }, effects(file))
      platform.deliver.effect = array(2, 2, payload)
      folder.write(agent.state .. ".free", "")
      assert.are.equal(200, platform:await_result("effect", 2, 20).statusCode)
      assert.are.same({ "1", "2" }, effects(file))
    end)

  it("may be read-only: what is done is reported, nothing is run", function()
    if not may_unshare() then
      return pending "needs a mount namespace"
    end
    local agent, platform, file, payload = scene "effect"
    platform.confirms = false
    platform:call("effect", 1, payload)
    kill(agent)
    local seen = #platform:results_of("effect", 1)
    local script = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    agent.process = process.start("/usr/bin/unshare",
      { "-m", "/bin/sh", "-c", script, agent.state, agent.program, table.unpack(agent.arguments) }, {})
    agent:await_connected()
    loop.await("the result again", function() return #platform:results_of("effect", 1) > seen end)
    platform:command("effect", 2, payload)
    agent:await_log "commands were left with the platform"
    assert.are.same({ "1" }, effects(file))
  end)
end)
