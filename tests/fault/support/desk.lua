-- A platform that, as the real one, lists a command until it has confirmed a result for
-- it, the same over both transports; an agent is connected to it through a relay.
--
--   local desk = Desk.create { wire = "mqtt", handlers = { … } }
--   desk:invoke("echo", "7")
--   desk:await_answered()
local loop = require "support.loop"
local Relay = require "support.relay"
local world = require "support.world"

local desk = {}
desk.__index = desk

desk.TOKEN = "T1"

local relays = {}

local function element_of(id, payload)
  return ('{"id":%d%s}'):format(id, payload and ',"payload":' .. payload or "")
end

local function list_outstanding(self, kind)
  local elements = {}
  for _, id in ipairs(self.ids[kind] or {}) do
    if not self.confirmed[kind .. id] then
      elements[#elements + 1] = element_of(id, self.payloads[kind .. id])
    end
  end
  return "[" .. table.concat(elements, ",") .. "]"
end

local function judge(self, elements)
  for _, element in ipairs(elements) do
    element.id = math.tointeger(element.id)
    local key = element.type .. element.id
    if not self.first[key] then
      self.first[key] = element
      table.insert(self.order, element)
    end
    self.confirmed[key] = self.platform.confirms or self.confirmed[key]
  end
end

---@param options {wire: string, handlers: table, config: string?, state: string?,
---  env: table?, kinds: string[]?} kinds: types that have no handler file yet
function desk.create(options)
  local self = setmetatable({
    wire = options.wire, ids = {}, payloads = {}, confirmed = {}, first = {}, order = {}, last_id = 0,
  }, desk)
  local port
  if self.wire == "http" then
    self.platform = world.http_platform()
    port = self.platform.port
  else
    port = world.broker().port
    self.platform = world.platform(port)
  end
  self.platform.judge = function(elements) judge(self, elements) end
  self.relay = Relay.start(port)
  relays[#relays + 1] = self.relay
  for kind in pairs(options.handlers) do
    if self.wire == "mqtt" then
      self.platform.deliver[kind] = function() return list_outstanding(self, kind) end
    end
  end
  self.agent = world.agent {
    url = ("%s://127.0.0.1:%d"):format(self.wire, self.relay.port),
    config = options.config or "return { poll_s = 0.1, keepalive_s = 5 }",
    handlers = options.handlers, env = options.env,
  }
  return self
end

--- Starts the agent and waits until it is connected.
function desk:start()
  self.agent:start():await_connected(nil, 20)
  return self
end

--- Invokes a command; returns its id.
---@param payload string? JSON
function desk:invoke(kind, payload)
  self.last_id = self.last_id + 1
  local id = self.last_id
  self.ids[kind] = self.ids[kind] or {}
  table.insert(self.ids[kind], id)
  self.payloads[kind .. id] = payload
  self.platform:command(kind, id, payload)
  return id
end

--- The first result of a command, or nil.
function desk:result(kind, id)
  return self.first[kind .. id]
end

function desk:await_result(kind, id, deadline_s)
  return loop.await(("the result of %s %d"):format(kind, id), function()
    return self:result(kind, id)
  end, deadline_s)
end

--- The commands without a result, "echo 7".
function desk:unanswered()
  local found = {}
  for kind, ids in pairs(self.ids) do
    for _, id in ipairs(ids) do
      if not self:result(kind, id) then
        found[#found + 1] = kind .. " " .. id
      end
    end
  end
  return found
end

function desk:await_answered(deadline_s)
  local done = pcall(loop.await, "all results", function()
    return #self:unanswered() == 0
  end, deadline_s)
  if not done then
    error("without a result: " .. table.concat(self:unanswered(), ", "), 2)
  end
end

--- The ids of a type, in the order in which their first results came.
function desk:order_of(kind)
  local ids = {}
  for _, element in ipairs(self.order) do
    if element.type == kind then
      ids[#ids + 1] = element.id
    end
  end
  return ids
end

--- The values of one key in all samples, in the order of their first coming.
function desk:samples(key)
  local values, seen = {}, {}
  for _, message in ipairs(self.platform.telemetry) do
    local samples = message.samples[1] and message.samples or { message.samples }
    for _, sample in ipairs(samples) do
      local value = sample[key]
      if value and not seen[value] then
        seen[value] = true
        values[#values + 1] = value
      end
    end
  end
  return values
end

--- To be called by after_each.
function desk.clear()
  local done, message = pcall(world.clear)
  for _, relay in ipairs(relays) do
    relay:stop()
  end
  relays = {}
  loop.settle()
  assert(done, message)
end

return desk
