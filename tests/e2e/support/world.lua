-- Everything that one test started, ended after it, whatever became of it.
--
--   describe("…", function()
--     after_each(world.clear)
--     it("…", function()
--       local agent, platform = world.connected { handlers = { echo = "…" } }
local busted = require "busted"
local folder = require "support.folder"
local http_platform = require "support.http_platform"

local agent = require "support.agent"
local broker = require "support.broker"
local certificates = require "support.certificates"
local loop = require "support.loop"
local platform = require "support.platform"
local process = require "support.process"
local proxy = require "support.proxy"
local web = require "support.web"

local world = { loop = loop, process = process, folder = folder, Agent = agent }

local started = {} -- in order; each has stop() and perhaps log() and name
local folders = {}

local LOG_SHOWN_BYTES = { agent = 8000, broker = 1500 }

local function keep(name, thing)
  started[#started + 1] = { name = name, thing = thing }
  return thing
end

function world.folder_for(name)
  local path = folder.create()
  folders[#folders + 1] = path
  return folder.make(path .. "/" .. name)
end

--- A folder of certificates; see support/certificates.lua.
function world.certificates()
  return certificates.make(world.folder_for "tls")
end

--- A program that is ended with the test.
function world.run(path, arguments, options)
  return keep("program", process.start(path, arguments, options))
end

function world.broker(options)
  return keep("broker", broker.create(world.folder_for "broker", options))
end

function world.proxy(target_port)
  return keep("proxy", proxy.start(target_port))
end

--- The platform's side: the peer, connected to the broker.
function world.platform(port, options)
  return keep("platform", platform.start(port, options))
end

--- The platform over HTTP: a server, with no broker.
function world.http_platform(options)
  return keep("platform", http_platform.start(options))
end

--- A web server, with no routes yet; see support/web.lua.
function world.web()
  return keep("web", web.start())
end

--- An agent that is not started yet.
function world.agent(options)
  return keep("agent", agent.create(world.folder_for "agent", options))
end

--- The transports that most of the protocol's tests are run over.
world.WIRES = { "mqtt", "http" }

-- A configuration that polls so often that no test waits for it.
local function polling(config)
  return ("local config = (function() %s end)() config.poll_s = 0.1 return config")
    :format(config or "return {}")
end

--- The same over HTTP; `options.platform` for the server.
local function connected_over_http(options)
  local this_platform = world.http_platform(options.platform)
  options.url = options.url or this_platform:url()
  options.config = polling(options.config)
  local this_agent = world.agent(options):start()
  if not options.handlers or next(options.handlers) then
    this_agent:await_connected()
  end
  return this_agent, this_platform
end

--- The usual scene: a broker, a platform that confirms, an agent that is
--- connected. `options` as for agent.create; `options.broker` for the broker;
--- `options.wire` = "http": no broker, and a platform over HTTP.
---@return table agent
---@return table platform
---@return table? broker
function world.connected(options)
  if options.wire == "http" then
    return connected_over_http(options)
  end
  local this_broker = world.broker(options.broker)
  local this_platform = world.platform(this_broker.port, options.platform)
  options.url = options.url or ("mqtt://127.0.0.1:" .. this_broker.port)
  local this_agent = world.agent(options):start()
  this_agent:await_connected()
  return this_agent, this_platform, this_broker
end

local function logs()
  local shown = {}
  for _, each in ipairs(started) do
    local text = each.thing.log and each.thing:log() or ""
    if text ~= "" then
      shown[#shown + 1] = ("# what the %s said:\n"):format(each.name)
        .. text:sub(-LOG_SHOWN_BYTES[each.name]):gsub("([^\n]+)", "#   %1") .. "\n"
    end
  end
  return table.concat(shown)
end

-- A failed test shows what its agent and broker said; this comes before after_each.
busted.subscribe({ "test", "end" }, function(_, _, status)
  if status == "failure" or status == "error" then
    io.stdout:write(logs())
  end
  return nil, true
end)

-- An agent that is still there must end with 0: a leak that the sanitizers find,
-- or a fault while it stops, is a failure of the test.
local function stop(each, complaints)
  local done, ended = pcall(each.thing.stop, each.thing)
  if not done then
    complaints[#complaints + 1] = ("stopping the %s: %s"):format(each.name, ended)
  elseif each.name == "agent" and ended and not each.thing.expects_failure then
    if each.thing.process.was_stuck then
      complaints[#complaints + 1] = "the agent did not end within 20 s of SIGTERM"
    elseif ended.code ~= 0 or ended.signal ~= 0 then
      complaints[#complaints + 1] =
        ("the agent ended with %d, signal %d:\n%s"):format(ended.code, ended.signal,
          each.thing:log():sub(-LOG_SHOWN_BYTES.agent))
    end
  end
end

--- Ends and removes all; to be called by after_each.
function world.clear()
  local complaints = {}
  for i = #started, 1, -1 do
    stop(started[i], complaints)
  end
  started = {}
  loop.settle()
  for _, path in ipairs(folders) do
    folder.remove(path)
  end
  folders = {}
  assert(#complaints == 0, table.concat(complaints, "; "))
end

return world
