-- tests/peer/peer.c, driven: an MQTT client that connects, again after each loss,
-- and gives out what it receives. Its line protocol is told at the top of that file.
local agent = require "support.agent"
local loop = require "support.loop"
local process = require "support.process"

local peer = {}
peer.__index = peer

-- Takes one event out of the buffer; returns false where it is not whole yet.
local function take_event(self)
  local line, rest = self.buffer:match "^([^\n]*)\n()"
  if not line then
    return false
  end
  local topic, size = line:match "^message (.*) (%d+)$"
  if not topic then
    topic, size = line:match "^message (.*) (%d+) retained$"
  end
  if topic then
    size = tonumber(size)
    if #self.buffer < rest + size then
      return false
    end
    local body = self.buffer:sub(rest, rest + size - 1)
    self.buffer = self.buffer:sub(rest + size + 1)
    self.on_message(topic, body)
    return true
  end
  self.buffer = self.buffer:sub(rest)
  local word, what = line:match "^(%a+) ?(.*)$"
  if word == "connected" then
    self.is_connected = true
  elseif word == "disconnected" then
    self.is_connected = false
    self.reason = what
  elseif word == "suback" then
    self.granted = self.granted + 1
  elseif word == "published" then
    self.confirmed = tonumber(what)
  elseif word == "error" then
    self.errors[#self.errors + 1] = what
  end
  return true
end

local function flag(arguments, name, value)
  if value then
    arguments[#arguments + 1] = name
    arguments[#arguments + 1] = tostring(value)
  end
end

--- Starts it and waits until it is connected.
---@param port integer
---@param options {tls: table?, username: string?, password: string?}
---@param on_message fun(topic: string, body: string)
function peer.start(port, options, on_message)
  local self = setmetatable({
    buffer = "", granted = 0, filters = 0, sent = 0, confirmed = 0, errors = {},
    on_message = on_message,
  }, peer)
  local tls = options.tls or {}
  local arguments = {}
  flag(arguments, "--host", options.tls and "localhost" or "127.0.0.1")
  flag(arguments, "--port", port)
  flag(arguments, "--cafile", tls.ca_file)
  flag(arguments, "--cert", tls.cert_file)
  flag(arguments, "--key", tls.key_file)
  flag(arguments, "--username", options.username)
  flag(arguments, "--password", options.password)
  self.process = process.start(agent.build .. "/tests/peer", arguments, {
    stdin = true,
    on_output = function(name, data)
      if name == "stdout" then
        self.buffer = self.buffer .. data
        while take_event(self) do
        end
      end
    end,
  })
  loop.await("the peer to connect", function()
    if self.process.ended then
      error("the peer ended: " .. self.process.stderr, 0)
    end
    return self.is_connected
  end)
  return self
end

--- Subscribes and waits until that is granted.
function peer:subscribe(filter)
  self.filters = self.filters + 1
  self.process:write(("sub %s\n"):format(filter))
  loop.await("a subscription to " .. filter, function()
    return self.granted >= self.filters
  end)
end

--- Publishes at QoS 1.
---@param topic string
---@param body string any bytes
---@param options {retain: boolean?}?
function peer:publish(topic, body, options)
  self.sent = self.sent + 1
  self.process:write(("pub %s %d%s\n%s\n"):format(topic, #body,
    options and options.retain and " retain" or "", body))
end

--- Waits until the broker has all that was published.
function peer:await_published()
  loop.await("the broker to have what was published", function()
    return self.confirmed >= self.sent
  end)
end

function peer:stop()
  self.process:stop(5)
end

return peer
