-- Files dropped, changed, broken and removed while the agent runs.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local world = require "support.world"

local function answers(value)
  return ("return function() return 200, 'OK', %q end"):format(value)
end

-- Sends commands, one after the other, until one is answered as wanted.
local function await_answer(platform, kind, status, payload)
  local id = 1000 + #platform.results
  platform:command(kind, id)
  return world.loop.await(("%s to answer %d %s"):format(kind, status, payload or ""), function()
    local result = platform:results_of(kind, id)[1]
    if result and result.statusCode == status and (not payload or result.payload == payload) then
      return result
    elseif result then
      id = id + 1
      platform:command(kind, id)
    end
  end, 15)
end

describe("a handler's file", function()
  after_each(world.clear)

  it("is taken when it is dropped, and its type is asked for", function()
    local agent, platform = world.connected { handlers = {} }
    assert.are.equal(501, platform:call("hello", 1).statusCode)
    platform.deliver.hello = '[{"id":2}]'
    agent:save("hello", answers "one")
    assert.are.equal("one", platform:await_result("hello", 2, 5).payload)
  end)

  it("is taken when it is changed", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    assert.are.equal("one", platform:call("hello", 1).payload)
    agent:save("hello", answers "two")
    await_answer(platform, "hello", 200, "two")
  end)

  it("that is changed while a command runs leaves that command its version", function()
    local agent, platform = world.connected {
      handlers = {
        hello = "return function() print 'begun' kaa.sleep(3) return 200, 'OK', 'one' end",
      },
    }
    platform:command("hello", 1)
    agent:await_log "hello%s+begun"
    agent:save("hello", answers "two")
    assert.are.equal("one", platform:await_result("hello", 1, 10).payload)
    await_answer(platform, "hello", 200, "two")
  end)

  it("that is changed runs what the version before had not begun, once and in order", function()
    local nap = [[return function(c)
      print("ran", c.id)
      if c.id == 100 then kaa.sleep(2) end
      return 200, 'OK', %q
    end]]
    local agent, platform = world.connected { handlers = { nap = nap:format "one" } }
    local function push(first, last)
      local elements = {}
      for id = first, last do
        elements[#elements + 1] = ('{"id":%d}'):format(id)
      end
      platform:push("nap", "[" .. table.concat(elements, ",") .. "]")
    end
    push(1, 40) -- fast ones: the worker is given many at once
    platform:await_result("nap", 40)
    push(100, 105)
    agent:await_log "nap%s+ran%s+100"
    agent:save("nap", nap:format "two")
    agent:await_log "nap%s+changed version is in service"
    platform:await_result("nap", 105, 10)
    local ids = {}
    for _, result in ipairs(platform.results) do
      if result.id >= 100 then
        ids[#ids + 1] = result.id
        assert.are.equal(result.id == 100 and "one" or "two", result.payload)
      end
    end
    assert.are.same({ 100, 101, 102, 103, 104, 105 }, ids)
    local ran = {}
    for id in agent:log():gmatch "nap%s+ran%s+(1%d%d)" do
      ran[#ran + 1] = tonumber(id)
    end
    assert.are.same({ 100, 101, 102, 103, 104, 105 }, ran)
  end)

  it("that breaks leaves the last good version, until it is mended", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    platform:call("hello", 1)
    local mark = agent:mark()
    agent:save("hello", "return function(")
    agent:await_log("hello%.lua:1: ", mark)
    assert.are.equal("one", platform:call("hello", 2).payload)
    agent:save("hello", answers "mended")
    await_answer(platform, "hello", 200, "mended")
  end)

  it("that is broken from the start is taken once it is mended", function()
    local agent, platform = world.connected { handlers = { hello = "return {" } }
    assert.are.equal(503, platform:call("hello", 1).statusCode)
    agent:save("hello", answers "mended")
    await_answer(platform, "hello", 200, "mended")
  end)

  it("that is removed is answered 501", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    platform:call("hello", 1)
    agent:remove "hello"
    local result = await_answer(platform, "hello", 501)
    assert.are.equal("No handler for hello", result.reasonPhrase)
  end)

  it("that is removed by a reload while its worker dies harms nobody", function()
    local agent, platform = world.connected {
      handlers = { hello = answers "one", other = answers "other" },
    }
    platform:call("hello", 1)
    local pipe, is_connected = uv.new_pipe(false), false
    pipe:connect(agent.state .. "/control", function(failure) is_connected = not failure end)
    world.loop.await("a connection", function() return is_connected end)
    platform:call("hello", 2) -- by now the agent has taken the connection
    local workers = agent:workers()
    assert.are.equal(1, #workers)
    agent:remove "hello"
    agent.process:kill "sigstop" -- it finds both at once: the request, then the death
    world.loop.await("the agent to stand still", function()
      return world.folder.read(("/proc/%d/stat"):format(agent.process.pid)):find "%) T "
    end)
    local is_sent = false
    pipe:write('{"ask":"reload"}\n', function(failure) is_sent = not failure end)
    world.loop.await("the request to be sent", function() return is_sent end)
    uv.kill(workers[1].pid, "sigkill")
    world.loop.await("the worker to be gone", function() return #agent:descendants() == 0 end)
    agent.process:kill "sigcont"
    await_answer(platform, "hello", 501)
    assert.are.equal("other", platform:call("other", 3).payload)
    pipe:close()
  end)

  it("is loaded anew when its library changes", function()
    local agent, platform = world.connected {
      handlers = {
        hello = "local v = require 'valve' return function() return 200, 'OK', v end",
        ["lib/valve"] = "return 'one'",
      },
    }
    assert.are.equal("one", platform:call("hello", 1).payload)
    agent:save("lib/valve", "return 'two'")
    await_answer(platform, "hello", 200, "two")
  end)

  it("is loaded with many others when their library changes, and few workers stay", function()
    local handlers = { ["lib/valve"] = "return 'one'" }
    for n = 1, 24 do
      handlers["valve" .. n] = "local v = require 'valve' return function() return 200, 'OK', v end"
    end
    local agent, platform = world.connected { handlers = handlers }
    platform:call("valve1", 1)
    local mark = agent:mark()
    agent:save("lib/valve", "return 'two'")
    for n = 1, 24 do
      agent:await_log(("valve%d%%s+changed version is in service"):format(n), mark)
    end
    world.loop.await("at most 16 workers", function()
      local count = #agent:workers()
      return count > 0 and count <= 16
    end)
    for n = 1, 24 do
      assert.are.equal("two", platform:call("valve" .. n, 2).payload)
    end
  end)

  it("is none where its name is no type, or an editor's", function()
    local agent, platform = world.connected { handlers = { good = answers "good" } }
    for _, name in ipairs {
      "42.lua", "status.lua", ".hidden.lua", "hello.lua~", "hello.lua.swp", "#hello.lua#",
      "hello.txt", "two words.lua", "spec",
    } do
      world.folder.write(agent.handlers .. "/" .. name, "error 'must not be loaded'")
    end
    agent:save("last", answers "last")
    platform:await_request "last"
    assert.are.equal(501, platform:call("hello", 1).statusCode)
    assert.are.equal("good", platform:call("good", 1).payload)
    assert.is_nil(agent:log():find("must not be loaded", 1, true))
    for _, request in ipairs(platform.requests) do
      assert.is_truthy(request.type == "good" or request.type == "last"
        or request.type:find "^kaalua%-", request.type)
    end
  end)

  it("stays in service when the folder cannot be found for a while", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    platform:call("hello", 1)
    local mark = agent:mark()
    assert(os.rename(agent.handlers, agent.handlers .. ".away"))
    agent:await_log("handlers", mark)
    assert.are.equal("one", platform:call("hello", 2).payload)
    assert(os.rename(agent.handlers .. ".away", agent.handlers))
    agent:save("new", answers "new")
    await_answer(platform, "new", 200, "new")
  end)
end)
