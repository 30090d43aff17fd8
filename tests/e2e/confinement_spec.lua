-- Whom handlers run as, what is told of what the machine enforces, and what the agent's
-- processes show of themselves. What the kernel refuses: tests/unit/worker_confine_test.c.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local Agent, loop, process = world.Agent, world.loop, world.process

local NOBODY = 65534

local HANDLERS = {
  who = [[
return {
  needs = { "write", exec = { "/usr/bin/id" } },
  run = function(command)
    local text = io.open "/proc/self/status":read "a"
    local file = io.open(command.payload, "w")
    return 200, "OK", {
      uid = math.tointeger(text:match "Uid:%s+(%d+)"),
      executed = kaa.exec({ "/usr/bin/id", "-u" }).stdout,
      wrote = file ~= nil,
    }
  end,
}]],
  loop = "return { timeout_s = 1, run = function()\n  while true do end\nend }",
}

local function is_root()
  return uv.getuid() == 0
end

local function status_of(agent)
  local _, out = process.run(Agent.program, { "status", "--json", "--state", agent.state }, nil, 20)
  local _, shown = process.run(Agent.program, { "status", "--state", agent.state }, nil, 20)
  return cjson.decode(out).confinement, shown
end

describe("a handler", function()
  after_each(world.clear)

  it("runs as the user of the configuration, what it executes as the agent's", function()
    if not is_root() then
      return pending "needs root"
    end
    local agent, platform = world.connected {
      handlers = HANDLERS, config = 'return { handler_user = "nobody" }',
    }
    local secret = world.folder.write(world.folder_for "root" .. "/file", "of root")
    platform:command("who", 1, cjson.encode(secret))
    local result = platform:await_result("who", 1)
    assert.are.same({ uid = NOBODY, executed = "0\n", wrote = false }, result.payload)
    assert.are.equal("of root", world.folder.read(secret))
    platform:command("loop", 2)
    assert.are.equal("Timed out after 1 s at loop.lua:2",
      platform:await_result("loop", 2).reasonPhrase)
    platform:command("who", 3, cjson.encode(secret))
    assert.are.equal(NOBODY, platform:await_result("who", 3).payload.uid)
    local told, shown = status_of(agent)
    assert.are.same({ "nobody", false }, { told.user, told.user_is_own })
    assert.matches("\nhandler user +nobody\n", shown)
    assert.is_nil(agent:log():find("what=\"user:", 1, true))
  end)

  it("runs as the agent's own user where that is named, which is told", function()
    local _, name = process.run("/usr/bin/id", { "-un" }, nil, 20)
    name = name:gsub("\n", "")
    local agent, platform = world.connected {
      handlers = HANDLERS, config = ("return { handler_user = %q }"):format(name),
    }
    platform:command("who", 1, [["/nowhere/file"]])
    assert.are.equal(uv.getuid(), platform:await_result("who", 1).payload.uid)
    local told, shown = status_of(agent)
    assert.are.same({ name, true }, { told.user, told.user_is_own })
    assert.matches("\nhandler user +" .. name .. "\n.*not enforced .*user: handlers run as", shown)
    assert.matches("not enforced on this machine +what=\"user: handlers run as",
      agent:await_log "not enforced on this machine")
  end)
end)

describe("a handler that writes", function()
  after_each(world.clear)

  it("is loaded once more where the kernel knows what it needs", function()
    local folder = world.folder_for "handlers"
    world.folder.write(folder .. "/pids.lua", [[
local pid = io.open "/proc/self/stat":read "a":match "^%d+"
print("loaded in " .. pid .. ".")
return { needs = { "write" }, run = function() return 200, "OK", pid end }]])
    local arguments = { "call", "pids", "--handlers", folder }
    local _, out, err = process.run(Agent.program, arguments, nil, 20)
    local first, second = err:match "loaded in (%d+)%..*loaded in (%d+)%."
    assert.is_truthy(second, err)
    assert.are_not.equal(first, second)
    assert.are.equal(('200 OK\n"%s"\n'):format(second), out)
  end)
end)

describe("handler_user", function()
  after_each(world.clear)

  local function refused(config, before)
    local agent = world.agent { url = "mqtt://127.0.0.1:9", handlers = HANDLERS, config = config }
    local path, arguments = Agent.program, agent.arguments
    if before then
      assert(os.execute("chmod 755 " .. agent.folder .. " " .. agent.folder .. "/.."))
      path, arguments = before[1], { table.unpack(before, 2) }
      arguments[#arguments + 1] = Agent.program
      table.move(agent.arguments, 1, #agent.arguments, #arguments + 1, arguments)
    end
    local code, _, err = process.run(path, arguments, nil, 20)
    return code, err
  end

  it("is kaalua-handler where nothing is said and that user exists", function()
    local folder = world.folder_for "handlers"
    local passwd = world.folder.write(folder .. "/passwd", world.folder.read "/etc/passwd"
      .. "kaalua-handler:x:64321:64322::/nonexistent:/usr/sbin/nologin\n")
    world.folder.write(folder .. "/ids.lua", [[
return function()
  local text = io.open "/proc/self/status":read "a"
  return 200, "OK", text:match "Uid:%s+(%d+)" .. ":" .. text:match "Gid:%s+(%d+)"
end]])
    local function call(...) -- with that file as /etc/passwd
      return process.run("/usr/bin/unshare", { "--mount", "/bin/sh", "-c",
        'mount --bind "$0" /etc/passwd && exec "$@"', passwd, ... }, nil, 20)
    end
    if not is_root() or call "/bin/true" ~= 0 then
      return pending "needs root and a mount namespace"
    end
    local _, out, err = call(Agent.program, "call", "ids", "--handlers", folder)
    assert.are.equal('200 OK\n"64321:64322"\n', out, err)
  end)

  it("is refused where there is no such user", function()
    local code, err = refused 'return { handler_user = "no-such-user" }'
    assert.are.equal(2, code)
    assert.matches('kaalua%.lua: handler_user: /etc/passwd has no user "no%-such%-user"\n', err)
  end)

  it("is refused where the agent may not switch to it", function()
    if not is_root() then
      return pending "needs root, to begin as another user"
    end
    local code, err = refused('return { handler_user = "daemon" }', {
      "/usr/bin/setpriv", "--reuid=" .. NOBODY, "--regid=" .. NOBODY, "--clear-groups",
      "--bounding-set=-all",
    })
    assert.are.equal(2, code, err)
    assert.matches('handler_user: to run handlers as \\?"daemon\\?" kaalua is started as root', err)
  end)
end)

describe("the agent's processes", function()
  after_each(world.clear)

  -- What /proc shows of a process that may not be looked into belongs to root.
  local function is_hidden(pid)
    local info = uv.fs_stat(("/proc/%d/mem"):format(pid))
    return not info or info.uid == 0 -- it may have ended
  end

  it("show their memory to no other process of their user", function()
    if not is_root() or Agent.is_sanitized() then
      return pending "needs root, to begin as another user, and no sanitizer"
    end
    local platform = world.http_platform()
    local agent = world.agent { url = platform:url(), handlers = HANDLERS,
      config = "return { poll_s = 0.1 }" }
    assert(os.execute("chmod 755 " .. agent.folder .. "/.. && chown -R 65534:65534 "
      .. agent.folder))
    local arguments = { "--reuid=" .. NOBODY, "--regid=" .. NOBODY, "--clear-groups",
      Agent.program, table.unpack(agent.arguments) }
    agent.process = process.start("/usr/bin/setpriv", arguments)
    agent:await_connected()
    platform:command("who", 1, cjson.encode(agent.folder .. "/file"))
    assert.are.equal(NOBODY, platform:await_result("who", 1).payload.uid)
    local expected = { "kaalua-http", "kaalua-leader", "kaalua-worker" }
    assert.is_true(is_hidden(agent.process.pid))
    loop.await("what all processes show", function()
      local seen = {}
      for _, each in ipairs(agent:descendants()) do
        local hidden = is_hidden(each.pid)
        seen[each.name] = seen[each.name] ~= false and hidden
      end
      return seen[expected[1]] and seen[expected[2]] and seen[expected[3]]
    end)
  end)
end)
