-- The agent over HTTP: how it polls and reports, and what it makes of a platform
-- that misbehaves. What both transports share is in wire_spec, contract_spec and
-- malformed_spec.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local ECHO = "return function(c) return 200, 'OK', c.payload end"
local COUNT = "local n = 0; return function() n = n + 1; return 200, 'OK', n end"

local function connected(options)
  options.wire = "http"
  return world.connected(options)
end

-- A fault for the first `count` requests that `is_meant` picks.
local function first(count, is_meant, fault)
  return function(request)
    if count > 0 and is_meant(request) then
      count = count - 1
      fault(request)
      return true
    end
  end
end

-- Of a handler's type.
local function is_poll(request)
  return request.is_poll and not request.type:find "^kaalua%-"
end

local function is_result(request)
  return request.is_result
end

local function helper_of(agent)
  for _, each in ipairs(agent:descendants()) do
    if each.name == "kaalua-http" then
      return each.pid
    end
  end
end

local function count_lines(text, pattern)
  local count = 0
  for line in text:gmatch "[^\n]+" do
    count = count + (line:find(pattern) and 1 or 0)
  end
  return count
end

describe("over HTTP", function()
  after_each(world.clear)

  it("a type is polled under the url's path, as its own client", function()
    local _, platform = connected {
      handlers = { echo = ECHO }, platform = { base = "/kpc" },
    }
    assert.are.equal("x", platform:call("echo", 1, '"x"').payload)
    assert.are.equal("{}", platform.requests[1].body)
    local headers = platform.last_headers
    assert.is_truthy(headers["user-agent"]:find "^kaalua/%d")
    assert.are.equal("application/json", headers["content-type"])
    assert.is_nil(headers["accept-encoding"])
    assert.is_nil(headers["expect"])
    assert.is_nil(headers["authorization"])
    assert.are.same({}, platform.unexpected)
  end)

  it("connections are kept", function()
    local _, platform = connected { handlers = { echo = ECHO } }
    for id = 1, 20 do
      platform:call("echo", id)
    end
    assert.is_true(#platform.requests >= 20)
    assert.is_true(platform.connections <= 4, platform.connections .. " connections")
  end)

  it("a command is run once, however often it is listed, until its result is accepted", function()
    local _, platform = connected {
      handlers = { slow = "local n = 0 return function() n = n + 1 kaa.sleep(0.7) "
        .. "return 200, 'OK', n end" },
    }
    platform:command("slow", 1)
    platform:command("slow", 2)
    assert.are.equal(2, platform:await_result("slow", 2).payload)
    assert.is_true(platform:polls_of "slow" > 3)
    local polls = platform:polls_of "slow"
    platform:await_request("slow", polls + 1)
    assert.are.same({ 1, 1 }, { #platform:results_of("slow", 1), #platform:results_of("slow", 2) })
    assert.are.equal(3, platform:call("slow", 3).payload)
  end)

  it("each type and endpoint is polled, and no other", function()
    local _, platform = connected {
      token = false,
      config = 'return { tokens = { "T1", "T2" } }',
      handlers = { echo = ECHO, count = COUNT },
    }
    for _, token in ipairs { "T1", "T2" } do
      for _, kind in ipairs { "echo", "count" } do
        world.loop.await("a poll", function() return platform:polls_of(kind, token) > 1 end)
      end
    end
    for _, request in ipairs(platform.requests) do
      assert.is_truthy(request.type == "echo" or request.type == "count"
        or request.type == "kaalua-cancel" or request.type == "kaalua-status")
    end
  end)

  it("the type of a broken file is answered 503, of a removed one 501", function()
    local agent, platform = connected { handlers = { echo = ECHO, broken = "return" } }
    assert.are.equal(503, platform:call("broken", 1).statusCode)
    agent:remove "echo"
    agent:await_log "echo.*removed"
    local result = platform:call("echo", 2)
    assert.are.equal(501, result.statusCode)
    assert.are.equal("No handler for echo", result.reasonPhrase)
  end)

  it("a handler says how often its type is polled", function()
    local platform = world.http_platform()
    world.agent({
      url = platform:url(),
      handlers = { eager = "return { poll_s = 1, run = print }", idle = ECHO },
    }):start():await_connected()
    world.loop.await("three polls", function() return platform:polls_of "eager" >= 3 end)
    assert.are.equal(1, platform:polls_of "idle")
    platform:command("eager", 1) -- what is listed at last is found
    platform:await_result("eager", 1)
  end)

  it("after a new command a type is polled at once, then each second", function()
    local platform = world.http_platform()
    platform:command("echo", 1)
    world.agent({ url = platform:url(), handlers = { echo = ECHO } }):start()
    world.loop.await("four polls", function() return platform:polls_of "echo" >= 4 end)
    local at = {}
    for _, request in ipairs(platform.requests) do
      at[#at + 1] = request.type == "echo" and request.at_ms or nil
    end
    assert.is_true(at[2] - at[1] < 500, "at once")
    assert.is_true(at[3] - at[2] > 600 and at[3] - at[2] < 2500, "a second")
    assert.is_true(at[4] - at[3] > 600 and at[4] - at[3] < 2500, "a second")
  end)

  it("chunks and 204 are understood", function()
    local _, platform = connected { handlers = { echo = ECHO } }
    platform.success = 204
    platform.fault = first(1, is_poll, function(request)
      request:reply_chunked(200, '[{"id":1,"payload":"' .. ("x"):rep(10000) .. '"}]', 777)
    end)
    assert.are.equal(10000, #platform:await_result("echo", 1).payload)
    platform.fault = first(3, is_poll, function(request) request:reply(204) end)
    assert.are.equal("x", platform:call("echo", 2, '"x"').payload)
  end)

  it("a compressed answer is not unpacked: it is malformed", function()
    local agent, platform = connected { handlers = { echo = ECHO } }
    platform.fault = first(1, is_poll, function(request)
      request:reply(200, "\31\139\8\0\0\0\0\0\0\3\139\142\5\0\41\187\76\13\2\0\0\0",
        { ["Content-Encoding"] = "gzip" })
    end)
    agent:await_log "malformed message"
    assert.are.equal("x", platform:call("echo", 1, '"x"').payload)
  end)

  it("a redirect is not followed, and the log says where it points", function()
    local elsewhere = world.http_platform()
    local agent, platform = connected {
      handlers = { echo = ECHO },
      config = 'return { log_level = "debug" }',
    }
    platform.fault = first(1, is_poll, function(request)
      request:reply(302, "", { Location = elsewhere:url() .. "/secret-token/login" })
    end)
    local line = agent:await_log "302 a redirect"
    assert.is_truthy(line:find("a redirect to " .. elsewhere:url(), 1, true), line)
    assert.is_nil(agent:log():find("secret-token", 1, true), "the path may hold the token")
    assert.are.equal("x", platform:call("echo", 1, '"x"').payload)
    assert.are.equal(0, elsewhere.connections)
  end)

  it("nothing is sent before the Retry-After of a 503 is over", function()
    local agent, platform = connected { handlers = { echo = ECHO, count = COUNT } }
    local asked_ms
    platform.fault = first(1, is_poll, function(request)
      asked_ms = world.loop.now_ms()
      request:reply(503, "", { ["Retry-After"] = "2" })
    end)
    agent:await_log "asks to wait"
    local before = #platform.requests
    world.loop.await("the next request", function() return #platform.requests > before + 1 end)
    assert.is_true(platform.requests[before + 2].at_ms - asked_ms > 1900)
  end)

  it("the Retry-After of a 429 holds what was asked, and nothing else", function()
    local agent, platform = connected { handlers = { echo = ECHO, count = COUNT } }
    local asked_ms
    platform.fault = first(1,
      function(request) return request.is_poll and request.type == "echo" end,
      function(request)
        asked_ms = world.loop.now_ms()
        request:reply(429, "", { ["Retry-After"] = "9" })
      end)
    agent:await_log "a command request failed"
    for id = 1, 3 do
      assert.are.equal(id, platform:call("count", id, nil, 3).payload)
    end
    platform.requests = {}
    world.loop.await("the next poll", function() return platform:polls_of "echo" > 0 end, 15)
    for _, request in ipairs(platform.requests) do
      assert.is_true(request.type ~= "echo" or request.at_ms - asked_ms > 8900)
    end
    assert.is_true(#platform.requests > 9, "the other type is polled")
    assert.is_nil(agent:log():find("asks to wait", 1, true))
  end)

  it("a result that is to wait holds no other up", function()
    local agent, platform = connected { handlers = { echo = ECHO, count = COUNT } }
    platform.fault = first(1, is_result, function(request)
      request:reply(429, "", { ["Retry-After"] = "8" })
    end)
    platform:command("echo", 1, '"x"')
    agent:await_log "result not confirmed.*429"
    local start_ms = world.loop.now_ms()
    assert.are.equal(1, platform:call("count", 1, nil, 3).payload)
    platform:await_result("echo", 1, 15)
    assert.is_true(world.loop.now_ms() - start_ms > 7500)
  end)

  it("an error backs off its own type and no other", function()
    local agent, platform = connected { handlers = { echo = ECHO, count = COUNT } }
    local failures = 0
    platform.fault = function(request)
      if request.is_poll and request.type == "echo" and failures < 1 then
        failures = failures + 1
        request:reply(500, '{"statusCode":500,"reasonPhrase":"no luck"}')
        return true
      end
    end
    local line = agent:await_log "a command request failed"
    assert.is_truthy(line:find("500 no luck", 1, true), line)
    local polls = platform:polls_of "echo"
    for id = 1, 5 do
      platform:call("count", id)
    end
    assert.are.equal(polls, platform:polls_of "echo")
    assert.are.equal("x", platform:call("echo", 1, '"x"').payload) -- 5 s later
  end)

  it("a body that is too large is cut off, and harms nothing", function()
    local agent, platform = connected { handlers = { echo = ECHO, count = COUNT } }
    platform.fault = first(1, function(request) return request.type == "echo" end,
      function(request)
        local chunk = ("%x\r\n%s\r\n"):format(1024 * 1024, (" "):rep(1024 * 1024))
        request:raw "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        for _ = 1, 20 do
          request:raw(chunk)
        end
      end)
    agent:await_log "too large"
    assert.are.equal(1, platform:call("count", 1).payload)
    assert.are.equal("x", platform:call("echo", 1, '"x"').payload)
  end)

  it("half an answer runs nothing", function()
    local agent, platform = connected { handlers = { count = COUNT } }
    platform.fault = first(1, is_poll, function(request)
      request:hang_up 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[{"id":7}]'
    end)
    agent:await_log "no answer"
    assert.are.equal(1, platform:call("count", 1).payload)
    assert.are.equal(0, #platform:results_of("count", 7))
  end)

  it("what is no HTTP at all is survived", function()
    local agent, platform = connected { handlers = { count = COUNT } }
    platform.fault = first(1, is_poll, function(request) request:hang_up "220 mail ready\r\n" end)
    agent:await_log "no answer"
    assert.are.equal(1, platform:call("count", 1).payload)
  end)

  it("a slow answer holds no other up", function()
    local _, platform = connected { handlers = { echo = ECHO, count = COUNT } }
    platform.deliver.echo = false -- never answered
    platform:await_request "echo"
    for id = 1, 5 do
      assert.are.equal(id, platform:call("count", id, nil, 3).payload)
    end
  end)

  it("an endpoint that hangs takes no other with it", function()
    local handlers = { count = COUNT }
    for number = 1, 7 do -- more than may be under way
      handlers["echo" .. number] = ECHO
    end
    local agent, platform = connected {
      token = false,
      config = 'return { tokens = { "T1", "T2" }, log_level = "debug" }',
      handlers = handlers,
    }
    local hung = 0
    platform.fault = function(request)
      hung = hung + (request.token == "T1" and 1 or 0)
      return request.token == "T1"
    end
    world.loop.await("six polls that hang", function() return hung >= 6 end)
    platform:command("count", 1, nil, "T2")
    platform:await_result("count", 1, 20)
    world.loop.await("the next ones that hang", function() return hung >= 12 end, 20)
    platform:command("count", 2, nil, "T2")
    platform:await_result("count", 2, 20)
    assert.is_nil(agent:log():find("disconnected", 1, true))
  end)

  it("a result is sent again until it is accepted", function()
    local _, platform = connected { handlers = { count = COUNT } }
    platform.fault = first(1, is_result, function(request) request:reply(503) end)
    platform:command("count", 1)
    assert.are.equal(1, platform:await_result("count", 1, 15).payload)
    platform.fault = first(2, is_result, function(request) request:hang_up() end)
    platform:command("count", 2)
    assert.are.equal(2, platform:await_result("count", 2, 20).payload)
    assert.are.equal(3, platform:call("count", 3).payload)
  end)

  it("a page instead of an answer confirms nothing", function()
    local agent, platform = connected {
      handlers = { sample = "return function(c) kaa.telemetry { n = c.id } return 200 end" },
    }
    local function page(request)
      request:reply(200, "<html>Please log in</html>")
    end
    local on_result = first(1, is_result, page)
    local on_sample = first(1, function(request) return request.path:find "/dcx/" end, page)
    platform.fault = function(request) return on_result(request) or on_sample(request) end
    platform:command("sample", 1)
    agent:await_log "no answer: what answers is not the platform"
    platform:await_result("sample", 1, 20)
    world.loop.await("the sample", function() return #platform.telemetry == 1 end, 15)
  end)

  it("a page for every poll is told once, until the platform is back", function()
    local agent, platform = connected { handlers = { count = COUNT } }
    local function page(count)
      local left = count
      platform.fault = function(request)
        left = left - 1
        if left >= 0 then
          request:reply(200, "<html>Please log in</html>")
        end
        return left >= 0
      end
      world.loop.await("that many polls", function() return left < -1 end)
    end
    page(20)
    assert.are.equal(1, count_lines(agent:log(), "malformed message"))
    assert.are.equal(1, platform:call("count", 1).payload)
    page(5)
    assert.are.equal(2, count_lines(agent:log(), "malformed message"))
  end)

  it("a failed connection is nothing, while others are answered", function()
    local agent, platform = connected { handlers = { count = COUNT } }
    platform.fault = function(request) -- libcurl tries again on each connection that was open
      if is_poll(request) and not agent:log():find("a command request failed", 1, true) then
        request:hang_up()
        return true
      end
    end
    assert.are.equal(1, platform:call("count", 1, nil, 20).payload)
    local line = agent:await_log "a command request failed"
    assert.is_truthy(line:find("no answer", 1, true), line)
    assert.is_nil(line:find("504", 1, true), line)
    assert.is_nil(agent:log():find("disconnected", 1, true))
  end)

  it("a result that is refused for good is not sent again", function()
    local agent, platform = connected { handlers = { count = COUNT } }
    platform.judge = function(elements) return elements[1].id == 1 and 404 or nil end
    platform:push("count", '[{"id":1}]')
    agent:await_log "refused the result for good"
    platform:call("count", 2)
    assert.are.equal(1, #platform:results_of("count", 1))
  end)

  it("samples wait until they are accepted", function()
    local _, platform = connected {
      handlers = { sample = "return function(c) kaa.telemetry { n = c.id } end" },
    }
    platform.fault = first(1, function(request) return request.path:find "/dcx/" end,
      function(request) request:reply(503) end)
    platform:call("sample", 1)
    platform:call("sample", 2)
    world.loop.await("both samples", function() return #platform.telemetry == 2 end, 15)
    assert.are.equal(1, platform.telemetry[1].samples[1].n)
    assert.are.equal(2, platform.telemetry[2].samples[1].n)
  end)

  it("a user name and the password of a file go with each request", function()
    local path = world.folder_for "secrets"
    world.folder.write(path .. "/password", "one\n")
    local _, platform = connected {
      config = ('return { username = "me@tenant", password_file = %q }')
        :format(path .. "/password"),
      handlers = { echo = ECHO },
    }
    local function await_header(encoded)
      world.loop.await("the header " .. encoded, function()
        return platform.last_headers.authorization == "Basic " .. encoded
      end)
    end
    await_header "bWVAdGVuYW50Om9uZQ=="
    world.folder.write(path .. "/password", "two")
    await_header "bWVAdGVuYW50OnR3bw=="
  end)

  it("no proxy of the environment is used", function()
    local _, platform = connected {
      handlers = { echo = ECHO },
      env = { http_proxy = "http://127.0.0.1:9", ALL_PROXY = "http://127.0.0.1:9" },
    }
    assert.are.equal("x", platform:call("echo", 1, '"x"').payload)
  end)
end)

describe("an address over HTTP", function()
  after_each(world.clear)

  local WRONG = {
    ["ftp://127.0.0.1"] = "expected mqtt://",
    ["http://"] = "HOST",
    ["http://127.0.0.1:0"] = "HOST",
    ["http://127.0.0.1:70000/kpc"] = "HOST",
    ["http://127.0.0.1/kpc?x=1"] = "HOST",
    ["http://127.0.0.1/k pc"] = "HOST",
    ["http://me:secret@127.0.0.1/"] = "password_file",
    ["mqtt://127.0.0.1/kpc"] = "HOST",
  }

  it("that is wrong is refused with what is expected", function()
    for url, expected in pairs(WRONG) do
      local agent = world.agent { url = url, handlers = {} }
      agent:start()
      agent.expects_failure = true
      assert.are.equal(2, agent.process:await_end().code, url)
      assert.is_truthy(agent:log():find(expected, 1, true), agent:log())
      assert.is_nil(agent:log():find("secret", 1, true))
    end
  end)

  it("may end with slashes, and a token may hold what a URL may not", function()
    local platform = world.http_platform { base = "/kpc" }
    world.agent({
      url = platform:url() .. "//",
      token = "a b%?ä",
      config = "return { poll_s = 0.1 }",
      handlers = { echo = ECHO },
    }):start()
    platform:command("echo", 1, '"x"', "a%20b%25%3F%C3%A4")
    assert.are.equal("x", platform:await_result("echo", 1).payload)
    assert.are.same({}, platform.unexpected)
  end)
end)

describe("an HTTP platform that is away", function()
  after_each(world.clear)

  it("is waited for, and said so once", function()
    local platform = world.http_platform { later = true }
    local agent = world.agent { url = platform:url(), handlers = { echo = ECHO } }
    agent:start()
    local line = agent:await_log "cannot connect, and keeps trying"
    assert.is_truthy(line:find "refused" or line:find "connect", line)
    platform:listen()
    platform:command("echo", 1, '"x"')
    assert.are.equal("x", platform:await_result("echo", 1, 25).payload)
    assert.are.equal(1, count_lines(agent:log(), "cannot connect"))
    assert.are.equal(1, count_lines(agent:log(), "info%s+http%s+connected"))
  end)

  it("is told lost and found once each, and no command is run twice", function()
    local agent, platform = connected {
      handlers = { slow = "local n = 0 return function() n = n + 1 kaa.sleep(1) "
        .. "return 200, 'OK', n end" },
    }
    platform:command("slow", 1)
    agent:await_worker()
    platform:stop()
    agent:await_log "disconnected"
    local mark = agent:mark()
    platform:listen()
    agent:await_connected(mark, 15)
    assert.are.equal(1, platform:await_result("slow", 1, 20).payload)
    assert.are.equal(1, count_lines(agent:log(), "disconnected"))
    assert.are.equal(2, platform:call("slow", 2, nil, 20).payload)
  end)
end)

describe("the process kaalua-http", function()
  after_each(world.clear)

  it("is started again where it was ended", function()
    local agent, platform = connected { handlers = { echo = ECHO } }
    local pid = assert(helper_of(agent))
    require("luv").kill(pid, "sigkill")
    agent:await_log "kaalua%-http was ended by signal 9"
    assert.are.equal("x", platform:call("echo", 1, '"x"', 20).payload)
    assert.are_not.equal(pid, helper_of(agent))
  end)

  it("goes with the agent, however that ends", function()
    local agent = connected { handlers = { echo = ECHO } }
    local pid = assert(helper_of(agent))
    agent.expects_failure = true
    agent.process:kill "sigkill"
    agent.process:await_end()
    world.loop.await("the helper to end", function()
      return not io.open(("/proc/%d/stat"):format(pid))
    end)
  end)

  it("is not there over MQTT", function()
    local agent = world.connected { handlers = { echo = ECHO } }
    assert.is_nil(helper_of(agent))
  end)
end)
