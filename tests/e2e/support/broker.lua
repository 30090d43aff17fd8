-- A real mosquitto on a free loopback port.
local folder = require "support.folder"
local loop = require "support.loop"
local process = require "support.process"
local proxy = require "support.proxy"
local uv = require "luv"

local broker = {}
broker.__index = broker

local function is_listening(port)
  local state
  local socket = uv.new_tcp()
  socket:connect("127.0.0.1", port, function(failure)
    state = failure and "refused" or "open"
    socket:close()
  end)
  while not state do
    uv.run "once"
  end
  return state == "open"
end

local function configuration(self, options)
  local lines = {
    ("listener %d 127.0.0.1"):format(self.port),
    "user root", -- does not drop rights that reading its files may need
    "persistence false",
    "set_tcp_nodelay true",
    "max_queued_messages 0",
    "max_inflight_messages 1000",
    "log_type all",
    "allow_anonymous " .. tostring(not options.password_file),
  }
  if options.password_file then
    lines[#lines + 1] = "password_file " .. options.password_file
  end
  if options.acl then
    lines[#lines + 1] = "acl_file " .. folder.write(self.folder .. "/acl", options.acl)
  end
  if options.tls then
    lines[#lines + 1] = "cafile " .. options.tls.ca_file
    lines[#lines + 1] = "certfile " .. options.tls.cert_file
    lines[#lines + 1] = "keyfile " .. options.tls.key_file
    lines[#lines + 1] = "require_certificate " .. tostring(options.tls.require_certificate or false)
  end
  return table.concat(lines, "\n") .. "\n"
end

--- Starts a broker in `path`, or only chooses its port where `options.later`.
---@param path string an empty folder
---@param options {tls: table?, password_file: string?, acl: string?, later: boolean?}?
function broker.create(path, options)
  local self = setmetatable({ folder = path, port = proxy.free_port() }, broker)
  folder.write(path .. "/mosquitto.conf", configuration(self, options or {}))
  if not (options and options.later) then
    self:start()
  end
  return self
end

function broker:start()
  self.process = process.start("/usr/sbin/mosquitto", { "-c", self.folder .. "/mosquitto.conf" })
  loop.await("mosquitto to listen on port " .. self.port, function()
    if self.process.ended then
      error("mosquitto ended: " .. self.process.stderr, 0)
    end
    return is_listening(self.port)
  end)
end

--- Ends it at once, as a crash would.
function broker:crash()
  self.process:kill "sigcont"
  self.process:kill "sigkill"
  self.process:await_end()
end

--- It stays connected and does nothing.
function broker:hang()
  self.process:kill "sigstop"
end

function broker:wake()
  self.process:kill "sigcont"
end

function broker:restart()
  self:crash()
  self:start()
end

function broker:stop()
  if self.process then
    self.process:stop(5)
  end
end

function broker:log()
  return self.process and self.process.stderr or ""
end

return broker
