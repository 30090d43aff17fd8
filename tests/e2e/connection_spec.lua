-- The connection's bad days: a broker that is not there, comes back, cuts or hangs.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local ECHO = "return function(c) return 200, 'OK', c.payload end"
local COUNT = "local n = 0; return function() n = n + 1; return 200, 'OK', n end"
local SLEEP = "return function(c) print 'begun' kaa.sleep(c.payload) return 200, 'woke' end"

local function count_lines(text, pattern)
  local count = 0
  for line in text:gmatch "[^\n]+" do
    count = count + (line:find(pattern) and 1 or 0)
  end
  return count
end

local function url(port)
  return "mqtt://127.0.0.1:" .. port
end

describe("the agent", function()
  after_each(world.clear)

  it("waits for a broker that is not there, and says so once", function()
    local broker = world.broker { later = true }
    local agent = world.agent { url = url(broker.port), handlers = { echo = ECHO } }
    agent:start()
    agent:await_log "mqtt.*refused"
    world.loop.watch(3.5) -- time for two further attempts
    assert.are.equal(1, count_lines(agent:log(), "%smqtt%s"), agent:log())
    broker:start()
    local platform = world.platform(broker.port)
    agent:await_connected(1, 12)
    assert.are.equal(1, platform:call("echo", 1, "1").payload)
  end)

  it("comes back after a broker that was restarted", function()
    local agent, platform, broker = world.connected { handlers = { count = COUNT, echo = ECHO } }
    assert.are.equal(1, platform:call("count", 1).payload)
    local mark = agent:mark()
    broker:restart()
    local again = world.platform(broker.port)
    agent:await_connected(mark)
    assert.are.equal(1, count_lines(agent:log():sub(mark), agent.CONNECTED))
    again:await_request("echo", 0, 15)
    assert.are.equal(2, again:call("count", 2).payload)
  end)

  it("sends again what was cut in the middle, and runs nothing twice", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local proxy = world.proxy(broker.port)
    local agent = world.agent { url = url(proxy.port), handlers = { count = COUNT } }
    agent:start():await_connected()
    proxy:cut_at "/result/count/"
    platform:command("count", 1)
    assert.are.equal(1, platform:await_result("count", 1, 15).payload)
    assert.are.equal(1, proxy.cuts)
    assert.are.equal(2, platform:call("count", 2).payload)
  end)

  it("sends again what nobody confirmed, on a new connection", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local proxy = world.proxy(broker.port)
    local agent = world.agent { url = url(proxy.port), handlers = { count = COUNT } }
    agent:start():await_connected()
    platform.confirms = false
    platform:call("count", 1)
    platform.confirms = true
    proxy:cut()
    world.loop.await("the result once more", function()
      return #platform:results_of("count", 1) == 2
    end, 15)
    local first, second = table.unpack(platform:results_of("count", 1))
    assert.are.equal(first.payload, second.payload)
    assert.are.equal(2, platform:call("count", 2).payload)
  end)

  it("finishes what runs while the connection is away", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local proxy = world.proxy(broker.port)
    local agent = world.agent { url = url(proxy.port), handlers = { sleep = SLEEP } }
    agent:start():await_connected()
    platform:command("sleep", 1, "1.5")
    agent:await_log "sleep%s+begun"
    local mark = agent:mark()
    proxy:cut()
    agent:await_connected(mark)
    assert.are.equal("woke", platform:await_result("sleep", 1).reasonPhrase)
    assert.are.equal(1, #platform:results_of("sleep", 1))
  end)

  it("notices a connection that hangs without being closed", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local proxy = world.proxy(broker.port)
    local agent = world.agent {
      url = url(proxy.port),
      config = "return { keepalive_s = 5 }",
      handlers = { count = COUNT },
    }
    agent:start():await_connected()
    local mark = agent:mark()
    proxy:hang()
    agent:await_log("mqtt.*", mark, 20)
    proxy:recover()
    agent:await_connected(mark, 40)
    assert.are.equal(1, platform:call("count", 1).payload)
  end)

  it("works over a line of 300 ms", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local proxy = world.proxy(broker.port)
    proxy.delay_ms = 150
    local agent = world.agent { url = url(proxy.port), handlers = { echo = ECHO } }
    agent:start():await_connected()
    local started = world.loop.now_ms()
    for id = 1, 100 do
      platform:command("echo", id, tostring(id))
    end
    for id = 1, 100 do
      assert.are.equal(id, platform:await_result("echo", id).payload)
    end
    assert.is_true(world.loop.now_ms() - started < 5000)
  end)

  it("says what answers where it is no broker, and tries again", function()
    local uv = require "luv"
    local server = uv.new_tcp()
    server:bind("127.0.0.1", 0)
    local met = 0
    server:listen(8, function()
      local client = uv.new_tcp()
      server:accept(client)
      met = met + 1
      client:write("HTTP/1.1 400 Bad Request\r\n\r\n", function() client:close() end)
    end)
    local agent = world.agent { url = url(server:getsockname().port), handlers = {} }
    agent:start()
    agent:await_log "mqtt.*broker"
    world.loop.await("a second attempt", function() return met >= 2 end, 10)
    server:close()
    assert.is_nil(agent.process.ended)
  end)
end)

describe("stopping", function()
  after_each(world.clear)

  for _, signal in ipairs { "sigterm", "sigint" } do
    it("by " .. signal:upper() .. " lets what runs end and reports it", function()
      local agent, platform = world.connected { handlers = { sleep = SLEEP } }
      platform:command("sleep", 1, "1")
      agent:await_log "sleep%s+begun"
      agent.process:kill(signal)
      assert.are.same({ code = 0, signal = 0 }, agent.process:await_end(10))
      assert.are.equal("woke", platform:await_result("sleep", 1).reasonPhrase)
      assert.are.same({}, agent:workers())
    end)
  end

  it("ends after ten seconds what does not end, as interrupted", function()
    local agent, platform = world.connected { handlers = { sleep = SLEEP } }
    platform:command("sleep", 1, "25")
    agent:await_log "sleep%s+begun"
    local started = world.loop.now_ms()
    agent.process:kill "sigterm"
    assert.are.equal(0, agent.process:await_end(20).code)
    local took_ms = world.loop.now_ms() - started
    assert.is_true(took_ms > 9000 and took_ms < 15000, ("took %.0f ms"):format(took_ms))
    local result = platform:await_result("sleep", 1)
    assert.are.equal(500, result.statusCode)
    assert.are.equal("Interrupted: the outcome is unknown", result.reasonPhrase)
  end)

  it("a second signal does not end it any worse", function()
    local agent, platform = world.connected { handlers = { sleep = SLEEP } }
    platform:command("sleep", 1, "1")
    agent:await_log "sleep%s+begun"
    agent.process:kill "sigterm"
    agent.process:kill "sigterm"
    assert.are.equal(0, agent.process:await_end(15).signal)
  end)

  local function stops_within(seconds, agent)
    local started = world.loop.now_ms()
    agent.process:kill "sigterm"
    assert.are.same({ code = 0, signal = 0 }, agent.process:await_end(seconds + 10))
    local took_ms = world.loop.now_ms() - started
    assert.is_true(took_ms < seconds * 1000, ("took %.0f ms"):format(took_ms))
  end

  it("works where the broker was never there", function()
    local broker = world.broker { later = true }
    local agent = world.agent { url = url(broker.port), handlers = { echo = ECHO } }
    agent:start():await_log "mqtt.*refused"
    stops_within(3, agent)
  end)

  it("works where the broker has gone", function()
    local agent, _, broker = world.connected { handlers = { echo = ECHO } }
    local mark = agent:mark()
    broker:crash()
    agent:await_log("mqtt", mark)
    stops_within(3, agent)
  end)

  it("works where the broker hangs, connected or not", function()
    local agent, platform, broker = world.connected { handlers = { echo = ECHO } }
    platform:call("echo", 1)
    broker:hang()
    stops_within(12, agent)
    local second = world.agent { url = url(broker.port), handlers = { echo = ECHO } }
    second:start()
    world.loop.watch(1)
    stops_within(12, second)
    broker:wake()
  end)

  it("works before anything was connected, at once after the start", function()
    local broker = world.broker()
    local agent = world.agent { url = url(broker.port), handlers = { echo = ECHO } }
    agent:start():await_log "."
    stops_within(5, agent)
  end)
end)
