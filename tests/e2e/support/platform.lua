-- The platform's side of 1/KP and 11/CEP, played through the peer: pushes
-- commands, answers command requests, gathers and confirms results and telemetry.
local cjson = require "cjson"
local loop = require "support.loop"
local peer = require "support.peer"

local platform = {}
platform.__index = platform

local PREFIX = "kp1/demo-v1"

--- Gathers and returns the elements of one result message; `raw` is the whole message.
function platform:read_results(token, kind, request_id, body)
  local done, elements = pcall(cjson.decode, body)
  if not done or type(elements) ~= "table" or not body:find "^%[" then
    self.unexpected[#self.unexpected + 1] = "a result message that is no JSON array: " .. body
    return {}
  end
  for _, element in ipairs(elements) do
    element.token, element.type, element.request_id, element.raw = token, kind, request_id, body
    self.results[#self.results + 1] = element
  end
  return elements
end

local OWN_KEYS = { kaalua_version = true, kaalua_handlers = true, kaalua_faults = true, boot_id = true }

--- Gathers a metadata message: what the agent tells of itself apart from what handlers set.
function platform:read_metadata(token, body)
  local own, keys = {}, {}
  for key, value in pairs(cjson.decode(body)) do
    local of_whom = OWN_KEYS[key] and own or keys
    of_whom[key] = value
  end
  if next(own) then
    self.agent_metadata[#self.agent_metadata + 1] = { token = token, body = body, keys = own }
  end
  if next(keys) or not next(own) then
    self.metadata[#self.metadata + 1] = { token = token, body = body, keys = keys }
  end
end

local function on_request(self, token, kind, request_id, body)
  local request = { token = token, type = kind, request_id = request_id, body = body }
  self.requests[#self.requests + 1] = request
  local reply = self.deliver[kind]
  if reply == nil then
    reply = "[]"
  elseif type(reply) == "function" then
    reply = reply(token)
  end
  if reply then
    self:publish(("%s/cex/%s/command/%s/%d/status"):format(PREFIX, token, kind, request_id), reply)
  end
end

local function on_result(self, topic, token, kind, request_id, body)
  local elements = self:read_results(token, kind, request_id, body)
  local verdict = self.judge and self.judge(elements)
  if verdict then
    self:publish(topic .. "/error", ('{"statusCode":%d,"reasonPhrase":"refused"}'):format(verdict))
  elseif self.confirms then
    self:publish(topic .. "/status", "")
  end
end

local function on_message(self, topic, body)
  local rest = topic:sub(#PREFIX + 2)
  local token, path, kind, request_id = rest:match "^cex/([^/]+)/(%l+)/([^/]+)/(%d+)$"
  if path == "command" then
    on_request(self, token, kind, tonumber(request_id), body)
  elseif path == "result" then
    on_result(self, topic, token, kind, tonumber(request_id), body)
  elseif rest:find "^dcx/[^/]+/json/%d+$" then
    self.telemetry[#self.telemetry + 1] =
      { token = rest:match "^dcx/([^/]+)", body = body, samples = cjson.decode(body) }
    if self.confirms then
      self:publish(topic .. "/status", "")
    end
  elseif rest:find "^epmx/[^/]+/update/keys/%d+$" then
    self:read_metadata(rest:match "^epmx/([^/]+)", body)
    if self.confirms then
      self:publish(topic .. "/status", "")
    end
  elseif not rest:find "/status$" and not rest:find "/error$" then
    self.unexpected[#self.unexpected + 1] = topic
  end
end

--- Connects and subscribes to all that agents send.
---@param port integer of the broker
---@param options table? for the peer: tls, username, password
function platform.start(port, options)
  local self = setmetatable({
    results = {}, -- {id, statusCode, reasonPhrase, payload, token, type, request_id, raw}
    requests = {}, -- {token, type, request_id, body}
    telemetry = {}, -- {token, body, samples}
    metadata = {}, -- {token, body, keys} that handlers set
    agent_metadata = {}, -- the same that the agent tells of itself
    unexpected = {}, -- what no agent should send, each in words
    deliver = {}, -- type → the reply to its command requests (default "[]"), or a
    -- function that gives it; false: none
    confirms = true,
    judge = nil, -- fun(elements): an HTTP-like status to refuse a result message with
  }, platform)
  self.peer = peer.start(port, options or {}, function(topic, body)
    on_message(self, topic, body)
  end)
  for _, filter in ipairs { "/cex/+/command/+/+", "/cex/+/result/#", "/dcx/+/#", "/epmx/+/#" } do
    self.peer:subscribe(PREFIX .. filter)
  end
  return self
end

function platform:publish(topic, body, options)
  self.peer:publish(topic, body, options)
end

--- Pushes a message with commands: the text of a JSON array, or what is none.
function platform:push(kind, text, token)
  self:publish(("%s/cex/%s/command/%s/status"):format(PREFIX, token or "T1", kind), text)
end

--- Pushes one command; `payload` is JSON text or nil.
function platform:command(kind, id, payload, token)
  self:push(kind, ('[{"id":%d%s}]'):format(id, payload and ',"payload":' .. payload or ""), token)
end

--- The results that came of a command, in order of arrival.
function platform:results_of(kind, id, token)
  local found = {}
  for _, result in ipairs(self.results) do
    if result.type == kind and result.id == id and (not token or result.token == token) then
      found[#found + 1] = result
    end
  end
  return found
end

--- Waits for a command's first result.
function platform:await_result(kind, id, deadline_s, token)
  return loop.await(("the result of %s %s"):format(kind, id), function()
    return self:results_of(kind, id, token)[1]
  end, deadline_s)
end

--- Pushes one command and waits for its result.
function platform:call(kind, id, payload, deadline_s)
  self:command(kind, id, payload)
  return self:await_result(kind, id, deadline_s)
end

--- Waits for a command request of this type behind the first `after` ones.
function platform:await_request(kind, after, deadline_s)
  return loop.await("a command request for " .. kind, function()
    local count = 0
    for _, request in ipairs(self.requests) do
      count = count + (request.type == kind and 1 or 0)
      if request.type == kind and count > (after or 0) then
        return request
      end
    end
  end, deadline_s)
end

function platform:stop()
  self.peer:stop()
end

return platform
