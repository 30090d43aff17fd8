-- Short or long: `tests/run soak` sets KAALUA_SOAK. And what a test needs that not
-- every machine has.
local uv = require "luv"

local soak = {}

soak.is_on = os.getenv "KAALUA_SOAK" == "1"

--- The first in `tests/run`, the second in `tests/run soak`.
function soak.choose(short, long)
  return soak.is_on and long or short
end

local seed = tonumber(os.getenv "KAALUA_SEED") or math.random(1, 2 ^ 31)
math.randomseed(seed)

--- Printed with what was measured, so that KAALUA_SEED repeats the choices.
soak.seed = seed

--- Why a test cannot be run here; nil where it can.
---@param needs {root: boolean?, programs: string[]?}
function soak.obstacle(needs)
  if needs.root and uv.getuid() ~= 0 then
    return "needs root"
  end
  for _, program in ipairs(needs.programs or {}) do
    if not uv.fs_access(program, "X") then
      return "needs " .. program
    end
  end
  return nil
end

return soak
