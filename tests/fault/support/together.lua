-- Scenarios that mostly wait, played at the same time; each is straight-line code that
-- waits with loop.await as any test, and is judged by a test of its own:
--
--   local together = Together.describe(Desk.clear)
--   together("a platform that hangs is left", function() … end)
--   together:play()       -- last in its describe
local busted = require "busted"
local loop = require "support.loop"

local together = {}
together.__index = together

local await_alone = loop.await

-- In a scenario others go on meanwhile.
local function await_together(what, predicate, deadline_s)
  if coroutine.isyieldable() and together.is_playing then
    deadline_s = (deadline_s or 10) * (tonumber(os.getenv "KAALUA_SLOWNESS") or 1)
    local ends_ms = loop.now_ms() + deadline_s * 1000
    while true do
      local is_late = loop.now_ms() > ends_ms
      local found = predicate()
      if found then
        return found
      elseif is_late then
        error(("waited %g s for %s"):format(deadline_s, what), 2)
      end
      coroutine.yield()
    end
  end
  return await_alone(what, predicate, deadline_s)
end

local function step(scenario)
  local done, message = coroutine.resume(scenario.thread)
  if not done then
    local text = type(message) == "table" and (message.message or tostring(message)) or message
    scenario.failure = tostring(text) .. "\n" .. debug.traceback(scenario.thread)
  end
  return coroutine.status(scenario.thread) == "dead"
end

local function play(self)
  loop.await, together.is_playing = await_together, true
  for _, scenario in ipairs(self.list) do
    scenario.thread = coroutine.create(scenario.body)
  end
  local left = #self.list
  await_alone("all scenarios", function()
    for _, scenario in ipairs(self.list) do
      if not scenario.is_over and step(scenario) then
        scenario.is_over, left = true, left - 1
      end
    end
    return left == 0
  end, 1200)
  loop.await, together.is_playing = await_alone, false
end

---@param clear function ends and removes what the scenarios started
function together.describe(clear)
  return setmetatable({ list = {}, clear = clear }, together)
end

function together:__call(name, body)
  table.insert(self.list, { name = name, body = body })
end

--- Declares the tests: to be called within describe, when all scenarios are told.
function together:play()
  busted.setup(function() play(self) end)
  busted.teardown(self.clear)
  for _, scenario in ipairs(self.list) do
    busted.it(scenario.name, function()
      assert(not scenario.failure, scenario.failure)
    end)
  end
end

return together
