-- kaalua handlers and kaalua reload: which file serves each type, what is wrong with the others,
-- and looking at the files anew.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local Agent, folder, loop = world.Agent, world.folder, world.loop

local LONG_LINE = "  run = function() return " .. ("'padding' .. "):rep(12) .. "nothing( end,"

local HANDLERS = {
  echo = [[return { summary = "Answers with what it was sent",
    needs = { "net", exec = { "/usr/bin/systemctl", "/usr/bin/journalctl" } },
    run = function(c) return 200, "OK", c.payload end }]],
  door = "return {\n  timeout = 2,\n  colour = 'red',\n  run = function() end,\n}\n",
  wide = "return {\n" .. LONG_LINE .. "\n}\n",
  pulse = "return { every_s = 60, tick = function() end }",
  crash = "return function() print 'crash runs' kaa.sleep(20) end",
}

local function answers(value)
  return ("return function() return 200, 'OK', %q end"):format(value)
end

--- Runs a subcommand; what it prints is for 80 columns and no terminal's colours.
local function ask(agent, ...)
  local list = { ... }
  list[#list + 1] = "--state"
  list[#list + 1] = agent.state
  local status, out, err = world.process.run(Agent.program, list, nil, 30)
  assert.is_nil(out:find "[\27\t]")
  for line in out:gmatch "[^\n]+" do
    assert.is_truthy(line:find "^{" or utf8.len(line) <= 80, line)
  end
  return status, out, err
end

--- What is printed, with the rows that were wrapped as one line.
local function unwrapped(out)
  return (out:gsub("\n             (%S)", " %1"))
end

local function document(agent, ...)
  local list = { ... }
  list[#list + 1] = "--json"
  local status, out, err = ask(agent, table.unpack(list))
  assert.are.equal(1, select(2, out:gsub("\n", "")), err)
  return cjson.decode(out), status
end

local function by_type(answer)
  local found = {}
  for _, each in ipairs(answer.handlers) do
    found[each.type] = each
  end
  return found
end

local function await_state(agent, kind, state)
  return loop.await(("%s to be %s"):format(kind, state), function()
    local entry = by_type(document(agent, "handlers"))[kind]
    return entry and entry.state == state and entry
  end, 30)
end

local function await_result(platform, kind, status)
  local id = 5000 + #platform.results
  platform:command(kind, id)
  return loop.await(("%s to answer %d"):format(kind, status), function()
    local result = platform:results_of(kind, id)[1]
    if result and result.statusCode ~= status then
      id = id + 1
      platform:command(kind, id)
    end
    return result and result.statusCode == status and result
  end, 30)
end

-- Kills three workers in a row while a command of this type runs.
local function quarantine(agent, platform, kind)
  for id = 1, 3 do
    local mark = agent:mark()
    platform:command(kind, id)
    agent:await_log(kind .. " runs", mark, 20)
    uv.kill(agent:await_worker(), "sigkill")
    platform:await_result(kind, id, 20)
  end
  agent:await_log "quarantined: .* `kaalua reload TYPE`"
end

describe("kaalua handlers", function()
  after_each(world.clear)

  it("shows what serves each type, sorted", function()
    local agent = world.connected { handlers = { echo = HANDLERS.echo, pulse = HANDLERS.pulse } }
    local status, out, err = ask(agent, "handlers")
    assert.are.equal(0, status, err)
    for _, pattern in ipairs {
      "^echo +in service, version %x+\n",
      "\n +Answers with what it was sent\n",
      "\n +needs exec: /usr/bin/systemctl, /usr/bin/journalctl; net\n",
      "\npulse +ticks only, version %x+, a tick every 60 s",
    } do
      assert.is_truthy(out:find(pattern), pattern .. "\n" .. out)
    end
    assert.is_truthy((out:gsub("\n +", "")):find(agent.handlers .. "/echo.lua", 1, true), out)
  end)

  it("shows each fault with its line, the line itself, and a caret", function()
    local agent = world.connected { handlers = { door = HANDLERS.door, echo = HANDLERS.echo } }
    local status, out = ask(agent, "handlers")
    assert.are.equal(0, status)
    assert.is_truthy(out:find "^door +faulty since %d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ: answered 503\n", out)
    assert.is_truthy(out:find("\n +door%.lua:2: timeout: unknown key, did you mean \"timeout_s\"%?\n"
      .. "                 timeout = 2,\n                 %^\n"), out)
    assert.is_truthy(out:find "\n +door%.lua:3: colour: unknown key.-\n +colour = 'red',\n +%^\n", out)
  end)

  it("cuts a long line around what the caret points to", function()
    local agent = world.connected { handlers = { wide = HANDLERS.wide, echo = HANDLERS.echo } }
    local _, out = ask(agent, "handlers")
    local line, caret = out:match "\n( +…[^\n]+)\n( +%^)\n"
    assert.is_truthy(line, out)
    assert.are.equal("end", line:sub(utf8.offset(line, utf8.len(caret)), -1):match "^%a+")
  end)

  it("shows directories that cannot be read, and names that are no type", function()
    local agent = world.connected { handlers = { echo = HANDLERS.echo } }
    folder.write(agent.handlers .. "/two words.lua", "return 1")
    await_state(agent, "two words", "refused")
    assert(os.rename(agent.handlers, agent.folder .. "/away"))
    loop.await("the missing directory", function()
      return document(agent, "handlers").directories[1]
    end, 30)
    local _, out = ask(agent, "handlers")
    assert.is_truthy(out:find "\ntwo words +refused", out)
    assert.is_truthy(out:find "is no command type", out)
    assert.is_truthy(out:find "\ndirectories +[^\n]*\n?.*No such file or directory", out)
    assert.is_truthy(out:find "\necho +in service" or out:find "^echo +in service", out)
  end)

  it("shows which files the one that serves shadows", function()
    local base = world.folder_for "base"
    folder.write(base .. "/echo.lua", HANDLERS.echo)
    folder.write(base .. "/pulse.lua", HANDLERS.pulse)
    local agent = world.connected { handlers = { echo = HANDLERS.echo } }
    assert.are.equal(0, agent:stop().code)
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
    agent:start():await_connected()
    local found = by_type(document(agent, "handlers"))
    assert.are.same({ base .. "/echo.lua" }, found.echo.shadows)
    assert.are.equal(agent.handlers .. "/echo.lua", found.echo.file)
    assert.are.same({}, found.pulse.shadows)
    assert.are.equal(base .. "/pulse.lua", found.pulse.file)
    local _, out = ask(agent, "handlers")
    assert.is_truthy((out:gsub("\n +", " ")):find("shadows " .. base .. "/echo.lua", 1, true), out)
  end)

  it("tells the same version on every device by its hash", function()
    local one = world.connected { handlers = { echo = HANDLERS.echo } }
    local two = world.connected { handlers = { echo = HANDLERS.echo, pulse = HANDLERS.pulse } }
    local hash = by_type(document(one, "handlers")).echo.hash
    assert.is_truthy(hash:find "^%x%x%x%x%x%x%x%x%x%x%x%x$")
    assert.are.equal(hash, by_type(document(two, "handlers")).echo.hash)
    two:save("echo", HANDLERS.echo .. " ")
    loop.await("another hash", function()
      return by_type(document(two, "handlers")).echo.hash ~= hash
    end, 30)
  end)

  it("says that there is none", function()
    local agent = world.connected { handlers = {} }
    assert.are.same({ 0, "no handlers\n", "" }, { ask(agent, "handlers") })
  end)
end)

describe("kaalua reload", function()
  after_each(world.clear)

  it("takes at once what has changed, and says what came of each", function()
    local agent, platform = world.connected {
      handlers = { echo = HANDLERS.echo, hello = answers "one", gone = answers "gone" },
    }
    agent:save("hello", answers "two")
    agent:save("new", answers "new")
    agent:remove "gone"
    local status, out, err = ask(agent, "reload")
    assert.are.equal(0, status, out .. err)
    assert.are.equal("echo         in service (unchanged)\ngone         removed\n"
      .. "hello        in service (changed)\nnew          in service (new)\n", out)
    assert.are.equal("two", platform:call("hello", 1, nil, 20).payload)
    assert.are.equal("new", platform:call("new", 2, nil, 20).payload)
  end)

  it("ends with 1 where a file is faulty, and says what serves", function()
    local agent, platform = world.connected {
      handlers = { hello = answers "one", echo = HANDLERS.echo },
    }
    agent:save("hello", "return {\n  run = 3,\n}\n")
    agent:save("door", HANDLERS.door)
    local status, out = ask(agent, "reload")
    assert.are.equal(1, status)
    out = unwrapped(out)
    assert.is_truthy(out:find "\nhello +hello%.lua:2: run: .-%(the last good version goes on%)\n", out)
    assert.is_truthy(out:find "goes on%)\n                 run = 3,\n                 %^\n", out)
    assert.is_truthy(out:find "^door +door%.lua:2: timeout: .-%(answered 503%)\n +timeout", out)
    assert.is_truthy(out:find "%^ door%.lua:3: colour: ", out)
    assert.are.equal("one", platform:call("hello", 1, nil, 20).payload)
    status, out = ask(agent, "reload", "echo")
    assert.are.same({ 0, "echo         in service (loaded again)\n" }, { status, out })
    agent:save("hello", answers "one")
    agent:save("door", answers "door")
    local answer
    answer, status = document(agent, "reload")
    assert.are.equal(0, status)
    local found = by_type(answer)
    assert.are.same({ "mended", "mended", "unchanged" },
      { found.hello.outcome, found.door.outcome, found.echo.outcome })
  end)

  it("loads a type that is named in a fresh worker, though its file is as it was", function()
    local agent, platform = world.connected {
      handlers = { count = "local n = 0 return function() n = n + 1 return 200, 'OK', n end" },
    }
    assert.are.equal(1, platform:call("count", 1, nil, 20).payload)
    assert.are.equal(2, platform:call("count", 2, nil, 20).payload)
    assert.are.same({ 0, "count        in service (unchanged)\n", "" }, { ask(agent, "reload") })
    assert.are.equal(3, platform:call("count", 3, nil, 20).payload)
    assert.are.same({ 0, "count        in service (loaded again)\n", "" },
      { ask(agent, "reload", "count") })
    assert.are.equal(1, platform:call("count", 4, nil, 20).payload)
  end)

  it("leaves a command that runs its version", function()
    local agent, platform = world.connected {
      handlers = { nap = "return function() print 'begun' kaa.sleep(3) return 200, 'OK', 1 end" },
    }
    platform:command("nap", 1)
    agent:await_log "begun"
    agent:save("nap", "return function() return 200, 'OK', 2 end")
    local status, out = ask(agent, "reload", "nap")
    assert.are.same({ 0, "nap          in service (changed)\n" }, { status, out })
    assert.are.equal(0, #platform:results_of "nap")
    assert.are.equal(1, platform:await_result("nap", 1, 20).payload)
    assert.are.equal(2, platform:call("nap", 2, nil, 20).payload)
  end)

  it("ends a quarantine", function()
    local agent, platform = world.connected { handlers = { crash = HANDLERS.crash } }
    quarantine(agent, platform, "crash")
    local result = await_result(platform, "crash", 503)
    assert.is_truthy(result.reasonPhrase:find("kaalua reload", 1, true), result.reasonPhrase)
    local _, out = ask(agent, "handlers")
    assert.is_truthy(out:find "^crash +quarantined: answered 503, version %x+", out)
    assert.is_truthy(out:find "its worker died 3 times", out)
    local status
    status, out = ask(agent, "reload")
    assert.are.same({ 0, "crash        in service (loaded again)\n" }, { status, out })
    local mark = agent:mark()
    platform:command("crash", 100)
    agent:await_log("crash runs", mark, 20)
  end)

  it("ends the quarantine of a last good version, too", function()
    local agent, platform = world.connected { handlers = { crash = HANDLERS.crash } }
    agent:save("crash", "return {")
    await_state(agent, "crash", "stale")
    quarantine(agent, platform, "crash")
    local status, out = ask(agent, "reload", "crash")
    assert.are.equal(1, status)
    assert.is_truthy(unwrapped(out):find("the last good version goes on", 1, true), out)
    local mark = agent:mark()
    platform:command("crash", 100)
    agent:await_log("crash runs", mark, 20)
  end)

  it("knows no type without a file, but the nearest", function()
    local agent = world.connected { handlers = { hello = answers "one" } }
    local status, out, err = ask(agent, "reload", "helo")
    assert.are.same({ 1, "", "kaalua: reload: there is no handler helo, did you mean hello?\n" },
      { status, out, err })
    status, out, err = ask(agent, "reload", "reboot")
    assert.are.same({ 1, "", "kaalua: reload: there is no handler reboot\n" }, { status, out, err })
  end)

  it("waits for a file that loads slowly", function()
    local agent = world.connected { handlers = { hello = answers "one" } }
    agent:save("busy", "local t = os.clock() while os.clock() - t < 1 do end " .. answers "busy")
    local status, out = ask(agent, "reload", "busy")
    assert.are.same({ 0, "busy         in service (new)\n" }, { status, out })
  end)

  it("is no way to load anything while the agent ends", function()
    local agent, platform = world.connected {
      handlers = { nap = "return function() print 'begun' kaa.sleep(4) end" },
    }
    platform:command("nap", 1)
    agent:await_log "begun"
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    local status, _, err = ask(agent, "reload")
    assert.are.equal(75, status)
    assert.is_truthy(err:find("while the agent ends", 1, true), err)
    assert.are.equal(0, agent.process:await_end(20).code)
  end)

  it("expects types as texts", function()
    local agent = world.connected { handlers = {} }
    local client, heard = uv.new_pipe(false), ""
    client:connect(agent.state .. "/control", function()
      client:read_start(function(_, data) heard = heard .. (data or "") end)
      client:write '{"ask":"reload","types":[3]}\n'
    end)
    loop.await("an answer", function() return heard:find "\n" end, 20)
    client:close()
    assert.are.equal(2, cjson.decode(heard).status)
  end)
end)
