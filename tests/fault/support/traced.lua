-- The agent under strace, to fail or end it at its n-th system call, and to read
-- afterwards what came before what. The agent stays our own child (strace -D).
--
--   traced.start(agent, { calls = "fdatasync", output = path,
--     inject = "fdatasync:signal=SIGKILL:when=3" })
--
-- strace counts the calls of each thread for itself.
local folder = require "support.folder"
local process = require "support.process"

local traced = {}

traced.STRACE = "/usr/bin/strace"

--- Starts an agent like agent:start().
---@param agent table
---@param options {calls: string, output: string, inject: string?}
function traced.start(agent, options)
  local arguments = { "-D", "-f", "-qq", "-yy", "-s", "400", "-o", options.output,
    "-e", "trace=" .. options.calls }
  if options.inject then
    arguments[#arguments + 1] = "-e"
    arguments[#arguments + 1] = "inject=" .. options.inject
  end
  arguments[#arguments + 1] = agent.program
  for _, each in ipairs(agent.arguments) do
    arguments[#arguments + 1] = each
  end
  local env = { ASAN_OPTIONS = "detect_leaks=0" } -- which traces, and cannot where strace does
  for name, value in pairs(agent.options.env or {}) do
    env[name] = value
  end
  agent.process = process.start(traced.STRACE, arguments, { env = env })
  return agent
end

--- The calls of a trace, in order of their begin: {pid, name, text, begins, ends}; the
--- last two are lines, `ends` nil where it never returned.
function traced.read(path)
  local calls, open, at = {}, {}, 0
  for line in (folder.read(path) or ""):gmatch "[^\n]+" do
    at = at + 1
    local pid, rest = line:match "^(%d+) +(.*)$"
    local resumed = rest and rest:match "^<%.%.%. [%w_]+ resumed>(.*)$"
    local name = rest and rest:match "^([%w_]+)%("
    if resumed and open[pid] then
      open[pid].text = open[pid].text .. resumed
      open[pid].ends = at
      open[pid] = nil
    elseif name then
      local call = { pid = tonumber(pid), name = name, text = rest, begins = at }
      calls[#calls + 1] = call
      if rest:find "<unfinished %.%.%.>$" then
        open[pid] = call
      else
        call.ends = at
      end
    end
  end
  return calls
end

--- How often the busiest thread made this call.
function traced.count_most(path, name)
  local counts, most = {}, 0
  for _, call in ipairs(traced.read(path)) do
    if call.name == name then
      counts[call.pid] = (counts[call.pid] or 0) + 1
      most = math.max(most, counts[call.pid])
    end
  end
  return most
end

return traced
