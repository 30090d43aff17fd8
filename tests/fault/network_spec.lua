-- The network's bad days, over both transports at once: everything that was invoked is
-- answered and every sample arrives, in order.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local Desk = require "support.desk"
local Effects = require "support.effects"
local loop = require "support.loop"
local soak = require "support.soak"
local Together = require "support.together"
local uv = require "luv"
local world = require "support.world"

local AWAY_S = soak.choose(8, 60)
local FLAPPING_S = soak.choose(5, 60)
local ALL_WITHIN_S = 60

local ECHO = "return function(c) return 200, 'OK', c.payload end"

-- A result that the relay cuts the connection over, and others.
local MIXED = [[return function(c)
  return 200, "OK", type(c.payload) == "table" and "POISON" or "harmless"
end]]

-- Samples 1, 2, 3 … for as long as the worker lives, which is all the time.
local SAMPLER = [[
local n = 0
return { every_s = 0.1, tick = function()
  n = n + 1
  kaa.telemetry { n = n }
end }]]

local function desks(more)
  local list = {}
  for _, wire in ipairs(world.WIRES) do
    local effects = Effects.create(world.folder_for "effects")
    local handlers = { quick = effects:quick(), slow = effects:slow("slow", 0.02) }
    for name, source in pairs(more or {}) do
      handlers[name] = source
    end
    local desk = Desk.create { wire = wire, handlers = handlers }
    desk.effects = effects
    list[#list + 1] = desk
  end
  for _, desk in ipairs(list) do
    desk:start()
  end
  return list
end

-- Invokes on each desk about every 50 ms for a while; each second calls `each_s`.
local function stream(list, seconds, each_s)
  local timer, second = uv.new_timer(), 0
  timer:start(0, 50, function()
    for _, desk in ipairs(list) do
      desk:invoke("quick", tostring(desk.last_id))
      desk:invoke "slow"
    end
  end)
  local began_ms = loop.now_ms()
  loop.watch(seconds, function()
    if each_s and loop.now_ms() - began_ms > second * 1000 then
      second = second + 1
      each_s(second)
    end
  end)
  timer:close()
end

local function assert_ascending(values, what)
  for i = 2, #values do
    assert.is_true(values[i - 1] < values[i],
      ("%s: %s came before %s"):format(what, values[i - 1], values[i]))
  end
end

-- `is_orderly`: nothing made a result suspect of costing the connection; those go last.
local function assert_all_arrived(desk, is_orderly)
  for _, kind in ipairs { "quick", "slow" } do
    local counts = desk.effects:count(kind)
    for _, id in ipairs(desk.ids[kind]) do
      local result = desk:result(kind, id)
      assert.are.equal(200, result.statusCode, result.reasonPhrase)
      assert.are.equal(1, counts[id], ("effects of %s %d over %s"):format(kind, id, desk.wire))
    end
    if is_orderly then
      assert_ascending(desk:order_of(kind), kind .. " over " .. desk.wire)
    end
  end
  assert.are.same({}, desk.platform.unexpected)
end

-- Waits for the samples that the handler has made by now: 1 … n, in order.
local function assert_all_samples(desk)
  local from = #desk:samples "n"
  loop.await("further samples over " .. desk.wire, function()
    return #desk:samples "n" >= from + 20
  end, ALL_WITHIN_S)
  local values = desk:samples "n"
  assert_ascending(values, "samples over " .. desk.wire)
  assert.are.equal(#values, values[#values], "samples that did not arrive over " .. desk.wire)
end

describe("over a bad network", function()
  local together = Together.describe(Desk.clear)

  together(("all results and samples arrive, in order, after %d s without the platform"):format(AWAY_S),
    function()
      local list = desks { sampler = SAMPLER }
      stream(list, 1)
      for _, desk in ipairs(list) do
        desk.relay:set "away"
      end
      stream(list, AWAY_S)
      for _, desk in ipairs(list) do
        desk.relay:set "pass"
      end
      stream(list, 1)
      for _, desk in ipairs(list) do
        desk:await_answered(ALL_WITHIN_S)
        assert_all_arrived(desk, true)
        assert_all_samples(desk)
      end
    end)

  together(("all results and samples arrive while it is cut each second for %d s"):format(FLAPPING_S),
    function()
      local list = desks { sampler = SAMPLER }
      stream(list, FLAPPING_S, function()
        for _, desk in ipairs(list) do
          desk.relay:cut()
        end
      end)
      for _, desk in ipairs(list) do
        desk:await_answered(ALL_WITHIN_S)
        assert_all_arrived(desk)
        assert_all_samples(desk)
      end
    end)

  together("a platform that hangs without closing is left, and all arrives", function()
    local list = desks()
    stream(list, 0.5)
    for _, desk in ipairs(list) do
      desk.relay:set "hang"
    end
    stream(list, soak.choose(2, 30))
    loop.await("the agent over MQTT to notice", function()
      return list[1].agent:log():find "warn%s+mqtt%s+disconnected"
    end, 30)
    for _, desk in ipairs(list) do
      desk.relay:set "pass" -- what hung is not mended: its bytes are gone
    end
    stream(list, 0.5)
    for _, desk in ipairs(list) do
      desk:await_answered(ALL_WITHIN_S)
      assert_all_arrived(desk)
    end
  end)

  together("what was on the way for long arrives late, and does no harm", function()
    local list = desks()
    stream(list, 0.5)
    for _, desk in ipairs(list) do
      desk.relay:set "freeze"
    end
    stream(list, soak.choose(12, 90))
    for _, desk in ipairs(list) do
      desk.relay:set "pass"
    end
    stream(list, 0.5)
    for _, desk in ipairs(list) do
      desk:await_answered(ALL_WITHIN_S)
      assert_all_arrived(desk)
    end
  end)

  together("half a message and then nothing runs nothing twice, and all arrives", function()
    local list = desks { echo = ECHO }
    for _, desk in ipairs(list) do
      desk:invoke("echo", '"before"')
      desk:await_answered()
      desk.relay.half_text = "in the middle"
      desk:invoke("echo", '"in the middle of it"')
    end
    for _, desk in ipairs(list) do
      loop.await("half a message to be sent", function() return desk.relay.halves == 1 end)
    end
    stream(list, 0.5)
    for _, desk in ipairs(list) do
      desk:await_answered(ALL_WITHIN_S)
      assert_all_arrived(desk)
      assert.are.equal("in the middle of it", desk:result("echo", 2).payload)
    end
  end)

  together("a result that costs the connection keeps no other back, and arrives once it can", function()
    local list = desks { mixed = MIXED }
    for _, desk in ipairs(list) do
      desk.relay.cut_text = "POISON"
      desk.poison = desk:invoke("mixed", '{"is_poison":true}')
    end
    loop.await("it to have cost three connections", function()
      return list[1].relay.cuts >= 3 and list[2].relay.cuts >= 1
    end, 40)
    for _, desk in ipairs(list) do
      for _ = 1, 5 do
        desk:invoke "mixed"
        desk:invoke "quick"
        desk:invoke "slow"
      end
    end
    for _, desk in ipairs(list) do
      loop.await("all results but the one, over " .. desk.wire, function()
        return #desk:unanswered() == 1
      end, 40)
      assert.is_nil(desk:result("mixed", desk.poison))
      desk.relay.cut_text = nil
    end
    -- It goes again after a minute of connection, or in another process.
    for _, desk in ipairs(soak.choose(list, {})) do
      desk.agent:stop()
      desk:start()
    end
    for _, desk in ipairs(list) do
      desk:await_answered(soak.choose(20, 150))
      assert.are.equal("POISON", desk:result("mixed", desk.poison).payload)
    end
  end)

  together("over HTTP the results of a type go one message after the other", function()
    local desk = Desk.create { wire = "http", handlers = { echo = ECHO } }
    local under_way, most = 0, 0
    desk.platform.fault = function(request)
      if not request.is_result then
        return false
      end
      under_way = under_way + 1
      most = math.max(most, under_way)
      local reply = request.reply
      request.reply = function(_, ...)
        local answer, timer = table.pack(...), uv.new_timer()
        timer:start(150, 0, function()
          timer:close()
          under_way = under_way - 1
          reply(request, table.unpack(answer, 1, answer.n))
        end)
      end
      return false
    end
    desk:start()
    for _ = 1, 30 do
      desk:invoke "echo"
      loop.watch(0.02)
    end
    desk:await_answered(ALL_WITHIN_S)
    assert.are.equal(1, most, "result messages of one type at the same time")
    assert_ascending(desk:order_of "echo", "echo over HTTP")
  end)

  together:play()
end)
