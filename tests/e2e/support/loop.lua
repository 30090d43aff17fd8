-- The event loop of a test: straight-line code that waits for what happens.
local uv = require "luv"

local loop = {}

local POLL_MS = 10 -- for what no event announces: files, other processes

--- Milliseconds that only go forward.
function loop.now_ms()
  return uv.hrtime() / 1e6
end

--- Runs the loop until `predicate` returns something true, and returns that.
--- Raises "waited N s for WHAT" after `deadline_s` seconds (default 10; more
--- under the sanitizers, which KAALUA_SLOWNESS tells).
---@param what string
---@param predicate fun(): any
---@param deadline_s number?
function loop.await(what, predicate, deadline_s)
  deadline_s = (deadline_s or 10) * (tonumber(os.getenv "KAALUA_SLOWNESS") or 1)
  local ends_ms = loop.now_ms() + deadline_s * 1000
  local ticker = uv.new_timer()
  ticker:start(POLL_MS, POLL_MS, function() end)
  local found
  repeat
    found = predicate()
    if not found then
      uv.run "once"
    end
  until found or loop.now_ms() > ends_ms
  ticker:close()
  if not found then
    found = predicate()
  end
  if not found then
    error(("waited %g s for %s"):format(deadline_s, what), 2)
  end
  return found
end

--- Lets the loop run for a while: only to see that something does not happen.
function loop.watch(seconds, happened)
  local ends_ms = loop.now_ms() + seconds * 1000
  loop.await("the end of a watch", function()
    return happened and happened() or loop.now_ms() >= ends_ms
  end, seconds + 5)
end

--- Lets what was closed finish closing.
function loop.settle()
  for _ = 1, 100 do
    if not uv.run "nowait" then
      return
    end
  end
end

return loop
