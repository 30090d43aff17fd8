-- What waits for a reboot: a new boot id, in a mount namespace, is the proof of one.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local Desk = require "support.desk"
local Effects = require "support.effects"
local loop = require "support.loop"
local Machine = require "support.machine"
local soak = require "support.soak"
local Together = require "support.together"
local Verdict = require "support.verdict"
local world = require "support.world"

-- Asks for a restart, and is then ended by it sooner or later.
local function waits(effects, what, within_s)
  return effects:handler(([[return {
    needs = WRITE,
    run = function(c)
      kaa.resume_after("%s", { wanted = c.payload }, { within_s = %g })
      effect("run", c.id)
    end,
    resume = function(c, saved, away)
      effect("resume", c.id)
      return 200, "OK", { away_s = away.s, wanted = saved.wanted }
    end,
  }]]):format(what, within_s))
end

local function scene(wire, handlers)
  local effects = Effects.create(world.folder_for "effects")
  local sources = {}
  for name, make in pairs(handlers) do
    sources[name] = make(effects)
  end
  local desk = Desk.create { wire = wire, handlers = sources }
  return desk, effects, Machine.create(desk.agent)
end

local function await_effect(effects, name, id)
  loop.await(("the effect %s of %d"):format(name, id), function()
    return effects:count(name)[id]
  end)
end

local function kill(desk)
  desk.agent.process:kill "sigkill"
  desk.agent.process:await_end()
end

describe("a command that waits for a reboot", function()
  local together = Together.describe(Desk.clear)

  local why = soak.obstacle { root = true, programs = Machine.PROGRAMS }
  if why then
    pending("is answered after it: " .. why)
    return
  end

  for _, wire in ipairs(world.WIRES) do
    together("is answered after it with the time away, over " .. wire, function()
      local desk, effects, machine = scene(wire, {
        reboot = function(e) return waits(e, "reboot", 900) end })
      machine:start(desk.agent):await_connected()
      local id = desk:invoke("reboot", '"blue"')
      await_effect(effects, "run", id)
      local left_ms = loop.now_ms()
      kill(desk)
      loop.watch(0.3)
      machine:reboot()
      machine:start(desk.agent)
      local result = desk:await_result("reboot", id)
      local away_s = (loop.now_ms() - left_ms) / 1000
      assert.are.equal(200, result.statusCode, result.reasonPhrase)
      assert.are.equal("blue", result.payload.wanted)
      assert.is_true(result.payload.away_s >= 0.25 and result.payload.away_s <= away_s + 0.1,
        ("away %s s, by the test's clock %s s"):format(result.payload.away_s, away_s))
      assert.are.same({ [id] = 1 }, (effects:count "run"))
      assert.are.same({ [id] = 1 }, (effects:count "resume"))
    end)
  end

  together("goes on waiting where only the agent was restarted", function()
    local desk, effects, machine = scene("mqtt", {
      reboot = function(e) return waits(e, "reboot", 900) end })
    machine:start(desk.agent):await_connected()
    local id = desk:invoke "reboot"
    await_effect(effects, "run", id)
    for restart = 1, 3 do
      if restart == 2 then
        desk.agent:stop()
      else
        kill(desk)
      end
      machine:start(desk.agent):await_connected()
      loop.watch(0.5, function() return desk:result("reboot", id) end)
      local early = desk:result("reboot", id)
      assert.is_nil(early, early and early.reasonPhrase)
    end
    kill(desk)
    machine:reboot()
    machine:start(desk.agent)
    assert.are.equal(200, desk:await_result("reboot", id).statusCode)
    assert.are.same({ [id] = 1 }, (effects:count "run"))
    assert.are.same({ [id] = 1 }, (effects:count "resume"))
  end)

  together("is answered 504 where it never comes, the agent restarted or not", function()
    local desk, effects, machine = scene("mqtt", {
      reboot = function(e) return waits(e, "reboot", 2) end })
    machine:start(desk.agent):await_connected()
    local stayed = desk:invoke "reboot"
    local result = desk:await_result("reboot", stayed)
    assert.are.equal(504, result.statusCode)
    assert.are.equal("Did not restart within 2 s", result.reasonPhrase)
    local restarted = desk:invoke "reboot"
    await_effect(effects, "run", restarted)
    kill(desk)
    machine:start(desk.agent)
    result = desk:await_result("reboot", restarted)
    assert.are.equal(504, result.statusCode)
    assert.are.equal("Did not restart within 2 s", result.reasonPhrase)
    assert.are.same({}, (effects:count "resume"))
  end)

  together("is answered where it waits for the agent's restart alone", function()
    local desk, effects, machine = scene("mqtt", {
      again = function(e) return waits(e, "restart", 900) end })
    machine:start(desk.agent):await_connected()
    local id = desk:invoke "again"
    await_effect(effects, "run", id)
    kill(desk)
    machine:start(desk.agent)
    assert.are.equal(200, desk:await_result("again", id).statusCode)
    assert.are.same({ [id] = 1 }, (effects:count "resume"))
  end)

  together("counts what was running at a reboot as begun, and runs it no more", function()
    local desk, effects, machine = scene("mqtt", {
      slow = function(e) return e:slow("slow", 0.6) end })
    machine:start(desk.agent):await_connected()
    local ids = { desk:invoke "slow", desk:invoke "slow", desk:invoke "slow" }
    await_effect(effects, "slow", ids[1])
    kill(desk)
    machine:reboot()
    machine:start(desk.agent)
    desk:await_answered(20)
    assert.are.equal(Verdict.INTERRUPTED, desk:result("slow", ids[1]).reasonPhrase)
    local counts = effects:count "slow"
    for _, id in ipairs(ids) do
      local result = desk:result("slow", id)
      if result.statusCode == 200 then
        assert.are.equal(1, counts[id])
      else
        assert.are.equal(Verdict.INTERRUPTED, result.reasonPhrase)
        assert.is_true((counts[id] or 0) <= 1)
      end
    end
  end)

  -- The second kill comes while the handler still loads, which it does for as long as the gate
  -- is shut: what is to be resumed is durable as such, and nothing of it has begun.
  local function assert_resumed_after_two_kills(kind, make, what, is_reboot)
    local gate = world.folder_for "gate" .. "/open"
    local function open_gate()
      world.folder.write(gate, "")
    end
    open_gate()
    local desk, effects, machine = scene("mqtt", {
      [kind] = function(e) return ("while not io.open(%q) do end\n"):format(gate) .. make(e) end })
    machine:start(desk.agent):await_connected()
    local id = desk:invoke(kind)
    await_effect(effects, what, id)
    kill(desk)
    if is_reboot then
      machine:reboot()
    end
    assert(os.remove(gate))
    machine:start(desk.agent):await_log "queued to be resumed"
    loop.watch(0.2)
    kill(desk)
    open_gate()
    machine:start(desk.agent)
    loop.await("its result, or a second effect of run", function()
      return desk:result(kind, id) or effects:count(what)[id] > 1
    end, 20)
    assert.are.same({ [id] = 1 }, (effects:count(what)), "how often run had its effect")
    assert.are.equal(200, desk:result(kind, id).statusCode)
  end

  together("is resumed, not run again, where the agent is killed before its resume began", function()
    assert_resumed_after_two_kills("reboot", function(e) return waits(e, "reboot", 900) end, "run",
      true)
  end)

  together("is resumed from its checkpoint, not run again, after two kills", function()
    assert_resumed_after_two_kills("steps", function(e)
      return (e:steps():gsub("kaa.sleep%(0.02%)", "kaa.sleep(20)"))
    end, "steps-mid", false)
  end)

  together:play()
end)
