-- The handler files of the attacks, from the body of their `run(c)`; `at` is the payload:
-- the folders and processes that are aimed at (support/escape.lua).
local write = {}

local function file(keys)
  return function(body)
    return ("return { %srun = function(c)\nlocal at = c.payload;\n%s\nend }"):format(keys, body)
  end
end

write.plain = file ""
write.short = file "timeout_s = 0.3, "
write.small = file "memory_mib = 8, "
write.writes = file 'needs = { "write" }, '
write.writes_short = file 'needs = { "write" }, timeout_s = 0.3, '
write.executes = file 'needs = { "exec" }, '
write.executes_short = file 'needs = { "exec" }, timeout_s = 0.3, '
write.native = file 'needs = { "native" }, '

return write
