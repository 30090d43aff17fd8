-- The wall clock that an agent sees (tests/fault/wall_clock.c); the test sets it.
--
--   local wall = Wall.create(world.folder_for "wall")
--   Desk.create { env = wall.env }
--   wall:set(Wall.AT_1970)
local agent = require "support.agent"
local folder = require "support.folder"

local wall = {}
wall.__index = wall

wall.LIBRARY = agent.build .. "/tests/wall_clock.so"

local YEAR_S = 365 * 24 * 3600
wall.TEN_YEARS_S = 10 * YEAR_S

function wall.create(path)
  local self = setmetatable({ path = path .. "/offset" }, wall)
  self.env = { LD_PRELOAD = wall.LIBRARY, WALL_CLOCK = self.path }
  self:shift(0)
  return self
end

--- The agent's clock is `seconds` ahead of ours; behind where negative. The file is
--- written in place: the agent has it mapped.
function wall:shift(seconds)
  local file = io.open(self.path, "r+b") or assert(io.open(self.path, "wb"))
  assert(file:write(("<i8"):pack(math.floor(seconds * 1000))))
  file:close()
end

--- The first minute of 1970, as a machine without a battery believes when it starts.
function wall:go_1970()
  self:shift(60 - os.time())
end

return wall
