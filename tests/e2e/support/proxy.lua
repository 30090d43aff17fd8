-- A TCP proxy between the agent and the broker, which can cut, hang and delay.
local uv = require "luv"

local proxy = {}
proxy.__index = proxy

local function close(handle)
  if not handle:is_closing() then
    handle:close()
  end
end

local function close_pair(self, pair)
  self.pairs[pair] = nil
  close(pair.client)
  close(pair.server)
end

-- Writes what came in, as far as the proxy's mood allows.
local function pass(self, pair, target, data, upward)
  if self.is_hanging then
    return
  end
  local cut_at = upward and self.cut_pattern and data:find(self.cut_pattern, 1, true)
  if cut_at then
    self.cut_pattern = nil
    self.cuts = self.cuts + 1
    target:write(data:sub(1, cut_at + 3), function() close_pair(self, pair) end)
    return
  end
  if self.delay_ms == 0 then
    target:write(data)
    return
  end
  local timer = uv.new_timer()
  timer:start(self.delay_ms, 0, function()
    timer:close()
    if not target:is_closing() then
      target:write(data)
    end
  end)
end

local function accept(self)
  local client, server = uv.new_tcp(), uv.new_tcp()
  self.listener:accept(client)
  local pair = { client = client, server = server }
  self.pairs[pair] = true
  self.accepted = self.accepted + 1
  if self.is_hanging then
    return
  end
  server:connect("127.0.0.1", self.target_port, function(failure)
    if failure then
      close_pair(self, pair)
      return
    end
    local function forward(from, to, upward)
      from:read_start(function(_, data)
        if data then
          pass(self, pair, to, data, upward)
        elseif not self.is_hanging then
          close_pair(self, pair)
        end
      end)
    end
    forward(client, server, true)
    forward(server, client, false)
  end)
end

--- A port of the loopback interface that nobody listens on.
function proxy.free_port()
  local socket = uv.new_tcp()
  assert(socket:bind("127.0.0.1", 0))
  local port = socket:getsockname().port
  socket:close()
  return port
end

--- Listens on `self.port` and passes all on to `target_port`.
function proxy.start(target_port)
  local self = setmetatable({
    target_port = target_port,
    pairs = {},
    accepted = 0, -- connections so far
    cuts = 0,
    delay_ms = 0, -- of each piece, both ways
    is_hanging = false,
  }, proxy)
  self.listener = uv.new_tcp()
  assert(self.listener:bind("127.0.0.1", 0))
  self.port = self.listener:getsockname().port
  assert(self.listener:listen(16, function() accept(self) end))
  return self
end

--- Ends all connections; new ones are taken.
function proxy:cut()
  for pair in pairs(self.pairs) do
    close_pair(self, pair)
  end
end

--- Ends the connection that next sends `text` to the broker, in the middle of it.
function proxy:cut_at(text)
  self.cut_pattern = text
end

--- From now on connections, old and new, stay open and nothing is passed on.
function proxy:hang()
  self.is_hanging = true
end

--- Passes on again; the connections that hung are ended.
function proxy:recover()
  self.is_hanging = false
  self:cut()
end

function proxy:stop()
  self:cut()
  close(self.listener)
end

return proxy
