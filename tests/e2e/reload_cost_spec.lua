-- What reloading costs the host: nothing that stays.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local world = require "support.world"

local RELOADS = 1000
local LIMIT_KB = 200

local function descriptors(pid)
  local listing, count = assert(uv.fs_scandir(("/proc/%d/fd"):format(pid))), 0
  while uv.fs_scandir_next(listing) do
    count = count + 1
  end
  return count
end

local function private_kb(pid)
  local text = assert(world.folder.read(("/proc/%d/smaps_rollup"):format(pid)))
  return tonumber(text:match "Private_Clean:%s*(%d+)")
    + tonumber(text:match "Private_Dirty:%s*(%d+)")
end

describe("the host", function()
  after_each(world.clear)

  it(("has after %d reloads what it had after 10"):format(RELOADS), function()
    local agent, platform = world.connected {
      handlers = {
        hello = "return function() return 200, 'OK', 0 end",
        uses = "local v = require 'valve' return function() return 200, 'OK', v end",
        ["lib/valve"] = "return 0",
      },
    }
    local pid = agent.process.pid
    if not pcall(private_kb, pid) then
      pending "the agent's memory cannot be read: root is needed"
      return
    end
    local mark = agent:mark()
    local seen = 0

    local function count_reloads()
      local from = mark
      while true do
        local first, last = agent:log():find("changed version is in service", from, true)
        if not first then
          break
        end
        seen, from = seen + 1, last + 1
      end
      mark = from
      return seen
    end

    -- One change of a handler, or of the library of another: one reload.
    local function reload(n)
      if n % 2 == 0 then
        agent:save("hello",
          ("return function() return 200, 'OK', %d end -- %s"):format(n, ("x"):rep(2000)))
      else
        agent:save("lib/valve", ("return %d -- %s"):format(n, ("x"):rep(2000)))
      end
      world.loop.await(("reload %d"):format(n), function() return count_reloads() >= n end, 20)
    end

    -- The last worker of the version before is gone, and what is kept across restarts is
    -- written: what is left is the same each time.
    local function at_rest(most)
      local least = math.huge
      for _ = 1, 20 do
        world.loop.await("two workers, and the descriptors that there were", function()
          least = math.min(least, descriptors(pid))
          return #agent:workers() == 2 and least <= most
        end, 20)
      end
      return { least, private_kb(pid) }
    end

    for n = 1, 10 do
      reload(n)
    end
    local before = at_rest(math.huge)
    for n = 11, RELOADS do
      reload(n)
    end
    local after = at_rest(before[1])
    assert.are.equal(RELOADS, platform:call("hello", 1).payload)
    assert.are.equal(RELOADS - 1, platform:call("uses", 2).payload)
    assert.are.equal(RELOADS, count_reloads())
    print(("# measured: %d descriptors, %d kB private after 10 reloads, %d and %d kB after %d")
      :format(before[1], before[2], after[1], after[2], RELOADS))
    assert.are.equal(before[1], after[1])
    if not world.Agent.is_sanitized() then
      assert.is_true(after[2] - before[2] <= LIMIT_KB, ("%d kB more"):format(after[2] - before[2]))
    end
  end)
end)
