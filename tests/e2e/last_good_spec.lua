-- The last good version of a handler: kept under the state directory, in service across restarts
-- while its file is faulty, gone with its file.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local Agent, folder, loop = world.Agent, world.folder, world.loop

local function answers(value)
  return ("return function() return 200, 'OK', %q end"):format(value)
end

local function version_file(agent, kind)
  return ("%s/versions/%s.version"):format(agent.state, kind)
end

local function await_kept(agent, kind, text)
  loop.await(("%s to be kept"):format(kind), function()
    local content = folder.read(version_file(agent, kind))
    return content and content:find(text, 1, true)
  end, 20)
end

local function await_gone(path)
  loop.await(path .. " to be gone", function() return not uv.fs_stat(path) end, 20)
end

local function kill(agent)
  agent.process:kill "sigkill"
  agent.process:await_end(20)
end

local function start(agent)
  agent:start():await_connected(nil, 20)
end

local function restart(agent)
  kill(agent)
  start(agent)
end

local function ask(agent)
  local status, out, err = world.process.run(Agent.program,
    { "handlers", "--json", "--state", agent.state }, nil, 20)
  assert.are.equal(0, status, err)
  return cjson.decode(out)
end

local function shown(agent, kind)
  for _, each in ipairs(ask(agent).handlers) do
    if each.type == kind then
      return each
    end
  end
end

local function await_state(agent, kind, state)
  return loop.await(("%s to be %s"):format(kind, state), function()
    local entry = shown(agent, kind)
    return entry and entry.state == state and entry
  end, 20)
end

-- Answers as wanted, sooner or later: for a version that has just been replaced.
local function await_answer(platform, kind, status, payload)
  local id = 1000 + #platform.results
  platform:command(kind, id)
  return loop.await(("%s to answer %d %s"):format(kind, status, payload or ""), function()
    local result = platform:results_of(kind, id)[1]
    if result and result.statusCode == status and (not payload or result.payload == payload) then
      return result
    elseif result then
      id = id + 1
      platform:command(kind, id)
    end
  end, 20)
end

local function break_file(agent, kind)
  agent:save(kind, "return {\n  run = function( end,\n}\n")
end

describe("the last good version", function()
  after_each(world.clear)

  it("serves after a restart where the file was broken while the agent was down", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    kill(agent)
    break_file(agent, "hello")
    start(agent)
    assert.are.same({ 200, "one" },
      { platform:call("hello", 1, nil, 20).statusCode, platform:await_result("hello", 1).payload })
    agent:await_log "hello%s+in service by the last good version since="
    local entry = shown(agent, "hello")
    assert.are.equal("stale", entry.state)
    assert.is_truthy(entry.fault:find "^hello%.lua:2: ", entry.fault)
    assert.are.equal("  run = function( end,", entry.faults[1].source)
  end)

  it("is stale since its file was found faulty, whatever is restarted meanwhile", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    break_file(agent, "hello")
    local since = await_state(agent, "hello", "stale").since
    loop.await("the time to be kept", function()
      return uv.fs_stat(agent.state .. "/versions/hello.since")
    end, 20)
    restart(agent)
    assert.are.equal("one", platform:call("hello", 1, nil, 20).payload)
    assert.are.equal(since, await_state(agent, "hello", "stale").since)
    agent:save("hello", "return { }") -- another fault is no new beginning
    loop.await("the other fault", function()
      return shown(agent, "hello").fault:find "run"
    end, 20)
    restart(agent)
    assert.are.equal(since, await_state(agent, "hello", "stale").since)
    agent:save("hello", answers "mended")
    await_answer(platform, "hello", 200, "mended")
    local entry = await_state(agent, "hello", "in service")
    assert.is_nil(entry.since)
    assert.is_nil(entry.fault)
    await_kept(agent, "hello", answers "mended")
    await_gone(agent.state .. "/versions/hello.since")
  end)

  it("is the one that served last", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    agent:save("hello", answers "two")
    await_kept(agent, "hello", answers "two")
    kill(agent)
    break_file(agent, "hello")
    start(agent)
    assert.are.equal("two", platform:call("hello", 1, nil, 20).payload)
  end)

  it("brings the libraries that it was loaded with", function()
    local agent, platform = world.connected {
      handlers = {
        hello = "local v = require 'valve' return function() return 200, 'OK', v end",
        ["lib/valve"] = "return 'of then'",
      },
    }
    await_kept(agent, "hello", "of then")
    kill(agent)
    break_file(agent, "hello")
    agent:remove "lib/valve"
    start(agent)
    assert.are.equal("of then", platform:call("hello", 1, nil, 20).payload)
  end)

  it("serves for a file that is not trusted any more", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    kill(agent)
    agent:save("hello", answers "of somebody else")
    assert(uv.fs_chmod(agent.handlers .. "/hello.lua", tonumber("666", 8)))
    start(agent)
    assert.are.equal("one", platform:call("hello", 1, nil, 20).payload)
    assert.is_truthy(shown(agent, "hello").fault:find "chmod o%-w")
  end)

  it("obeys today's settings: where it does not load either, the file's fault is the answer",
    function()
      local needy = [[return {
        settings = { pin = { type = "integer", required = true } },
        run = function() return 200, "OK", kaa.settings.pin end,
      }]]
      local agent, platform = world.connected {
        handlers = { hello = needy },
        config = "return { settings = { hello = { pin = 17 } } }",
      }
      assert.are.equal(17, platform:call("hello", 1, nil, 20).payload)
      await_kept(agent, "hello", "pin")
      kill(agent)
      break_file(agent, "hello")
      folder.write(agent.folder .. "/kaalua.lua", "return { }")
      start(agent)
      local result = platform:call("hello", 2, nil, 20)
      assert.are.equal(503, result.statusCode)
      assert.is_truthy(result.reasonPhrase:find "^hello%.lua:2: ", result.reasonPhrase)
      agent:await_log "hello%s+the last good version does not load, either reason=.*pin"
      folder.write(agent.folder .. "/kaalua.lua",
        "return { settings = { hello = { pin = 18 } } }")
      restart(agent)
      assert.are.equal(18, platform:call("hello", 3, nil, 20).payload)
    end)

  it("is not tried where it is what does not load", function()
    local needy = [[return {
      settings = { pin = { type = "integer", required = true } },
      run = function() return 200, "OK", kaa.settings.pin end,
    }]]
    local agent, platform = world.connected {
      handlers = { hello = needy },
      config = "return { settings = { hello = { pin = 17 } } }",
    }
    await_kept(agent, "hello", "pin")
    kill(agent)
    folder.write(agent.folder .. "/kaalua.lua", "return { }")
    start(agent)
    assert.are.equal(503, platform:call("hello", 1, nil, 20).statusCode)
    agent:await_log "hello%s+the last good version is the same"
    assert.are.equal("faulty", shown(agent, "hello").state)
  end)

  it("goes when its file goes", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    agent:remove "hello"
    await_answer(platform, "hello", 501)
    await_gone(version_file(agent, "hello"))
    break_file(agent, "hello")
    await_answer(platform, "hello", 503)
    restart(agent)
    assert.are.equal(503, platform:call("hello", 1, nil, 20).statusCode)
  end)

  it("goes when its file goes while it runs a command, which goes on", function()
    local agent, platform = world.connected {
      handlers = { hello = "return function() print 'begun' kaa.sleep(8) return 200, 'OK', 1 end" },
    }
    platform:command("hello", 1)
    agent:await_log "begun"
    agent:remove "hello"
    agent:await_log "hello%s+removed: its commands are answered 501"
    break_file(agent, "hello")
    agent:await_log "hello%s+hello%.lua:2: .*service=\"none: 503\""
    assert.are.equal(503, platform:call("hello", 2, nil, 20).statusCode)
    assert.are.equal(0, #platform:results_of("hello", 1))
    agent:save("hello", answers "another")
    assert.are.equal(1, platform:await_result("hello", 1, 20).payload)
    await_answer(platform, "hello", 200, "another")
  end)

  it("goes when its file went while the agent was down", function()
    local agent, platform = world.connected {
      handlers = { hello = answers "one", other = answers "other" },
    }
    await_kept(agent, "hello", answers "one")
    kill(agent)
    agent:remove "hello"
    start(agent)
    local result = platform:call("hello", 1, nil, 20)
    assert.are.equal(501, result.statusCode)
    assert.are.equal("No handler for hello", result.reasonPhrase)
    assert.is_nil(shown(agent, "hello"))
    await_gone(version_file(agent, "hello"))
    agent:await_log "hello%s+removed while no agent ran"
    break_file(agent, "hello")
    await_answer(platform, "hello", 503)
    assert.are.equal("other", platform:call("other", 2, nil, 20).payload)
  end)

  it("that is damaged is not used, which is said", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    kill(agent)
    break_file(agent, "hello")
    local content = folder.read(version_file(agent, "hello"))
    folder.write(version_file(agent, "hello"), (content:gsub("one", "two")))
    start(agent)
    assert.are.equal(503, platform:call("hello", 1, nil, 20).statusCode)
    agent:await_log "hello%s+its last good version is not used reason=.*damaged"
  end)

  it("is for the agent alone, and written only where it has changed", function()
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    await_kept(agent, "hello", answers "one")
    local before = assert(uv.fs_stat(version_file(agent, "hello")))
    assert.are.equal(tonumber("600", 8), before.mode & tonumber("777", 8))
    assert.are.equal(tonumber("700", 8),
      assert(uv.fs_stat(agent.state .. "/versions")).mode & tonumber("777", 8))
    assert.are.equal(0, agent:stop().code) -- which ends what is being written
    start(agent)
    platform:call("hello", 1, nil, 20)
    assert.are.equal(0, agent:stop().code)
    local after = assert(uv.fs_stat(version_file(agent, "hello")))
    assert.are.same({ before.ino, before.mtime }, { after.ino, after.mtime })
    assert.is_nil(agent:log():find("cannot be kept", 1, true))
  end)
end)

describe("a directory of handlers that is missing at the start", function()
  after_each(world.clear)

  it("is served by the last good versions until it is there again", function()
    local agent, platform = world.connected {
      handlers = { hello = answers "one", other = answers "other" },
    }
    await_kept(agent, "hello", answers "one")
    await_kept(agent, "other", answers "other")
    kill(agent)
    assert(os.rename(agent.handlers, agent.folder .. "/away"))
    start(agent)
    assert.are.equal("one", platform:call("hello", 1, nil, 20).payload)
    local answer = ask(agent)
    assert.is_truthy(answer.directories[1]:find "handlers: No such file or directory")
    assert.are.equal("stale", answer.handlers[1].state)
    assert.are.equal("hello", answer.handlers[1].type)
    restart(agent) -- it is no removal the next time, either
    assert.are.equal("one", platform:call("hello", 2, nil, 20).payload)
    assert(os.remove(agent.folder .. "/away/other.lua"))
    assert(os.rename(agent.folder .. "/away", agent.handlers))
    assert.is_nil(await_state(agent, "hello", "in service").fault)
    await_answer(platform, "other", 501)
    await_gone(version_file(agent, "other"))
    assert.is_truthy(uv.fs_stat(version_file(agent, "hello")))
  end)

  it("does not leave its types to the directories before it", function()
    local base = world.folder_for "base"
    folder.write(base .. "/hello.lua", answers "of the base")
    local agent, platform = world.connected { handlers = { hello = answers "one" } }
    for i, argument in ipairs(agent.arguments) do
      if argument == "--handlers" then
        table.remove(agent.arguments, i)
        table.remove(agent.arguments, i)
      end
    end
    folder.write(agent.folder .. "/kaalua.lua",
      ("return { handlers = { %q, %q } }"):format(base, agent.handlers))
    table.move({ "--config", agent.folder .. "/kaalua.lua" }, 1, 2, #agent.arguments + 1,
      agent.arguments)
    restart(agent)
    assert.are.equal("one", platform:call("hello", 1, nil, 20).payload)
    await_kept(agent, "hello", answers "one")
    kill(agent)
    assert(os.rename(agent.handlers, agent.folder .. "/away"))
    start(agent)
    assert.are.equal("one", platform:call("hello", 2, nil, 20).payload)
    assert.are.equal("stale", shown(agent, "hello").state)
    folder.make(agent.handlers) -- it is there, and has no such file
    await_answer(platform, "hello", 200, "of the base")
  end)
end)
