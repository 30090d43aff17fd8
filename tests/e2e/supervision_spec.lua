-- How the host keeps its handlers: long queues, workers that stand still, files
-- that change at bad moments, what programs leave behind.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local world = require "support.world"

local ECHO = "return function(c) return 200, 'OK', c.payload end"

local function array(first, last)
  local elements = {}
  for id = first, last do
    elements[#elements + 1] = ('{"id":%d}'):format(id)
  end
  return "[" .. table.concat(elements, ",") .. "]"
end

local function count_files(path)
  local listing, count = assert(uv.fs_scandir(path)), 0
  while uv.fs_scandir_next(listing) do
    count = count + 1
  end
  return count
end

local function await_count(platform, kind, count, deadline_s)
  world.loop.await(count .. " results of " .. kind, function()
    local seen = 0
    for _, result in ipairs(platform.results) do
      seen = seen + (result.type == kind and 1 or 0)
    end
    return seen >= count
  end, deadline_s)
end

-- What loaded the files at the start goes once that is done.
local function await_workers(agent, count)
  world.loop.await(count .. " workers", function() return #agent:workers() == count end)
end

local function await_only_worker(agent)
  await_workers(agent, 1)
  return agent:await_worker()
end

-- A file that loads for so long.
local function save_slow(agent, seconds)
  await_workers(agent, 0)
  agent:save("slow", ("local t = os.clock() + %g while os.clock() < t do end "):format(seconds) .. ECHO)
end

describe("the host", function()
  after_each(world.clear)

  it("answers a long queue of a type that runs nothing", function()
    local _, platform = world.connected {
      handlers = {
        broken = "return { rum = 1 }",
        crashes = "return function() os.exit(7) end",
      },
    }
    for _, kind in ipairs { "unknown", "broken", "crashes" } do
      platform:push(kind, array(1, 200))
      await_count(platform, kind, 200, 20)
    end
    assert.are.equal(501, platform:results_of("unknown", 200)[1].statusCode)
    assert.are.equal(503, platform:results_of("broken", 200)[1].statusCode)
    local last = platform:results_of("crashes", 200)[1]
    assert.are.equal(503, last.statusCode)
    assert.is_truthy(last.reasonPhrase:find("^Quarantined: .*Handler exited with 7"))
  end)

  it("keeps nothing of the programs that a command has run", function()
    local agent, platform = world.connected {
      handlers = {
        many = [[return { needs = { "exec" }, timeout_s = 60, run = function()
          for _ = 1, 150 do assert(kaa.exec { "/bin/true" }) end
          print "ran"
          kaa.sleep(3)
        end }]],
      },
    }
    platform:command("many", 1)
    agent:await_log("many%s+ran", nil, 50)
    world.loop.await("the last leaders to go", function()
      return #agent:descendants() <= 6
        and count_files(("/proc/%d/fd"):format(agent.process.pid)) < 60
    end, 2)
    assert.are.equal(200, platform:await_result("many", 1).statusCode)
  end)

  it("lets a detached program live, and print, after the command", function()
    local agent, platform = world.connected {
      handlers = {
        later = [[return { needs = { "exec" }, run = function(c)
          assert(kaa.exec({ "/bin/sh", "-c", "read x < " .. c.payload .. ".go; echo hi; echo done > "
            .. c.payload .. ".done" }, { detach = true }))
        end }]],
      },
    }
    local mark = agent.folder .. "/mark"
    os.execute("mkfifo " .. mark .. ".go")
    assert.are.equal(200, platform:call("later", 1, '"' .. mark .. '"').statusCode)
    local go = assert(io.open(mark .. ".go", "w"))
    go:write "now\n"
    go:close()
    world.loop.await("the detached program's end", function()
      return world.folder.read(mark .. ".done") ~= nil
    end)
  end)

  it("asks no command to stop for the time of the one before it", function()
    local agent, platform = world.connected {
      handlers = {
        nap = [[return { timeout_s = 2, run = function(c)
          print("ran", c.id)
          kaa.sleep(c.id >= 100 and 1.5 or 0)
        end }]],
      },
    }
    platform:push("nap", array(1, 40)) -- fast ones: the worker is given many at once
    platform:await_result("nap", 40)
    platform:push("nap", array(100, 101))
    agent:await_log "nap%s+ran%s+100"
    agent.process:kill "sigstop"
    local stopped = uv.hrtime()
    world.loop.await("more than half of the second's time", function()
      return uv.hrtime() - stopped > 2.7e9
    end)
    agent.process:kill "sigcont"
    assert.are.equal(200, platform:await_result("nap", 100).statusCode)
    assert.are.equal(200, platform:await_result("nap", 101).statusCode)
  end)

  it("gives up a worker that does not begin, and runs the command in another", function()
    local agent, platform = world.connected { handlers = { echo = ECHO } }
    platform:call("echo", 1, "1")
    local stopped = agent:await_worker()
    os.execute("kill -STOP " .. stopped)
    assert.are.equal(2, platform:call("echo", 2, "2", 10).payload)
  end)

  it("gives up a worker that does not begin a tick, too", function()
    local agent, platform = world.connected {
      handlers = {
        both = "return { every_s = 1, tick = function() end, run = function() return 200 end }",
      },
    }
    platform:call("both", 1)
    os.execute("kill -STOP " .. await_only_worker(agent))
    agent:await_log("both%s+Handler crashed: its worker stands still", nil, 12)
    assert.are.equal(200, platform:call("both", 2).statusCode)
  end)

  it("answers what waits when the file that was being loaded is refused", function()
    local agent, platform = world.connected { handlers = { echo = ECHO } }
    save_slow(agent, 1.5)
    world.loop.await("its worker", function() return #agent:workers() >= 1 end)
    platform:command("slow", 1)
    os.execute("chmod o+w " .. agent.folder .. "/handlers/slow.lua")
    local result = platform:await_result("slow", 1, 10)
    assert.are.equal(503, result.statusCode)
    assert.is_truthy(result.reasonPhrase:find("chmod o-w", 1, true))
  end)

  it("loads again what did not load because its worker was ended", function()
    local agent, platform = world.connected { handlers = { echo = ECHO } }
    save_slow(agent, 0.5)
    os.execute("kill -KILL " .. agent:await_worker())
    agent:await_log("Handler crashed: SIGKILL while the file was loaded.*its commands wait")
    assert.are.equal(200, platform:call("slow", 1, nil, 20).statusCode)
    agent:await_log "slow%s+in service"
  end)

  it("answers what waits for a file whose loading was ended three times in a row", function()
    local agent, platform = world.connected { handlers = { echo = ECHO } }
    save_slow(agent, 0.5)
    for n = 1, 3 do
      local from, worker = agent:mark(), agent:await_worker()
      assert.are.equal(0, #platform:results_of("slow", 1))
      os.execute("kill -KILL " .. worker)
      agent:await_log("SIGKILL while the file was loaded", from)
      if n == 1 then
        platform:command("slow", 1)
      end
    end
    local result = platform:await_result("slow", 1)
    assert.are.equal(503, result.statusCode)
    assert.is_truthy(result.reasonPhrase:find "SIGKILL while the file was loaded")
    agent:await_log("slow%s+in service", nil, 20)
    assert.are.equal(200, platform:call("slow", 2).statusCode)
  end)

  it("answers 501 for what still waits when a file is removed", function()
    local agent, platform = world.connected {
      handlers = { nap = "return function() kaa.sleep(0.5) return 200 end" },
    }
    platform:push("nap", array(1, 20))
    platform:await_result("nap", 1)
    agent:remove "nap"
    assert.are.equal(501, platform:await_result("nap", 20, 8).statusCode)
  end)

  it("keeps no worker of files that nobody asked for, and stops idle ones", function()
    local handlers = {}
    for n = 1, 12 do
      handlers["type" .. n] = ECHO
    end
    local agent, platform = world.connected {
      handlers = handlers, config = "return { worker_idle_s = 1 }",
    }
    world.loop.await("no worker", function() return #agent:workers() == 0 end, 3)
    platform:call("type3", 1, "1")
    assert.is_true(#agent:workers() > 0)
    world.loop.await("no worker again", function() return #agent:workers() == 0 end, 4)
  end)

  it("answers a command that only the host can end without waiting for other events", function()
    local _, platform = world.connected {
      handlers = {
        stuck = [[return { timeout_s = 0.5, run = function()
          return 200, "OK", (string.rep("a", 200) .. "b"):find(("a-"):rep(40) .. "c")
        end }]],
      },
    }
    assert.are.equal(504, platform:call("stuck", 1, nil, 2.2).statusCode)
  end)

  it("writes no token to the log, not even at debug", function()
    local agent, platform = world.connected {
      handlers = { echo = ECHO }, config = 'return { log_level = "debug" }',
      token = "secret-token-123456",
    }
    platform:command("echo", 1, "1", "secret-token-123456")
    platform:await_result("echo", 1, nil, "secret-token-123456")
    assert.is_truthy(agent:log():find("publish", 1, true))
    assert.is_nil(agent:log():find("secret-token-123456", 1, true))
  end)
end)
