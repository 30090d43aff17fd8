-- A TCP relay between the agent and its platform, for the network's bad days. Its
-- `mood` decides, and may be changed at any time:
--
--   "pass"    carries everything
--   "away"    ends what is connected, and at once whatever connects
--   "hang"    everything stays connected, nothing is carried and nothing kept
--   "freeze"  likewise, but what is sent is kept, and carried when it passes again
--
-- `cut_text`: every connection that carries this text to the platform is ended.
-- `half_text`: a connection that carries this text to the agent carries half of that
-- piece, and then nothing for ever.
local uv = require "luv"

local relay = {}
relay.__index = relay

-- Who writes to a connection that is gone is told so, not ended.
local pipes = uv.new_signal()
pipes:start("sigpipe", function() end)
pipes:unref()

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

local function write(target, data)
  if not target:is_closing() then
    target:write(data)
  end
end

local function carry(self, pair, target, data, is_upward)
  if is_upward and self.cut_text and data:find(self.cut_text, 1, true) then
    self.cuts = self.cuts + 1
    close_pair(self, pair)
  elseif not is_upward and self.half_text and data:find(self.half_text, 1, true) then
    self.half_text, pair.is_dead = nil, true
    self.halves = self.halves + 1
    write(target, data:sub(1, #data // 2))
  elseif self.mood == "freeze" then
    table.insert(pair.kept, { target, data })
  elseif self.mood == "pass" and not pair.is_dead then
    write(target, data)
  end
end

local function forward(self, pair, source, target, is_upward)
  source:read_start(function(_, data)
    if data then
      carry(self, pair, target, data, is_upward)
    elseif self.mood == "pass" and not pair.is_dead then
      close_pair(self, pair)
    end
  end)
end

local function on_connection(self)
  local client, server = uv.new_tcp(), uv.new_tcp()
  self.listener:accept(client)
  self.accepted = self.accepted + 1
  if self.mood == "away" then
    close(client)
    close(server)
    return
  end
  client:nodelay(true)
  server:nodelay(true)
  local pair = { client = client, server = server, kept = {} }
  self.pairs[pair] = true
  server:connect("127.0.0.1", self.target_port, function(failure)
    if failure then
      close_pair(self, pair)
    elseif not client:is_closing() then
      forward(self, pair, client, server, true)
      forward(self, pair, server, client, false)
    end
  end)
end

--- Listens on a free port (`self.port`).
function relay.start(target_port)
  local self = setmetatable({
    target_port = target_port, pairs = {}, mood = "pass", accepted = 0, cuts = 0, halves = 0,
  }, relay)
  self.listener = uv.new_tcp()
  assert(self.listener:bind("127.0.0.1", 0))
  self.port = self.listener:getsockname().port
  assert(self.listener:listen(64, function() on_connection(self) end))
  return self
end

--- Ends every connection; new ones are taken as the mood says.
function relay:cut()
  for pair in pairs(self.pairs) do
    close_pair(self, pair)
  end
end

function relay:set(mood)
  self.mood = mood
  if mood == "away" then
    self:cut()
  elseif mood == "pass" then
    for pair in pairs(self.pairs) do
      for _, piece in ipairs(pair.kept) do
        write(piece[1], piece[2])
      end
      pair.kept = {}
    end
  end
end

function relay:stop()
  self:cut()
  close(self.listener)
end

return relay
