-- Child processes with their output captured, and what /proc tells of others.
local loop = require "support.loop"
local uv = require "luv"

local process = {}

-- What it printed is put together when somebody asks for it: a broker's log has megabytes.
function process.__index(self, key)
  local pieces = self.captured[key]
  if not pieces then
    return process[key]
  elseif #pieces > 1 then
    self.captured[key] = { table.concat(pieces) }
  end
  return self.captured[key][1] or ""
end

local function capture(self, name)
  local pipe = uv.new_pipe(false)
  self.captured[name] = {}
  self.open = self.open + 1
  return pipe, function()
    pipe:read_start(function(_, data)
      if data then
        table.insert(self.captured[name], data)
        if self.on_output then
          self.on_output(name, data)
        end
      else
        self.open = self.open - 1
        pipe:close()
      end
    end)
  end
end

local function environment(extra)
  local all, list = uv.os_environ(), {}
  for name, value in pairs(extra or {}) do
    all[name] = value
  end
  for name, value in pairs(all) do
    list[#list + 1] = name .. "=" .. value
  end
  return list
end

--- Starts a program. `self.stdout` and `self.stderr` grow as it writes;
--- `self.ended` is {code, signal} once it has ended. Both stay open while a
--- child of it holds them.
---@param path string
---@param arguments string[]
---@param options {env: table?, cwd: string?, stdin: boolean?, on_output: function?}?
function process.start(path, arguments, options)
  options = options or {}
  local self = setmetatable(
    { open = 0, captured = {}, on_output = options.on_output }, process)
  local out, read_out = capture(self, "stdout")
  local err, read_err = capture(self, "stderr")
  self.stdin = options.stdin and uv.new_pipe(false) or nil
  local handle, pid = uv.spawn(path, {
    args = arguments,
    stdio = { self.stdin, out, err },
    env = environment(options.env),
    cwd = options.cwd,
  }, function(code, signal)
    self.ended = { code = code, signal = signal }
    self.handle:close()
    if self.stdin then
      self.stdin:close()
      self.stdin = nil
    end
  end)
  if not handle then
    error(("cannot start %s: %s"):format(path, pid), 2)
  end
  self.handle, self.pid = handle, pid
  read_out()
  read_err()
  return self
end

--- Runs a program to its end; returns its exit status, or 128 + the signal, and
--- its two outputs.
function process.run(path, arguments, options, deadline_s)
  local self = process.start(path, arguments, options)
  local done, message = pcall(loop.await, path .. " to end", function()
    return self.ended and self.open == 0
  end, deadline_s)
  if not done then
    self:kill "sigkill"
    error(message .. "\n" .. self.stdout .. self.stderr, 2)
  end
  local ended = self.ended
  return ended.signal > 0 and 128 + ended.signal or ended.code, self.stdout, self.stderr
end

--- Writes to its standard input, where it still runs.
function process:write(text)
  if self.stdin then
    self.stdin:write(text)
  end
end

--- Sends a signal, where it still runs.
function process:kill(signal)
  if not self.ended then
    self.handle:kill(signal)
  end
end

--- Waits for its end; returns {code, signal}.
function process:await_end(deadline_s)
  return loop.await(("process %d to end"):format(self.pid), function()
    return self.ended
  end, deadline_s)
end

--- Asks it to end, and ends it where it does not within `patience_s`.
function process:stop(patience_s)
  self:kill "sigcont"
  self:kill "sigterm"
  if not pcall(self.await_end, self, patience_s or 15) then
    self:kill "sigkill"
    self:await_end()
    self.was_stuck = true
  end
  return self.ended
end

-- What /proc tells.

local function read_stat(pid)
  local file = io.open(("/proc/%d/stat"):format(pid), "rb")
  local text = file and file:read "a"
  if file then
    file:close()
  end
  if not text then
    return nil
  end
  local name, state, parent = text:match "%((.*)%) (%a) (%d+)"
  return name and { pid = pid, name = name, state = state, parent = tonumber(parent) }
end

--- All processes beneath `pid`, each {pid, name, state, parent}; zombies apart.
function process.descendants(pid)
  local children = {}
  local listing = uv.fs_scandir "/proc"
  for entry in function() return (uv.fs_scandir_next(listing)) end do
    local stat = entry:match "^%d+$" and read_stat(tonumber(entry))
    if stat and stat.state ~= "Z" then
      children[stat.parent] = children[stat.parent] or {}
      table.insert(children[stat.parent], stat)
    end
  end
  local found, at = { { pid = pid } }, 1
  while found[at] do
    for _, child in ipairs(children[found[at].pid] or {}) do
      found[#found + 1] = child
    end
    at = at + 1
  end
  table.remove(found, 1)
  return found
end

--- The pids of processes, anywhere, whose command line is exactly this.
---@param ... string program and arguments
function process.with_arguments(...)
  local wanted, pids = table.concat({ ... }, "\0") .. "\0", {}
  local listing = uv.fs_scandir "/proc"
  for entry in function() return (uv.fs_scandir_next(listing)) end do
    local file = entry:match "^%d+$" and io.open(("/proc/%s/cmdline"):format(entry), "rb")
    if file then
      local line = file:read "a"
      file:close()
      if line == wanted then
        pids[#pids + 1] = tonumber(entry)
      end
    end
  end
  return pids
end

--- A number of /proc/PID/status: VmRSS in kB, Threads, …
function process.status(pid, key)
  local file = assert(io.open(("/proc/%d/status"):format(pid), "rb"))
  local text = file:read "a"
  file:close()
  return tonumber(text:match(key .. ":%s*(%d+)"))
end

return process
