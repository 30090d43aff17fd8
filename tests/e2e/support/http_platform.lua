-- The platform's side of 1/KP over HTTP: a small HTTP/1.1 server with the
-- interface of support/platform.lua, and with faults that a real one seldom shows.
--
-- A command is listed by each poll of its type until a result for it is accepted;
-- what push() gives is the whole answer of one poll.
local cjson = require "cjson"
local loop = require "support.loop"
local platform = require "support.platform"
local proxy = require "support.proxy"
local uv = require "luv"

local http_platform = setmetatable({}, { __index = platform })
http_platform.__index = http_platform

local PREFIX = "/kp1/demo-v1"
local REASONS = {
  [200] = "OK", [204] = "No Content", [302] = "Found", [400] = "Bad Request",
  [401] = "Unauthorized", [404] = "Not Found", [429] = "Too Many Requests", [503] = "Service Unavailable",
}

-- ---- HTTP ----

-- Takes one request off the client's buffer; nil where it is not whole yet.
local function take_request(client)
  local head, behind = client.buffer:match "^(.-\r\n)\r\n()"
  if not head then
    return nil
  end
  local request = { headers = {}, client = client }
  request.method, request.path = head:match "^(%u+) (%S+) HTTP/1%.1\r\n"
  for name, value in head:gmatch "\r\n([%w-]+): *([^\r]*)" do
    request.headers[name:lower()] = value
  end
  local size = tonumber(request.headers["content-length"] or 0)
  if #client.buffer < behind + size - 1 then
    return nil
  end
  request.body = client.buffer:sub(behind, behind + size - 1)
  client.buffer = client.buffer:sub(behind + size)
  return request
end

local function close(client)
  if not client.socket:is_closing() then
    client.socket:close()
  end
end

local function send(client, bytes, on_sent)
  if not client.socket:is_closing() then
    client.socket:write(bytes, on_sent)
  end
end

-- What a request can be answered with; each at most once.
local answers = {}
answers.__index = answers

--- Answers in the ordinary way.
function answers:reply(status, body, headers)
  body = body or ""
  local lines = { ("HTTP/1.1 %d %s"):format(status, REASONS[status] or "Whatever") }
  for name, value in pairs(headers or {}) do
    lines[#lines + 1] = name .. ": " .. value
  end
  if status ~= 204 then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  send(self.client, table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

--- The same in chunks of `size` bytes.
function answers:reply_chunked(status, body, size)
  local parts = { ("HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n"):format(status) }
  for at = 1, #body, size do
    local chunk = body:sub(at, at + size - 1)
    parts[#parts + 1] = ("%x\r\n%s\r\n"):format(#chunk, chunk)
  end
  parts[#parts + 1] = "0\r\n\r\n"
  send(self.client, table.concat(parts))
end

--- Writes bytes as they are.
function answers:raw(bytes)
  send(self.client, bytes)
end

--- Closes the connection, with or without a part of an answer before.
function answers:hang_up(bytes)
  send(self.client, bytes or "", function()
    close(self.client)
  end)
end

-- ---- 1/KP ----

local function error_body(status)
  return ('{"statusCode":%d,"reasonPhrase":"refused"}'):format(status)
end

local function pending(self, token, kind)
  local key = token .. "/" .. kind
  self.commands[key] = self.commands[key] or {}
  return self.commands[key]
end

local function list(commands)
  local elements = {}
  for index, command in ipairs(commands) do
    elements[index] = command.element
  end
  return "[" .. table.concat(elements, ",") .. "]"
end

local function on_poll(self, request)
  local token, kind = request.token, request.type
  self.requests[#self.requests + 1] =
    { token = token, type = kind, body = request.body, at_ms = loop.now_ms() }
  if request.body ~= "{}" then
    self.unexpected[#self.unexpected + 1] = "a poll with the body " .. request.body
  end
  local pushed = table.remove(self.pushed[token .. "/" .. kind] or {}, 1)
  local reply = pushed or self.deliver[kind]
  if reply == nil then
    reply = list(pending(self, token, kind))
  elseif type(reply) == "function" then
    reply = reply(token)
  end
  if reply then
    request:reply(200, reply, { ["Content-Type"] = "application/json" })
  end
end

local function accept(self, elements)
  for _, element in ipairs(elements) do
    local commands = pending(self, element.token, element.type)
    for index = #commands, 1, -1 do
      if commands[index].id == element.id then
        table.remove(commands, index)
      end
    end
  end
end

local function on_result(self, request)
  local elements = self:read_results(request.token, request.type, nil, request.body)
  local verdict = self.judge and self.judge(elements)
  if verdict then
    request:reply(verdict, error_body(verdict))
  elseif self.confirms then
    accept(self, elements)
    request:reply(self.success)
  end
end

local function on_samples(self, request)
  self.telemetry[#self.telemetry + 1] =
    { token = request.token, body = request.body, samples = cjson.decode(request.body) }
  if self.confirms then
    request:reply(self.success)
  end
end

local function on_keys(self, request)
  self:read_metadata(request.token, request.body)
  if self.confirms then
    request:reply(self.success)
  end
end

local ROUTES = {
  { "^/cex/([^/]+)/command/([%w_-]+)$", on_poll },
  { "^/cex/([^/]+)/result/([%w_-]+)$", on_result },
  { "^/dcx/([^/]+)/json$", on_samples },
  { "^/epmx/([^/]+)/update/keys$", on_keys },
}

local function on_request(self, request)
  setmetatable(request, answers)
  self.last_headers = request.headers
  local base = self.base .. PREFIX
  local route
  if request.method == "POST" and request.path:sub(1, #base) == base then
    for _, each in ipairs(ROUTES) do
      local token, kind = request.path:sub(#base + 1):match(each[1])
      if token then
        request.token, request.type, route = token, kind, each[2]
        request.is_poll, request.is_result = route == on_poll, route == on_result
      end
    end
  end
  if self.fault and self.fault(request) then
    return
  elseif not route then
    self.unexpected[#self.unexpected + 1] = ("%s %s"):format(request.method, request.path)
    request:reply(404, error_body(404))
  elseif request.headers["content-type"] ~= "application/json" then
    self.unexpected[#self.unexpected + 1] = "a Content-Type that is not JSON"
    request:reply(400, error_body(400))
  else
    route(self, request)
  end
end

local function on_connection(self)
  local client = { socket = uv.new_tcp(), buffer = "" }
  self.server:accept(client.socket)
  self.clients[#self.clients + 1] = client
  self.connections = self.connections + 1
  client.socket:read_start(function(_, data)
    if not data then
      close(client)
      return
    end
    client.buffer = client.buffer .. data
    for request in take_request, client do
      on_request(self, request)
    end
  end)
end

--- Listens on a free port, or only chooses it where `options.later`.
---@param options {base: string?, later: boolean?}? base: the path before kp1
function http_platform.start(options)
  options = options or {}
  local self = setmetatable({
    results = {}, requests = {}, telemetry = {}, metadata = {}, agent_metadata = {},
    unexpected = {}, -- as platform's
    deliver = {}, -- as platform's, false: the poll is never answered
    confirms = true, -- false: results are never answered
    judge = nil, -- as platform's
    success = 200, -- the status of what is accepted, or 204
    fault = nil, -- fun(request): true where it has dealt with it (reply, raw, hang_up, or nothing)
    commands = {}, pushed = {}, clients = {}, connections = 0,
    base = options.base or "",
    port = proxy.free_port(),
  }, http_platform)
  if not options.later then
    self:listen()
  end
  return self
end

function http_platform:listen()
  self.server = uv.new_tcp()
  assert(self.server:bind("127.0.0.1", self.port))
  assert(self.server:listen(64, function(failure)
    assert(not failure, failure)
    on_connection(self)
  end))
end

function http_platform:url()
  return ("http://127.0.0.1:%d%s"):format(self.port, self.base)
end

--- The next poll of this type is answered with exactly this text.
function http_platform:push(kind, text, token)
  local key = (token or "T1") .. "/" .. kind
  self.pushed[key] = self.pushed[key] or {}
  table.insert(self.pushed[key], text)
end

--- Invokes a command; `payload` is JSON text or nil.
function http_platform:command(kind, id, payload, token)
  table.insert(pending(self, token or "T1", kind), {
    id = id,
    element = ('{"id":%d%s}'):format(id, payload and ',"payload":' .. payload or ""),
  })
end

--- How many polls of a type have come.
function http_platform:polls_of(kind, token)
  local count = 0
  for _, request in ipairs(self.requests) do
    if request.type == kind and (not token or request.token == token) then
      count = count + 1
    end
  end
  return count
end

--- Closes every connection, and no longer listens.
function http_platform:stop()
  if self.server then
    self.server:close()
    self.server = nil
  end
  for _, client in ipairs(self.clients) do
    close(client)
  end
  self.clients = {}
end

return http_platform
