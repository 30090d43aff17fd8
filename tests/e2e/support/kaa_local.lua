-- kaa-local, the stand-in for the platform, on free ports; its REST API, its events,
-- and devices that speak MQTT to it.
--
--   describe("…", function()
--     after_each(kaa_local.clear)
--     it("…", function()
--       local server = kaa_local.start { "--token", "T1=E1" }
--       local answer = server:post("/cex/api/v1/endpoints/E1/commands/reboot?awaitTimeout=0")
--       assert.are.equal(202, answer.status)
local busted = require "busted"
local cjson = require "cjson"
local uv = require "luv"

local agent = require "support.agent"
local folder = require "support.folder"
local loop = require "support.loop"
local peer = require "support.peer"
local process = require "support.process"

local kaa_local = {}
kaa_local.__index = kaa_local

kaa_local.program = agent.build .. "/kaa-local"
kaa_local.REST = "/cex/api/v1/endpoints"

local LOG_SHOWN_BYTES = 4000

local started, folders, streams = {}, {}, {}

-- HTTP/1.0: one request a connection, the answer ends with it.

local function parse(text)
  local head, body = text:match "^(.-)\r\n\r\n(.*)$"
  if not head then
    return nil
  end
  local headers = {}
  for name, value in head:gmatch "\r\n([^:\r\n]+):%s*([^\r\n]*)" do
    headers[name:lower()] = value
  end
  return { status = tonumber(head:match "^HTTP/%d%.%d (%d+)"), headers = headers, body = body }
end

local call = {}
call.__index = call

--- Waits for the answer: {status, headers, body}; nil where the connection was closed
--- without one.
function call:await(deadline_s)
  loop.await("the answer to " .. self.what, function()
    return self.is_over
  end, deadline_s)
  return parse(self.text)
end

--- What has arrived of the body so far.
function call:body()
  return self.text:match "^.-\r\n\r\n(.*)$" or ""
end

function call:close()
  if not self.socket:is_closing() then
    self.socket:close()
  end
end

--- Sends a request; returns at once. A body that is a table goes out as JSON.
---@param headers table?
function kaa_local:send(method, path, body, headers)
  local all = { Host = "localhost" }
  if type(body) == "table" then
    body = cjson.encode(body)
    all["Content-Type"] = "application/json"
  end
  for name, value in pairs(headers or {}) do
    all[name] = value or nil
  end
  if body or method == "POST" then
    all["Content-Length"] = #(body or "")
  end
  local lines = { ("%s %s HTTP/1.0\r\n"):format(method, path) }
  for name, value in pairs(all) do
    lines[#lines + 1] = ("%s: %s\r\n"):format(name, value)
  end
  local self_call = setmetatable({ what = method .. " " .. path, text = "" }, call)
  local socket = uv.new_tcp()
  self_call.socket = socket
  socket:connect("127.0.0.1", self.http_port, function(failure)
    if failure then
      self_call.is_over = true
      return self_call:close()
    end
    socket:write(table.concat(lines) .. "\r\n" .. (body or ""))
    socket:read_start(function(_, data)
      if data then
        self_call.text = self_call.text .. data
        if self_call.on_data then
          self_call.on_data()
        end
      else
        self_call.is_over = true
        self_call:close()
      end
    end)
  end)
  return self_call
end

function kaa_local:get(path)
  return self:send("GET", path):await()
end

function kaa_local:post(path, body, headers)
  return self:send("POST", path, body, headers):await()
end

function kaa_local:delete(path)
  return self:send("DELETE", path):await()
end

--- The answer's body, decoded; the status must be `status` (default 200).
function kaa_local:json(method, path, body, status)
  local answer = self:send(method, path, body):await()
  busted.assert.are.equal(status or 200, answer.status, answer.body)
  return cjson.decode(answer.body)
end

function kaa_local:switch(switches)
  return self:json("POST", "/api/switches", switches)
end

--- Invokes without waiting for the result and returns the command's id.
---@param payload string? JSON
---@param query string? "commandTtl=1000"
function kaa_local:invoke(endpoint_id, command_type, payload, query)
  local path = ("%s/%s/commands/%s?awaitTimeout=0%s"):format(kaa_local.REST, endpoint_id,
    command_type, query and "&" .. query or "")
  local answer = self:post(path, payload, { ["Content-Type"] = payload and "application/json" })
  busted.assert.are.equal(202, answer.status, answer.body)
  return math.tointeger(answer.headers.location:match "/(%d+)$")
end

--- The command's descriptor.
function kaa_local:command(endpoint_id, command_type, id)
  return self:json("GET", ("%s/%s/commands/%s/%d"):format(kaa_local.REST, endpoint_id,
    command_type, id))
end

--- A device's POST: the path behind the token.
function kaa_local:device(token, path, body)
  return self:post(("/kp1/demo-v1/%s"):format(path:gsub("^(%w+)/", "%1/" .. token .. "/")), body)
end

--- Watches the server-sent events; `events` grows: {name, data (decoded)}.
function kaa_local:watch(query)
  local stream = self:send("GET", "/api/events" .. (query or ""))
  local used = 0
  stream.events = {}
  stream.on_data = function()
    local body = stream:body()
    for text, at in body:sub(used + 1):gmatch "(.-)\n\n()" do
      local name, data = text:match "^event: (%w+)\ndata: ([^\n]*)$"
      if name then
        table.insert(stream.events, { name = name, data = cjson.decode(data) })
      end
      stream.consumed = used + at - 1
    end
    used = stream.consumed or used
  end
  streams[#streams + 1] = stream
  loop.await("the events to open", function()
    return stream:body() ~= ""
  end)
  return stream
end

--- Waits for an event of this name that `matches`, and returns its data.
function kaa_local.await_event(stream, name, matches)
  return loop.await("an event " .. name, function()
    for i, event in ipairs(stream.events) do
      if event.name == name and (not matches or matches(event.data)) then
        table.remove(stream.events, i)
        return event.data
      end
    end
  end)
end

-- Devices over MQTT.

local device = {}
device.__index = device

--- A device that is connected and has not subscribed. `device.messages` grows: {topic, body}.
---@param options {username: string?, password: string?}?
function kaa_local:mqtt(token, options)
  local self_device = setmetatable({ token = token, messages = {} }, device)
  self_device.peer = peer.start(self.mqtt_port, options or {}, function(topic, body)
    table.insert(self_device.messages, { topic = topic, body = body })
  end)
  started[#started + 1] = { name = "device", thing = self_device.peer }
  return self_device
end

--- The whole topic of "cex/command/reboot/1": the token goes behind the extension.
function device:topic(path)
  return "kp1/demo-v1/" .. path:gsub("^(%w+)/", "%1/" .. self.token .. "/")
end

function device:publish(path, body)
  self.peer:publish(self:topic(path), body)
end

--- Waits for a message on a topic, and returns its body; further ones stay.
function device:await(path, deadline_s)
  local topic = self:topic(path)
  return loop.await("a message on " .. topic, function()
    for i, message in ipairs(self.messages) do
      if message.topic == topic then
        table.remove(self.messages, i)
        return message.body
      end
    end
  end, deadline_s)
end

--- Publishes a request and returns the reply on …/status.
function device:ask(path, body)
  self:publish(path, body)
  return self:await(path .. "/status")
end

--- The elements of a message, decoded.
function kaa_local.elements(body)
  return cjson.decode(body)
end

-- Its life.

local function read_addresses(self)
  local text = self.process.stdout
  self.http_port = tonumber(text:match "\ndevice +http://127%.0%.0%.1:(%d+)")
  self.mqtt_port = tonumber(text:match "mqtt://127%.0%.0%.1:(%d+)")
  self.ids = {}
  for token, id in text:gmatch "\nendpoint +(%S+) +%(id (%S+)%)" do
    self.ids[token] = id
  end
end

--- Starts it on free ports with further arguments, and waits until it is ready.
---@param arguments string[]?
---@param env table? added to its environment
function kaa_local.start(arguments, env)
  local all = { "--http", "127.0.0.1:0", "--mqtt-port", "0" }
  for _, argument in ipairs(arguments or {}) do
    all[#all + 1] = argument
  end
  local self = setmetatable({ arguments = all, env = env }, kaa_local)
  started[#started + 1] = { name = "kaa-local", thing = self }
  self:restart()
  return self
end

--- Starts it with the same arguments; after stop() or a crash.
function kaa_local:restart()
  self.process = process.start(kaa_local.program, self.arguments, { env = self.env })
  loop.await("kaa-local to be ready", function()
    if self.process.ended then
      error("kaa-local ended: " .. self.process.stderr, 0)
    end
    return self.process.stdout:find "\nready\n"
  end, 20)
  read_addresses(self)
end

function kaa_local:stop()
  return self.process:stop(10)
end

function kaa_local:log()
  return self.process.stderr
end

--- A folder that is removed after the test.
function kaa_local.folder()
  folders[#folders + 1] = folder.create()
  return folders[#folders]
end

-- A failed test shows what kaa-local said.
busted.subscribe({ "test", "end" }, function(_, _, status)
  if status == "failure" or status == "error" then
    for _, each in ipairs(started) do
      if each.name == "kaa-local" then
        io.stdout:write("# what kaa-local said:\n",
          (each.thing:log():sub(-LOG_SHOWN_BYTES):gsub("([^\n]+)", "#   %1")), "\n")
      end
    end
  end
  return nil, true
end)

--- Ends and removes all; to be called by after_each. Whoever did not end with 0 fails the
--- test, a leak that the sanitizers find too.
function kaa_local.clear()
  local complaints = {}
  for _, stream in ipairs(streams) do
    stream:close()
  end
  for i = #started, 1, -1 do
    local each = started[i]
    each.thing:stop()
    local ended = each.thing.process.ended
    if each.name == "kaa-local" and not each.thing.expects_failure
      and (each.thing.process.was_stuck or ended.code ~= 0 or ended.signal ~= 0) then
      complaints[#complaints + 1] = ("kaa-local ended with %d, signal %d:\n%s")
        :format(ended.code, ended.signal, each.thing:log():sub(-LOG_SHOWN_BYTES))
    end
  end
  loop.settle()
  for _, path in ipairs(folders) do
    folder.remove(path)
  end
  started, folders, streams = {}, {}, {}
  busted.assert(#complaints == 0, table.concat(complaints, "; "))
end

return kaa_local
