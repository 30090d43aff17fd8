-- What handlers did to the world: a file per kind of effect, to which a handler
-- appends one line, the command's id, in one write (O_APPEND).
--
--   local effects = Effects.create(world.folder_for "effects")
--   handlers = { quick = effects:quick(), … }
--   effects:count("quick")[id]
local folder = require "support.folder"

local effects = {}
effects.__index = effects

--- How often a handler with on_interrupt = "retry" may be run for one command.
effects.MAX_ATTEMPTS = 3

---@param path string an empty folder
function effects.create(path)
  return setmetatable({ path = path }, effects)
end

local PROLOGUE = [[
local function effect(name, id)
  local file = assert(io.open(%q .. "/" .. name, "a"))
  assert(file:write(("%%d\n"):format(id)))
  assert(file:close())
end
]]

--- A handler's file: `text` calls effect(NAME, id).
function effects:handler(text)
  return PROLOGUE:format(self.path) .. text:gsub("WRITE", ("{ write = { %q } }"):format(self.path))
end

--- One effect, at once.
function effects:quick(name)
  return self:handler(([[return { needs = WRITE, run = function(c)
    effect(%q, c.id)
    return 200, "OK", { by = "run" }
  end }]]):format(name or "quick"))
end

--- One effect in the middle of `seconds`.
function effects:slow(name, seconds)
  return self:handler(([[return { needs = WRITE, run = function(c)
    kaa.sleep(%g)
    effect(%q, c.id)
    kaa.sleep(%g)
    return 200, "OK", { by = "run" }
  end }]]):format(seconds / 2, name or "slow", seconds / 2))
end

--- One effect in the middle of 20 ms, in so many workers.
function effects:beside(name, workers)
  return self:handler(([[return { needs = WRITE, workers = %d, run = function(c)
    kaa.sleep(0.01)
    effect(%q, c.id)
    kaa.sleep(0.01)
    return 200, "OK", { by = "run" }
  end }]]):format(workers, name))
end

--- Effects NAME (before its checkpoint), NAME-mid and, where it was interrupted
--- behind the checkpoint, NAME-resume.
function effects:steps(name)
  return self:handler(([[return {
  needs = WRITE,
  on_interrupt = "resume",
  run = function(c)
    effect("NAME", c.id)
    kaa.checkpoint { step = 1 }
    effect("NAME-mid", c.id)
    kaa.sleep(0.02)
    return 200, "OK", { by = "run" }
  end,
  resume = function(c, saved)
    effect("NAME-resume", c.id)
    assert(saved.step == 1)
    return 200, "OK", { by = "resume" }
  end,
}]]):gsub("NAME", name or "steps"))
end

--- An effect for each time that it is run.
function effects:again(name)
  return self:handler(([[return { needs = WRITE, on_interrupt = "retry", run = function(c)
    effect(%q, c.id)
    kaa.sleep(0.02)
    return 200, "OK", { by = "run" }
  end }]]):format(name or "again"))
end

--- id → how often; and the number of lines. A line that is no id is a fault.
function effects:count(name)
  local counts, total = {}, 0
  for line in (folder.read(self.path .. "/" .. name) or ""):gmatch "([^\n]*)\n" do
    local id = assert(math.tointeger(tonumber(line)), "an effect that is no id: " .. line)
    counts[id] = (counts[id] or 0) + 1
    total = total + 1
  end
  return counts, total
end

return effects
