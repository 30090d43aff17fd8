-- The agent under test: build/kaalua run with a folder of handlers of its own.
local folder = require "support.folder"
local loop = require "support.loop"
local process = require "support.process"

local agent = {}
agent.__index = agent

agent.root = os.getenv "KAALUA_ROOT" or "."
agent.build = os.getenv "KAALUA_BUILD" or agent.root .. "/build-test"
agent.program = agent.build .. "/kaalua"
agent.worker = agent.build .. "/kaalua-worker"

agent.APP_VERSION = "demo-v1"
agent.TOKEN = "T1"

--- Whether the binaries carry the sanitizers, which turn a signal into an exit.
function agent.is_sanitized()
  local cache = folder.read(agent.build .. "/CMakeCache.txt") or ""
  return cache:find "KAALUA_SANITIZE:BOOL=ON" ~= nil
end

local function arguments(self, options)
  local list = { "run", "--state", self.state }
  local function flag(name, value)
    if value then
      list[#list + 1] = name
      list[#list + 1] = value
    end
  end
  if options.config then
    flag("--config", folder.write(self.folder .. "/kaalua.lua", options.config))
  end
  flag("--url", options.url)
  flag("--app-version", agent.APP_VERSION)
  if options.token ~= false then
    flag("--token", options.token or agent.TOKEN)
  end
  flag("--handlers", self.handlers)
  return list
end

--- Prepares an agent in the empty folder `path` with handlers = {name = source};
--- "lib/valve" names a library.
---@param path string
---@param options {url: string, handlers: table?, config: string?, token: string|false?,
---  env: table?}
function agent.create(path, options)
  local self = setmetatable({ folder = path, options = options }, agent)
  self.handlers = folder.make(path .. "/handlers")
  self.state = path .. "/state"
  folder.make(self.handlers .. "/lib")
  for name, source in pairs(options.handlers or {}) do
    self:save(name, source)
  end
  self.arguments = arguments(self, options)
  return self
end

--- Writes a handler beside and renames it into place, as careful uploads do.
function agent:save(name, source)
  local path = ("%s/%s.lua"):format(self.handlers, name)
  folder.write(path .. ".tmp", source)
  assert(os.rename(path .. ".tmp", path))
  return path
end

function agent:remove(name)
  assert(os.remove(("%s/%s.lua"):format(self.handlers, name)))
end

--- Starts it; what it logs is in agent:log().
function agent:start()
  self.process = process.start(agent.program, self.arguments, { env = self.options.env })
  self.expects_failure = false
  return self
end

function agent:log()
  return self.process and self.process.stderr or ""
end

--- The place behind what is logged so far, for await_log.
function agent:mark()
  return #self:log() + 1
end

--- Waits for a line of the log that matches the Lua pattern; returns it.
---@param pattern string
---@param from number? of agent:mark()
function agent:await_log(pattern, from, deadline_s)
  return loop.await(("%q in the agent's log"):format(pattern), function()
    for line in self:log():sub(from or 1):gmatch "[^\n]+" do
      if line:find(pattern) then
        return line
      end
    end
    if self.process.ended then
      error(("the agent ended with %d"):format(self.process.ended.code), 0)
    end
  end, deadline_s)
end

agent.CONNECTED = "^%S+ info%s+%l+%s+connected"

function agent:await_connected(from, deadline_s)
  return self:await_log(agent.CONNECTED, from, deadline_s)
end

--- The living processes beneath it: leaders, workers, what handlers execute.
function agent:descendants()
  return process.descendants(self.process.pid)
end

--- Those of them that run Lua, or lead one that does.
function agent:workers()
  local found = {}
  for _, each in ipairs(self:descendants()) do
    if each.name:find "^kaalua%-worker" then
      found[#found + 1] = each
    end
  end
  return found
end

--- The pid of the process that runs Lua: the innermost worker.
function agent:await_worker()
  return loop.await("a worker that runs Lua", function()
    local workers, is_parent = self:workers(), {}
    for _, each in ipairs(workers) do
      is_parent[each.parent] = true
    end
    for _, each in ipairs(workers) do
      if each.parent ~= self.process.pid and not is_parent[each.pid] then
        return each.pid
      end
    end
  end)
end

--- Ends it in order; returns {code, signal}.
function agent:stop()
  return self.process and self.process:stop(20)
end

return agent
