-- SIGKILL at the n-th system call of each kind that the host's life hangs on: strace
-- injects it as the call begins. Ten commands of two types, their first result message
-- not confirmed; then a start without strace, and the same checks as after the kill loop.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local Effects = require "support.effects"
local Lineup = require "support.lineup"
local soak = require "support.soak"
local traced = require "support.traced"
local Verdict = require "support.verdict"
local world = require "support.world"

-- What the journal's thread, libmosquitto's and the loop (write), and libcurl's helper
-- (sendto) call.
local CALLS = {
  mqtt = { "fdatasync", "pwrite64", "write" },
  http = { "fdatasync", "pwrite64", "write", "sendto" },
}
local POINTS = soak.choose(5, 80) -- of each kind
local AT_ONCE = 5

-- One run with no fault: how often the busiest thread makes each call.
local function count_calls(lineup, calls)
  local run, counts = lineup:run(), {}
  traced.start(run.agent, { calls = table.concat(calls, ","), output = run.trace })
  lineup:await_first_lives { run }
  for _, name in ipairs(calls) do
    counts[name] = traced.count_most(run.trace, name)
    assert(counts[name] > 0, "the scenario makes no call of " .. name)
  end
  return counts, run
end

-- All points, {call, n}: evenly over the calls, and again where there are fewer calls.
local function choose_points(calls, counts)
  local points = {}
  for _, call in ipairs(calls) do
    for i = 1, POINTS do
      local n = math.ceil(i * counts[call] / POINTS)
      if counts[call] < POINTS then
        n = (i - 1) % counts[call] + 1
      end
      points[#points + 1] = { call = call, n = n }
    end
  end
  return points
end

local function play(lineup, points, first)
  local runs = {}
  for i = first, math.min(first + AT_ONCE - 1, #points) do
    local run = lineup:run()
    run.at, run.point = points[i], ("%s %d"):format(points[i].call, points[i].n)
    runs[#runs + 1] = run
    traced.start(run.agent, { calls = points[i].call, output = run.trace,
      inject = ("%s:signal=SIGKILL:when=%d"):format(points[i].call, points[i].n) })
  end
  lineup:await_first_lives(runs)
  local reached = 0
  for _, run in ipairs(runs) do
    local at = run.at
    reached = reached + (traced.count_most(run.trace, at.call) >= at.n and 1 or 0)
    Lineup.start_again(run)
  end
  return runs, reached
end

for _, wire in ipairs(world.WIRES) do
  describe("an agent that is killed at a system call over " .. wire, function()
    after_each(world.clear)

    local why = soak.obstacle { root = true, programs = { traced.STRACE } }
    if why then
      pending("is judged: " .. why)
      return
    end

    it("runs nothing twice and answers everything", function()
      local effects = Effects.create(world.folder_for "effects")
      local lineup = Lineup.create(wire, effects)
      local calls = CALLS[wire]
      local counts, first = count_calls(lineup, calls)
      local points, verdict, kills = choose_points(calls, counts), Verdict.create(effects), 0
      local of_kind = {}
      Lineup.judge(first, verdict, of_kind)
      for i = 1, #points, AT_ONCE do
        local runs, reached = play(lineup, points, i)
        kills = kills + reached
        lineup:finish(runs, verdict, of_kind)
      end
      for kind, all in pairs(of_kind) do
        verdict:judge(kind, all.ids, all.results)
      end
      local made = {}
      for _, call in ipairs(calls) do
        made[#made + 1] = ("%d %s"):format(counts[call], call)
      end
      verdict:assert_good {
        what = ("kill matrix over %s, %d points of %s"):format(wire, #points,
          table.concat(made, ", ")),
        kills = kills, workers = 2,
      }
      assert.is_true(kills >= #points / 2, "most points were not reached")
    end)
  end)
end
