-- What a handler that loops, leaks, crashes or leaves something behind costs:
-- its own command, and nothing else.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local world = require "support.world"

local ECHO = "return function(c) return 200, 'OK', c.payload end"

-- {source, pattern of the reason}: each has a limit of one second.
local LOOPS = {
  loop = { "return { timeout_s = 1, run = function()\n while true do end end }",
    " at loop%.lua:2$" },
  pcall_loop = {
    "return { timeout_s = 1, run = function()\n while true do pcall(function()"
      .. "\n while true do end end) end end }", " at pcall_loop%.lua:[23]$",
  },
  handler_loop = {
    "return { timeout_s = 1, run = function()"
      .. "\n xpcall(error, function() while true do end end) end }", "",
  },
  coroutine_loop = {
    "local made = coroutine.create(function()\n while true do end end)\n"
      .. "return { timeout_s = 1, run = function() coroutine.resume(made) end }", "",
  },
  find_loop = {
    "return { timeout_s = 1, run = function()"
      .. "\n ('a'):rep(5000):find(('.-'):rep(8) .. 'b') end }", "",
  },
  repeat_loop = {
    "return { timeout_s = 1, run = function()"
      .. "\n table.move({}, 1, math.maxinteger - 1, 2) end }", "",
  },
  close_loop = {
    "return { timeout_s = 1, run = function()\n local x <close> = setmetatable({}, { __close ="
      .. " function() while true do end end }) end }", "",
  },
  memory_loop = {
    "return { timeout_s = 1, memory_mib = 8, run = function()\n while true do pcall(function()"
      .. " local t = {} while true do t[#t + 1] = ('x'):rep(1e5) .. #t end end) end end }", "",
  },
  sleep_long = { "return { timeout_s = 1, run = function()\n kaa.sleep(60) end }", "" },
}

-- {source, pattern of the reason}
local EATERS = {
  strings = {
    "return { memory_mib = 8, run = function()\n local t = {} while true do"
      .. " t[#t + 1] = ('x'):rep(1e5) .. #t end end }",
    "^Out of memory %(limit 8 MiB%) at strings%.lua:2$",
  },
  one_string = {
    "return { memory_mib = 8, run = function()\n return 200, ('x'):rep(1 << 30) end }",
    "^Out of memory %(limit 8 MiB%)",
  },
  its_own = {
    "return { memory_mib = 8, run = function(c)\n error(('x'):rep(1 << 30)) end }",
    "^Out of memory %(limit 8 MiB%)",
  },
}

local function handlers_of(cases)
  local handlers = { echo = ECHO }
  for name, case in pairs(cases) do
    handlers[name] = case[1]
  end
  return handlers
end

local function compare_all(cases, platform, status, deadline_s)
  for name in pairs(cases) do
    platform:command(name, 1)
  end
  assert.are.equal(7, platform:call("echo", 1, "7").payload)
  for name, case in pairs(cases) do
    local result = platform:await_result(name, 1, deadline_s)
    local where = ("%s: %d %s"):format(name, result.statusCode, result.reasonPhrase)
    assert.are.equal(status, result.statusCode, where)
    assert.is_truthy(result.reasonPhrase:find(case[2]), where)
  end
end

describe("a limit", function()
  after_each(world.clear)

  it("of time ends every kind of loop, and its worker is replaced", function()
    local agent, platform = world.connected { handlers = handlers_of(LOOPS) }
    compare_all(LOOPS, platform, 504, 20)
    for _, result in ipairs(platform.results) do
      if result.type ~= "echo" then
        assert.is_truthy(result.reasonPhrase:find "^Timed out after 1 s", result.reasonPhrase)
      end
    end
    agent:save("loop", ECHO)
    world.loop.await("loop to be answered again", function()
      platform:command("loop", 2 + #platform.results, "1")
      return platform.results[#platform.results].payload == 1
    end)
  end)

  it("of time holds within four seconds for a pcall loop of two", function()
    local _, platform = world.connected {
      handlers = {
        stubborn = "return { timeout_s = 2, run = function()\n"
          .. " while true do pcall(function() while true do end end) end end }",
      },
    }
    local started = world.loop.now_ms()
    local result = platform:call("stubborn", 1, nil, 10)
    local took_ms = world.loop.now_ms() - started
    assert.are.equal(504, result.statusCode)
    assert.are.equal("Timed out after 2 s at stubborn.lua:2", result.reasonPhrase)
    assert.is_true(took_ms >= 2000 and took_ms <= 4000, ("took %.0f ms"):format(took_ms))
  end)

  -- What it says is read with pauses: its result is in the pipe for some seconds.
  local FLOOD = [[return { timeout_s = 3, run = function(c)
    kaa.sleep(c.payload.before)
    for i = 1, c.payload.count do kaa.metadata { n = i } end
    print("through", c.id)
    return 200, "OK" end }]]

  local function flood(id, before_s, count)
    return ('{"id":%d,"payload":{"before":%g,"count":%d}}'):format(id, before_s, count)
  end

  it("of time counts for nobody what a flood of words keeps waiting", function()
    local _, platform = world.connected { handlers = { flood = FLOOD } }
    local quick = {}
    for id = 1, 20 do
      quick[id] = flood(id, 0, 0)
    end
    platform:push("flood", "[" .. table.concat(quick, ",") .. "]") -- then several are handed out
    platform:await_result("flood", 20)
    platform:push("flood", ("[%s,%s]"):format(flood(21, 1.4, 400), flood(22, 2.5, 0)))
    for id = 21, 22 do
      assert.are.equal("OK", platform:await_result("flood", id, 20).reasonPhrase)
    end
  end)

  it("is not needed to cancel what has ended, and waits to be read", function()
    local agent, platform = world.connected { handlers = { flood = FLOOD } }
    local began_ms = world.loop.now_ms()
    platform:push("flood", "[" .. flood(1, 0.5, 400) .. "]")
    world.loop.watch(1.5)
    platform:command("kaalua-cancel", 1, '{"type":"flood","id":1}')
    assert.are.equal("flood 1 has ended: 200 OK",
      platform:await_result("kaalua-cancel", 1).reasonPhrase)
    assert.are.equal(200, platform:await_result("flood", 1).statusCode)
    assert.is_true(world.loop.now_ms() - began_ms < 2900)
    agent:await_log "through 1"
  end)

  it("of memory answers with the limit", function()
    local agent, platform = world.connected { handlers = handlers_of(EATERS) }
    compare_all(EATERS, platform, 500, 20)
    assert.is_true(world.process.status(agent.process.pid, "VmRSS") < 100000)
  end)

  it("does not stop other types: a thousand commands beside a sleep of ten seconds", function()
    local _, platform = world.connected {
      handlers = {
        sleeper = "return function() kaa.sleep(10) return 200, 'woke' end",
        echo = ECHO,
      },
    }
    platform:command("sleeper", 1)
    local elements = {}
    for id = 1, 1000 do
      elements[id] = ('{"id":%d,"payload":%d}'):format(id, id)
    end
    -- What the agent has no room for at once it asks for again.
    platform.deliver.echo = function()
      local outstanding = {}
      for id = 1, 1000 do
        if not platform:results_of("echo", id)[1] then
          outstanding[#outstanding + 1] = elements[id]
        end
      end
      return "[" .. table.concat(outstanding, ",") .. "]"
    end
    for first = 1, 1000, 50 do
      platform:push("echo", "[" .. table.concat(elements, ",", first, first + 49) .. "]")
    end
    world.loop.await("a thousand results", function() return #platform.results >= 1000 end, 9)
    assert.are.equal(0, #platform:results_of("sleeper", 1))
    local seen = {}
    for _, result in ipairs(platform.results) do
      assert.are.equal(result.id, result.payload)
      assert.is_nil(seen[result.id])
      seen[result.id] = true
    end
    assert.are.equal("woke", platform:await_result("sleeper", 1, 15).reasonPhrase)
  end)
end)

describe("a worker that ends", function()
  after_each(world.clear)

  local sleeper = "return function(c) if c.payload then return 200, 'OK' end print 'begun'"
    .. " kaa.sleep(20) end"

  for _, signal in ipairs { "sigsegv", "sigkill", "sigabrt" } do
    it("by " .. signal:upper() .. " answers with that and is replaced", function()
      local agent, platform = world.connected { handlers = { sleeper = sleeper } }
      platform:command("sleeper", 1)
      agent:await_log "sleeper%s+begun"
      local pid = agent:await_worker()
      uv.kill(pid, signal)
      local result = platform:await_result("sleeper", 1)
      assert.are.equal(500, result.statusCode)
      if world.Agent.is_sanitized() and signal ~= "sigkill" then
        assert.is_truthy(result.reasonPhrase:find "^Handler ", result.reasonPhrase)
      else
        assert.are.equal("Handler crashed: " .. signal:upper(), result.reasonPhrase)
      end
      assert.are.equal(200, platform:call("sleeper", 2, "1").statusCode)
    end)
  end

  it("three times in a row is in quarantine until its file changes", function()
    local source = "return function(c) if c.payload then return 200, 'OK' end os.exit(7) end"
    local agent, platform = world.connected { handlers = { quits = source, echo = ECHO } }
    for id = 1, 3 do
      local result = platform:call("quits", id)
      assert.are.equal(500, result.statusCode)
      assert.are.equal("Handler exited with 7", result.reasonPhrase)
    end
    local result = platform:call("quits", 4, "1")
    assert.are.equal(503, result.statusCode)
    assert.is_truthy(result.reasonPhrase:find "^Quarantined: ", result.reasonPhrase)
    assert.are.equal(200, platform:call("echo", 5).statusCode)
    local mark = agent:mark()
    agent:save("quits", "return function() return 200, 'mended' end")
    agent:await_log("quits.*in service", mark)
    assert.are.equal("mended", platform:call("quits", 6).reasonPhrase)
  end)

  it("twice and then answers begins to count anew", function()
    local source = "return function(c) if c.payload then return 200, 'OK' end os.exit(0) end"
    local _, platform = world.connected { handlers = { quits = source } }
    for round = 0, 1 do
      for id = 1, 2 do
        local result = platform:call("quits", 10 * round + id)
        assert.are.equal("Handler exited with 0", result.reasonPhrase)
      end
      assert.are.equal(200, platform:call("quits", 10 * round + 3, "1").statusCode)
    end
  end)

  it("with several commands handed to it costs only the one that ran", function()
    local source = "return function(c) if c.payload then return 200, 'OK', c.payload end"
      .. " os.exit(1) end"
    local _, platform = world.connected { handlers = { quits = source } }
    platform:push("quits",
      '[{"id":1,"payload":1},{"id":2},{"id":3,"payload":3},{"id":4,"payload":4}]')
    assert.are.equal(4, platform:await_result("quits", 4).payload)
    assert.are.equal(500, platform:await_result("quits", 2).statusCode)
    assert.are.equal(1, platform:await_result("quits", 1).payload)
    assert.are.equal(3, platform:await_result("quits", 3).payload)
  end)

  it("is not among what is left after a megabyte printed", function()
    local agent, platform = world.connected {
      handlers = {
        prints = "return function() for i = 1, 1024 do print(('x'):rep(1023)) end"
          .. " io.write(('y'):rep(1 << 20)) io.stderr:write(('z'):rep(1 << 20))"
          .. " return 200, 'OK' end",
      },
    }
    local result = platform:call("prints", 1, nil, 20)
    assert.are.equal(200, result.statusCode, result.reasonPhrase)
    agent:await_log "info%s+prints%s+xxxx"
    assert.are.equal(200, platform:call("prints", 2, nil, 20).statusCode)
  end)
end)
