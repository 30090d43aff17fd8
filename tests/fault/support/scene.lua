-- kaa-local with its troublesome switches, and an agent that is killed and started
-- again on the same state. World and kaa_local are cleared by Scene.clear.
--
--   local scene = Scene.create { wire = "mqtt", handlers = { quick = "…" } }
--   scene:invoke "quick"
--   scene:kill "host"; scene:start()
--   scene:await_settled(); scene:results "quick"
local cjson = require "cjson"
local kaa_local = require "support.kaa_local"
local loop = require "support.loop"
local process = require "support.process"
local uv = require "luv"
local world = require "support.world"

local scene = {}
scene.__index = scene

scene.ENDPOINT = "E1"
local RETENTION_MS = 24 * 3600 * 1000

local CONFIG = 'return { poll_s = 0.1, worker_idle_s = 600, log_level = %q }'

--- Starts the platform; the agent is prepared, not started.
---@param options {wire: string, handlers: table, switches: table?, effects: table?}
function scene.create(options)
  local self = setmetatable({ ids = {}, wire = options.wire, kills = 0, crashes = 0 }, scene)
  self.platform = kaa_local.start { "--token", "T1=" .. scene.ENDPOINT }
  if options.switches then
    self.platform:switch(options.switches)
  end
  local port = options.wire == "http" and self.platform.http_port or self.platform.mqtt_port
  self.agent = world.agent {
    url = ("%s://127.0.0.1:%d"):format(options.wire, port),
    config = CONFIG:format(options.log_level or "info"),
    handlers = options.handlers,
  }
  return self
end

function scene:start()
  self.agent:start()
  return self.agent
end

--- Invokes one command; returns its id.
function scene:invoke(kind, payload)
  local id = self.platform:invoke(scene.ENDPOINT, kind, payload, "commandTtl=" .. RETENTION_MS)
  self.ids[kind] = self.ids[kind] or {}
  table.insert(self.ids[kind], id)
  return id
end

local kills = {}

-- The host alone: its leaders find their lifeline closed and end the rest.
function kills.host(self)
  self.agent.process:kill "sigkill"
  self.kills = self.kills + 1
end

-- Host, leaders and workers, in an order that chance gives.
function kills.all(self)
  local victims = self.agent:descendants()
  table.insert(victims, math.random(1, #victims + 1), { pid = self.agent.process.pid })
  for _, each in ipairs(victims) do
    uv.kill(each.pid, "sigkill")
  end
  self.kills = self.kills + 1
end

-- One process beneath the host: it goes on. (Not the one that reads the configuration,
-- without which there is no agent.)
function kills.worker(self)
  local victims = self.agent:workers()
  if #victims > 0 and self.agent:log():find "info%s+agent%s+started" then
    uv.kill(victims[math.random(1, #victims)].pid, "sigkill")
    self.crashes = self.crashes + 1
  end
end

--- Kills "host", "all" or "worker"; waits for the host's end where it is killed.
function scene:kill(who)
  if self.agent.process.ended then
    error("the agent had ended by itself:\n" .. self.agent:log():sub(-2000), 0)
  end
  kills[who](self)
  if who ~= "worker" then
    self.agent.process:await_end()
  end
end

--- id → {status, statusCode, reasonPhrase, payload} of all that was answered.
function scene:results(kind)
  local listed = self.platform:json("GET", ("%s/commands?endpointId=%s&commandTypes=%s")
    :format(kaa_local.REST, scene.ENDPOINT, kind))
  local found = {}
  for _, command in ipairs(listed[1] and listed[1].commands or {}) do
    if command.status == "EXECUTED" then
      found[math.tointeger(command.commandId or command.id)] = command
    end
  end
  return found
end

--- How many commands have no answer yet.
function scene:count_pending()
  local count = 0
  for kind, ids in pairs(self.ids) do
    local results = self:results(kind)
    for _, id in ipairs(ids) do
      count = count + (results[id] and 0 or 1)
    end
  end
  return count
end

--- Waits until all is answered; returns whether it is, so that a verdict can tell the rest.
function scene:await_settled(deadline_s)
  local next_ms, done = 0, false
  return (pcall(loop.await, "all commands to be answered", function()
    if loop.now_ms() >= next_ms then
      done = self:count_pending() == 0
      next_ms = loop.now_ms() + 200
    end
    return done
  end, deadline_s or 40))
end

function scene.clear()
  local done, message = pcall(world.clear)
  kaa_local.clear()
  assert(done, message)
end

scene.cjson, scene.process = cjson, process

return scene
