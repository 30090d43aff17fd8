-- The disk's bad days: full, read-only, and a write-back that fails. Commands wait with the
-- platform, or the agent ends with 75; what was done is reported, and nothing runs twice.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local Desk = require "support.desk"
local Effects = require "support.effects"
local folder = require "support.folder"
local Lineup = require "support.lineup"
local loop = require "support.loop"
local Machine = require "support.machine"
local soak = require "support.soak"
local traced = require "support.traced"
local Verdict = require "support.verdict"
local world = require "support.world"

local TRY_AGAIN = 75

local function scene(wire, options, config)
  local effects = Effects.create(world.folder_for "effects")
  local desk = Desk.create { wire = wire, config = config, handlers = {
    quick = effects:quick(), slow = effects:slow("slow", 0.2),
  } }
  return desk, effects, Machine.create(desk.agent, options)
end

local function assert_each_once(desk, effects, kind)
  local counts = effects:count(kind)
  for _, id in ipairs(desk.ids[kind]) do
    local result = desk:result(kind, id)
    assert.are.equal(200, result.statusCode, result.reasonPhrase)
    assert.are.equal(1, counts[id], ("effects of %s %d"):format(kind, id))
  end
end

local function kill(desk)
  desk.agent.process:kill "sigkill"
  desk.agent.process:await_end()
end

describe("a state on a small file system", function()
  after_each(Desk.clear)

  local why = soak.obstacle { root = true, programs = Machine.PROGRAMS }
  if why then
    pending("is survived: " .. why)
    return
  end

  for _, wire in ipairs(world.WIRES) do
    it("that is full: commands wait, what was accepted is answered, over " .. wire, function()
      local desk, effects, machine = scene(wire, { state = "tmpfs", size = "10m" })
      machine:start(desk.agent):await_connected()
      desk:invoke "quick"
      desk:await_answered()
      for _ = 1, 8 do
        desk:invoke "slow"
      end
      desk:await_result("slow", desk.ids.slow[2]) -- all eight are accepted by now
      machine:fill()
      loop.await("all that was accepted to be answered", function()
        return #desk:unanswered() == 0
      end, 20)
      assert_each_once(desk, effects, "slow")

      -- Some still fit; once one is left, all are.
      local before = desk.last_id
      loop.await("the journal to be full", function()
        desk:invoke("quick", ('"%s"'):format(("x"):rep(2000)))
        return desk.agent:log():find "journal%s+the disk is full"
      end, 20)
      local left = desk:invoke "quick"
      loop.watch(1.5, function() return desk:result("quick", left) end)
      assert.is_nil(desk:result("quick", left), "accepted on a full disk")
      assert.is_nil(effects:count("quick")[left], "run on a full disk")
      assert.is_nil(desk.agent.process.ended)
      machine:free()
      desk:await_answered(30)
      assert_each_once(desk, effects, "quick")
      assert.is_true(desk.last_id > before)
    end)
  end

  it("that is full when the agent is killed: it starts, reports, and goes on later", function()
    local desk, effects, machine = scene("mqtt", { state = "tmpfs", size = "10m" })
    machine:start(desk.agent):await_connected()
    desk.platform.confirms = false
    for _ = 1, 3 do
      desk:invoke "quick"
    end
    desk:await_answered()
    kill(desk)
    machine:fill()
    desk.first = {}
    desk.platform.confirms = true
    machine:start(desk.agent)
    desk:await_answered(20)
    desk.agent:await_log "journal%s+the disk is full: .* until 4096 kB are free, %d?%d?%d?%d kB are$"
    machine:free()
    desk:invoke "quick"
    desk:await_answered(30)
    assert_each_once(desk, effects, "quick")
  end)

  it("that has little more room than the ballast takes: commands are run", function()
    local desk, effects, machine = scene("mqtt", { state = "tmpfs", size = "4m" })
    machine:start(desk.agent):await_connected()
    desk:invoke "quick"
    desk:invoke "quick"
    desk:await_answered()
    assert_each_once(desk, effects, "quick")
  end)

  it("that has no room for a worker's marks: what was accepted waits for some", function()
    local desk, effects, machine = scene "mqtt"
    folder.make(desk.agent.state .. "/marks")
    machine:mount("marks", "256k")
    machine:start(desk.agent):await_connected()
    loop.await("no worker to be left", function() return #desk.agent:workers() == 0 end)
    machine:fill "marks"
    for _ = 1, 3 do
      desk:invoke "quick"
    end
    desk.agent:await_log "quick%s+no room on the disk to start a worker: its commands wait"
    local restarted = desk.agent:mark()
    loop.watch(1.5, function() return #desk.order > 0 end)
    assert.are.same({}, desk.order)
    assert.is_nil(desk.agent:log():find("no room", restarted, true), "said again")
    machine:free "marks"
    desk:await_answered()
    assert_each_once(desk, effects, "quick")
    assert.are.same(desk.ids.quick, desk:order_of "quick")
  end)

  it("that is full before a worker starts: the journal gives room, what it took is run", function()
    local desk, effects, machine = scene("mqtt",
      { state = "tmpfs", size = "10m" }, "return { worker_idle_s = 1 }")
    machine:start(desk.agent):await_connected()
    for _ = 1, 100 do -- until the log has been copied, and its blocks are used again
      desk:invoke("quick", ('"%s"'):format(("x"):rep(16000)))
      desk:await_answered()
    end
    loop.await("no worker to be left", function() return #desk.agent:workers() == 0 end)
    machine:fill()
    desk:invoke "quick"
    desk.agent:await_log "quick%s+no room on the disk to start a worker"
    desk.agent:await_log "journal%s+the disk is full"
    desk:await_answered()
    assert_each_once(desk, effects, "quick")
  end)

  it("that gives up while it is used: ends with 75, and nothing is lost or twice", function()
    local desk, effects, machine = scene("mqtt", { state = "ext4", size = "16m" })
    machine:start(desk.agent):await_connected()
    desk:invoke "quick"
    desk:await_answered()
    machine:remount "abort"
    desk.agent.expects_failure = true
    desk:invoke "quick"
    assert.are.equal(TRY_AGAIN, desk.agent.process:await_end().code, desk.agent:log())
    -- Started again, it is read-only: it runs nothing.
    local counts = effects:count "quick"
    machine:start(desk.agent):await_connected()
    desk:invoke "quick"
    loop.watch(1.5)
    assert.are.same(counts, (effects:count "quick"))
    assert.is_truthy(desk.agent:log():find "journal%s+read%-only")
  end)

  it("that is read-only at the start: what was done is reported, nothing runs", function()
    local desk, effects, machine = scene("mqtt", { state = "tmpfs", size = "10m" })
    machine:start(desk.agent):await_connected()
    desk.platform.confirms = false
    local done = { desk:invoke "quick", desk:invoke "quick" }
    desk:await_answered()
    kill(desk)
    machine:remount "ro"
    desk.first, desk.platform.confirms = {}, true
    machine:start(desk.agent):await_connected()
    for _, id in ipairs(done) do
      assert.are.equal(200, desk:await_result("quick", id).statusCode)
    end
    local left = desk:invoke "quick"
    loop.watch(1.5, function() return effects:count("quick")[left] end)
    assert.is_nil(effects:count("quick")[left], "run though nothing can be recorded")
    assert.are.equal(0, desk.agent:stop().code)
    machine:remount "rw"
    machine:start(desk.agent)
    desk:await_answered(20)
    assert_each_once(desk, effects, "quick")
  end)
end)

local POINTS = soak.choose(5, 60)
local AT_ONCE = 5

for _, wire in ipairs(world.WIRES) do
  describe("a write-back that fails over " .. wire, function()
    after_each(world.clear)

    local why = soak.obstacle { root = true, programs = { traced.STRACE } }
    if why then
      pending("ends it with 75: " .. why)
      return
    end

    it("ends it with 75, and what was sent was durable", function()
      local effects = Effects.create(world.folder_for "effects")
      local lineup, verdict, of_kind = Lineup.create(wire, effects), Verdict.create(effects), {}
      local hit = 0
      for first = 1, POINTS, AT_ONCE do
        local runs = {}
        for point = first, math.min(first + AT_ONCE - 1, POINTS) do
          local run = lineup:run()
          run.n = (point - 1) % 15 + 1
          run.point = "EIO at fdatasync " .. run.n
          runs[#runs + 1] = run
          run.agent.expects_failure = true
          traced.start(run.agent, { calls = "fdatasync", output = run.trace,
            inject = ("fdatasync:error=EIO:when=%d"):format(run.n) })
        end
        lineup:await_first_lives(runs)
        for _, run in ipairs(runs) do
          local ended = run.agent.process.ended
          local is_hit = traced.count_most(run.trace, "fdatasync") >= run.n
          hit = hit + (is_hit and 1 or 0)
          if ended.signal ~= 0 or ended.code ~= (is_hit and TRY_AGAIN or 0) then
            verdict:breach("%s (%s): ended with %d, signal %d\n%s", run.point, run.token,
              ended.code, ended.signal, run.agent:log():sub(-1500))
          end
          Lineup.start_again(run)
        end
        lineup:finish(runs, verdict, of_kind)
      end
      for kind, all in pairs(of_kind) do
        verdict:judge(kind, all.ids, all.results)
      end
      verdict:assert_good { what = ("failed fdatasync over %s, %d points"):format(wire, POINTS),
        kills = hit, workers = 2 }
      assert.is_true(hit >= POINTS / 2, "most points were not reached")
    end)
  end)
end
