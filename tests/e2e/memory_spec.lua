-- What the host costs once it has nothing to do.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local COMMANDS, HANDLERS = 10000, 20
local LIMIT_KB = 7.5 * 1024 -- the goal is 6 MB

describe("the host", function()
  after_each(world.clear)

  -- The sanitizers' own memory would be measured.
  if world.Agent.is_sanitized() then
    COMMANDS = 1000
  end

  it(("needs at most 7.5 MB after %d commands, idle, and no worker"):format(COMMANDS), function()
    local handlers = {}
    for n = 1, HANDLERS do
      handlers["type" .. n] = "return function(c) return 200, 'OK', c.payload end"
    end
    local agent, platform = world.connected { handlers = handlers, config = "return { worker_idle_s = 2 }" }
    local fresh_kb = world.process.status(agent.process.pid, "VmRSS")
    for first = 1, COMMANDS, 100 do
      local elements = {}
      for id = first, first + 99 do
        elements[#elements + 1] =
          ('{"id":%d,"payload":{"n":%d,"text":"some payload"}}'):format(id, id)
      end
      local kind = "type" .. first // 100 % HANDLERS + 1
      platform:push(kind, "[" .. table.concat(elements, ",") .. "]")
      world.loop.await("the results up to " .. first, function()
        return #platform.results >= first - 400
      end, 30)
    end
    world.loop.await("all results", function() return #platform.results >= COMMANDS end, 30)
    assert.are.equal(COMMANDS, #platform.results)
    world.loop.await("the last worker to stop", function() return #agent:workers() == 0 end, 80)
    local function resident_kb()
      return world.process.status(agent.process.pid, "VmRSS")
    end
    local busy_kb = resident_kb()
    if not world.Agent.is_sanitized() then
      world.loop.await("idle memory to be given back", function()
        return resident_kb() <= LIMIT_KB and resident_kb() < busy_kb - 256
      end, 20)
    end
    print(("# measured: resident memory of the host: %d kB fresh, %d kB after %d commands, %d kB idle")
      :format(fresh_kb, busy_kb, COMMANDS, resident_kb()))
  end)
end)
