-- 1/KP and 11/CEP over both transports: how commands arrive and how results leave.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local ECHO = "return function(c) return 200, 'OK', c.payload end"
local COUNT = "local n = 0; return function() n = n + 1; return 200, 'OK', n end"

local function tests_over(wire)
  local function connected(options)
    options.wire = wire
    return world.connected(options)
  end

  after_each(world.clear)

  it("a push is answered with exactly its id and payload", function()
    local _, platform = connected { handlers = { echo = ECHO } }
    local payload = '{"n":1732290000123456,"e":[],"o":{},"z":null}'
    platform:push("echo", '[{"id":9007199254740993,"payload":' .. payload .. "}]")
    local result = world.loop.await("a result", function() return platform.results[1] end)
    local id, status, answer =
      result.raw:match '^%[{"id":(%d+),"statusCode":(%d+),.*"payload":({.*})}%]$'
    assert.are.equal("9007199254740993", id)
    assert.are.equal("200", status)
    for member in payload:gmatch '"%l":[^,}]+}?' do
      assert.is_truthy(answer:find(member:gsub("}$", ""), 1, true), member .. " in " .. answer)
    end
    assert.are.equal(#payload, #answer)
    assert.is_true(wire == "http" or result.request_id >= 1 and result.request_id <= 2147483647)
    assert.are.same({}, platform.unexpected)
  end)

  it("values come back as they went in", function()
    local _, platform = connected { handlers = { echo = ECHO } }
    local values = {
      "0", "-0.0", "3.0", "0.1", "1e+300", "9223372036854775807", "-9223372036854775808", "false",
      "true", "null", '""', "[]", "{}", "[[],{}]", '"\\u0000a\\"\\\\"', '"äöü€😀"',
      "[1,2,3]", "[null]", '{"a":[0]}',
    }
    for id, value in ipairs(values) do
      platform:command("echo", id, value)
    end
    for id, value in ipairs(values) do
      local raw = platform:await_result("echo", id).raw
      local wanted = ('"id":%d,"statusCode":200,"reasonPhrase":"OK","payload":%s}')
        :format(id, value)
      assert.is_truthy(raw:find(wanted, 1, true), wanted .. " in " .. raw)
    end
  end)

  it("an absent payload is not null", function()
    local _, platform = connected {
      handlers = { kind = "return function(c) return 200, 'OK', tostring(c.payload == nil) end" },
    }
    assert.are.equal("true", platform:call("kind", 1).payload)
    assert.are.equal("false", platform:call("kind", 2, "null").payload)
  end)

  it("each element of a batch is answered, once, in order", function()
    local _, platform = connected { handlers = { count = COUNT } }
    platform:push("count", ' [ {"id":11} , {"id":12,"payload":"],["},{"id":13} ]\n')
    assert.are.equal(3, platform:await_result("count", 13).payload)
    for id = 11, 13 do
      local results = platform:results_of("count", id)
      assert.are.equal(1, #results)
      assert.are.equal(id - 10, results[1].payload)
    end
  end)

  it("a repeat is answered from what is stored and not run again", function()
    local _, platform = connected { handlers = { count = COUNT } }
    assert.are.equal(1, platform:call("count", 1, '{"a":1,"b":null}').payload)
    assert.are.equal(2, platform:call("count", 2).payload) -- the first is confirmed by now
    platform:command("count", 1, '{"b":null,"a":1.0}')
    world.loop.await("the stored answer", function()
      return #platform:results_of("count", 1) == 2
    end)
    assert.are.equal(1, platform:results_of("count", 1)[2].payload)
    assert.are.equal(3, platform:call("count", 3).payload)
  end)

  it("the same id with another payload is a new command", function()
    local _, platform = connected { handlers = { count = COUNT } }
    platform:call("count", 1, "1")
    platform:call("count", 2) -- by now the first one's confirmation was taken
    platform:command("count", 1, "2")
    world.loop.await("a second result", function()
      return #platform:results_of("count", 1) == 2
    end)
    assert.are.equal(3, platform:results_of("count", 1)[2].payload)
  end)

  it("the same id is another command for another type and another endpoint", function()
    local agent, platform = connected {
      token = false,
      config = 'return { tokens = { "T1", "T2" } }',
      handlers = {
        who = "return function(c) return 200, c.type, { c.endpoint, kaa.endpoint } end",
        who2 = "return function(c) return 200, c.type, { c.endpoint, kaa.endpoint } end",
      },
    }
    for _, token in ipairs { "T1", "T2" } do
      for _, kind in ipairs { "who", "who2" } do
        platform:command(kind, 7, nil, token)
        local result = platform:await_result(kind, 7, nil, token)
        assert.are.equal(kind, result.reasonPhrase)
        assert.are.same({ token, token }, result.payload)
      end
    end
    assert.is_falsy(agent:log():find("PANIC", 1, true))
  end)

  it("a refused array is sent again one by one, and a final refusal ends it", function()
    local _, platform = connected {
      handlers = { slow = "return function() kaa.sleep(0.3) return 200 end", count = COUNT },
    }
    platform.judge = function(elements)
      return (#elements > 1 or elements[1].id == 2) and 404 or nil
    end
    platform:push("count", '[{"id":1},{"id":2},{"id":3}]')
    world.loop.await("each result alone", function()
      local alone = {}
      for _, result in ipairs(platform.results) do
        if result.raw:find '^%[{"id":%d+,[^%]]*}%]$' and not result.raw:find '},{"id"' then
          alone[result.id] = true
        end
      end
      return alone[1] and alone[2] and alone[3]
    end, 20)
    local before = #platform:results_of("count", 2)
    assert.are.equal(200, platform:call("slow", 1).statusCode)
    assert.are.equal(before, #platform:results_of("count", 2))
  end)

  it("samples go out as an array under dcx", function()
    local _, platform = connected {
      handlers = {
        one = "return function() kaa.telemetry { fuelLevel = 0, e = kaa.array {} } end",
        many = "return function() kaa.telemetry { { a = 1 }, { a = 2 } } end",
      },
    }
    platform:call("one", 1)
    local message = world.loop.await("a sample", function() return platform.telemetry[1] end)
    assert.are.equal(0, message.samples[1].fuelLevel)
    assert.is_truthy(message.body:find('"e":[]', 1, true))
    platform:call("many", 1)
    world.loop.await("two samples", function()
      return (platform.telemetry[2] or {}).body and #platform.telemetry[2].samples == 2
    end)
  end)
end

for _, wire in ipairs(world.WIRES) do
  describe("on the wire over " .. wire, function()
    tests_over(wire)
  end)
end

describe("over MQTT", function()
  after_each(world.clear)

  it("each type is asked for, and the reply's commands are run", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    platform.deliver.echo = '[{"id":5,"payload":"kept"},{"id":6}]'
    world.agent({
      url = "mqtt://127.0.0.1:" .. broker.port,
      handlers = { echo = ECHO, count = COUNT },
    }):start()
    local request = platform:await_request "echo"
    assert.are.equal('{"observe":true}', (request.body:gsub("%s", "")))
    assert.is_true(request.request_id >= 1)
    assert.are.equal("kept", platform:await_result("echo", 5).payload)
    assert.are.equal(200, platform:await_result("echo", 6).statusCode)
    platform:await_request "count"
    assert.are.equal(0, #platform:results_of("count", 1))
  end)

  it("a type without a handler is answered 501, a similar one is not run", function()
    local _, platform = world.connected { handlers = { RESET = COUNT } }
    for id, kind in ipairs { "RESET_ALL", "RESE", "reset", "lib" } do
      local result = platform:call(kind, id)
      assert.are.equal(501, result.statusCode)
      assert.are.equal("No handler for " .. kind, result.reasonPhrase)
    end
    assert.are.equal(1, platform:call("RESET", 9).payload)
  end)

  it("retained messages and foreign topics run nothing", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local push = "kp1/demo-v1/cex/T1/command/count/status"
    platform:publish(push, '[{"id":1}]', { retain = true })
    local agent = world.agent {
      url = "mqtt://127.0.0.1:" .. broker.port,
      handlers = { count = COUNT },
    }
    agent:start():await_connected()
    platform:publish("kp1/demo-v1/cex/T1/command/count", '[{"id":2}]')
    platform:publish("kp1/demo-v1/cex/T1/command/count/7", '[{"id":3}]')
    platform:publish("kp1/demo-v1/cex/T1/command/count/status/status", '[{"id":4}]')
    platform:publish("kp1/demo-v1/cex/T2/command/count/status", '[{"id":5}]')
    platform:publish("kp1/demo-v2/cex/T1/command/count/status", '[{"id":6}]')
    assert.are.equal(1, platform:call("count", 7).payload)
  end)
end)
