-- Somebody invokes all the time, confirmations are dropped, deliveries doubled, and the
-- agent is killed at random moments and started again at once on what it left.
-- Afterwards every command is answered, and no handler's effect came twice.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local Effects = require "support.effects"
local loop = require "support.loop"
local Scene = require "support.scene"
local soak = require "support.soak"
local Verdict = require "support.verdict"
local world = require "support.world"

local KILLS = soak.choose(15, 500)
local SETTLED_WITHIN_S = soak.choose(60, 300)
local SWITCHES = { confirm_drop_every = 7, deliver_twice_every = 5, reserialise_every = 3,
  replay_on_connect = true }
local KINDS = { "quick", "slow", "steps", "again", "beside" }
local WEIGHTS = { quick = 5, slow = 1, steps = 3, again = 2, beside = 4 }
local WORKERS = 4 -- of beside; the others have one

local function choose(weights)
  local sum = 0
  for _, kind in ipairs(KINDS) do
    sum = sum + weights[kind]
  end
  local at = math.random() * sum
  for _, kind in ipairs(KINDS) do
    at = at - weights[kind]
    if at <= 0 then
      return kind
    end
  end
  return KINDS[#KINDS]
end

-- From its start to the kill: at times before it stands, mostly while it works.
local function life_ms()
  return math.random() < 0.3 and math.random(0, 80) or math.random(80, 600)
end

local function victim()
  local chance = math.random()
  return chance < 0.65 and "host" or chance < 0.85 and "all" or "worker"
end

-- Invokes until the agent's life is over; a dozen commands a burst.
local function invoke_until(scene, ends_ms)
  while loop.now_ms() < ends_ms do
    for _ = 1, math.random(0, 4) do
      scene:invoke(choose(WEIGHTS), ('{"n":%d,"at":{"a":1.0,"b":[1,2]}}'):format(math.random(100)))
    end
    loop.watch(math.random(5, 40) / 1000)
  end
end

local function kill_often(scene)
  while scene.kills < KILLS do
    invoke_until(scene, loop.now_ms() + life_ms())
    local who = victim()
    scene:kill(who)
    if who ~= "worker" then
      scene:start()
    end
  end
end

-- Once more from what is on the disk: nothing that was answered may run again.
local function restart_settled(scene)
  scene.agent:stop()
  local mark = scene:start():mark()
  scene.agent:await_connected(mark)
  scene:invoke "quick"
  scene:await_settled()
end

for _, wire in ipairs(world.WIRES) do
  describe("an agent that is killed at random over " .. wire, function()
    after_each(Scene.clear)

    it(("runs nothing twice and answers everything, after %d kills"):format(KILLS), function()
      local effects = Effects.create(world.folder_for "effects")
      local scene = Scene.create { wire = wire, switches = SWITCHES, handlers = {
        quick = effects:quick(), slow = effects:slow("slow", 0.05), steps = effects:steps(),
        again = effects:again(), beside = effects:beside("beside", WORKERS),
      } }
      scene:start()
      kill_often(scene)
      scene:await_settled(SETTLED_WITHIN_S)
      restart_settled(scene)
      local verdict = Verdict.create(effects)
      for _, kind in ipairs(KINDS) do
        verdict:judge(kind, scene.ids[kind] or {}, scene:results(kind))
      end
      verdict:assert_good {
        what = ("kill loop over %s, seed %d"):format(wire, soak.seed),
        kills = scene.kills, workers = #KINDS - 1 + WORKERS,
      }
    end)
  end)
end
