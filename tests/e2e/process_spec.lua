-- What handlers start, what it inherits, and how all of it ends.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local world = require "support.world"

-- A time to sleep that only processes of this test have on their command line.
local function unique(n)
  return ("86399.%d%02d"):format(uv.os_getpid(), n)
end

-- How many sleepers from the first to the last number live.
local function living(first, last)
  local count = 0
  for n = first, last do
    count = count + #world.process.with_arguments("sleep", unique(n))
  end
  return count
end

-- Starts sleepers in every way that escapes from a group or from a parent.
local function escape_script(n)
  return ("sleep %s & setsid sleep %s & (setsid sh -c 'sleep %s & sleep %s' &) ; "
    .. "(sh -c '(setsid sleep %s &) &') "):format(
    unique(n), unique(n + 1), unique(n + 2), unique(n + 3), unique(n + 4)
  ):gsub("&", ">/dev/null 2>&1 &")
end

local function executes(timeout_s, script)
  return ("return { timeout_s = %g, needs = { 'exec' }, run = function()"
    .. " local r = assert(kaa.exec { '/bin/sh', '-c', %q }) return 200, 'OK', r.stdout end }")
    :format(timeout_s, script)
end

describe("what a handler starts", function()
  after_each(world.clear)

  it("ends with the time limit, while another command's lives on", function()
    local agent, platform = world.connected {
      handlers = {
        leaves = executes(2, escape_script(0) .. "; sleep " .. unique(5)),
        keeps = executes(30, "sleep " .. unique(10)),
      },
    }
    platform:command("keeps", 1)
    platform:command("leaves", 1)
    world.loop.await("all sleepers", function() return living(0, 5) >= 6 and living(10, 10) > 0 end)
    assert.are.equal(504, platform:await_result("leaves", 1).statusCode)
    world.loop.await("the end of all that was left", function() return living(0, 5) == 0 end)
    assert.is_true(living(10, 10) > 0)
    agent:stop()
    world.loop.await("the end of the other, too", function() return living(10, 10) == 0 end)
  end)

  it("and leaves behind ends when the program is done", function()
    local _, platform = world.connected {
      handlers = { leaves = executes(20, escape_script(20) .. "; echo done") },
    }
    local result = platform:call("leaves", 1)
    assert.are.equal("done\n", result.payload, result.reasonPhrase)
    world.loop.await("the end of what was left", function() return living(20, 24) == 0 end)
  end)

  it("ends with an agent that is killed", function()
    local agent, platform = world.connected {
      handlers = {
        leaves = executes(60, escape_script(30) .. "; sleep " .. unique(35)),
        sleeps = "return function() print 'begun' kaa.sleep(30) end",
      },
    }
    platform:command("leaves", 1)
    platform:command("sleeps", 1)
    agent:await_log "sleeps%s+begun"
    world.loop.await("all sleepers", function() return living(30, 35) >= 6 end)
    local below = agent:descendants()
    assert.is_true(#below >= 8, "leaders, workers and sleepers")
    agent.process:kill "sigkill"
    agent.process:await_end()
    agent.expects_failure = true
    world.loop.await("the end of all beneath the agent", function()
      for _, each in ipairs(below) do
        local state = world.folder.read(("/proc/%d/stat"):format(each.pid))
        if state and not state:find "%) Z" then
          return false
        end
      end
      return living(30, 35) == 0
    end)
  end)

  it("inherits no descriptors and no environment", function()
    local agent, platform = world.connected {
      env = { KAALUA_E2E_SECRET = "do not tell" },
      handlers = {
        looks = executes(20, "ls /proc/$$/fd; env"),
        sleeps = "return function() print 'begun' kaa.sleep(3) end",
      },
    }
    local seen = platform:call("looks", 1).payload
    local fds, environment = seen:match "^([%d\n]*)\n(.*)$"
    for fd in fds:gmatch "%d+" do
      assert.is_true(tonumber(fd) <= 2 or fd == "10", "descriptor " .. fd)
    end
    assert.is_nil(environment:find("do not tell", 1, true))
    platform:command("sleeps", 1)
    agent:await_log "sleeps%s+begun"
    local pid = agent:await_worker()
    for name in uv.fs_scandir_next, uv.fs_scandir(("/proc/%d/fd"):format(pid)) do
      local hands_over = name == "7" -- base/worker_frames.h
      assert.is_true(tonumber(name) <= 4 or hands_over, "descriptor " .. name .. " of a worker")
    end
    local inherited = world.folder.read(("/proc/%d/environ"):format(pid))
    assert.is_nil(inherited:find("do not tell", 1, true))
  end)

  it("gets its input, and both its outputs are drained", function()
    local _, platform = world.connected {
      handlers = {
        pours = "return { needs = { 'exec' }, run = function()"
          .. " local r = assert(kaa.exec({ '/bin/sh', '-c', 'cat | wc -c;"
          .. " yes | head -c 3000000 >&2; yes | head -c 3000000' },"
          .. " { stdin = ('x'):rep(500000), max_output = 10000 }))"
          .. " return 200, 'OK', { r.stdout:match '%d+', #r.stdout < 11000, #r.stderr < 11000 }"
          .. " end }",
      },
    }
    local result = platform:call("pours", 1, nil, 20)
    assert.are.same({ "500000", true, true }, result.payload, result.reasonPhrase)
  end)

  it("shows what its answer is while others run, in parallel", function()
    local _, platform = world.connected {
      handlers = { a = executes(20, "sleep 1; echo a"), b = executes(20, "sleep 1; echo b") },
    }
    local started = world.loop.now_ms()
    platform:command("a", 1)
    platform:command("b", 1)
    assert.are.equal("a\n", platform:await_result("a", 1).payload)
    assert.are.equal("b\n", platform:await_result("b", 1).payload)
    assert.is_true(world.loop.now_ms() - started < 1900)
  end)
end)
