-- The agent and kaa-local together, over both transports, while every third
-- confirmation is lost and every fifth delivery comes twice and written anew: each
-- effect happens once, each command is executed.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local kaa_local = require "support.kaa_local"
local world = require "support.world"

local COMMANDS = world.Agent.is_sanitized() and 300 or 1000

-- Appends its id to a file: one line an effect.
local EFFECT = [[
return {
  needs = { "write" },
  run = function(command)
    local file <close> = assert(io.open(command.payload.path, "a"))
    assert(file:write(command.id, "\n"))
    return 200, "OK", { number = command.payload.number, exact = 9007199254740993 }
  end,
}]]

local function history(server)
  local all = server:json("GET", kaa_local.REST .. "/commands?endpointId=E1")
  return all[1] and all[1].commands or {}
end

local function count(commands, status)
  local found = 0
  for _, command in ipairs(commands) do
    found = found + (command.status == status and 1 or 0)
  end
  return found
end

local function url_of(server, wire)
  return ("%s://127.0.0.1:%d"):format(wire, wire == "mqtt" and server.mqtt_port or server.http_port)
end

describe("a thousand commands under trouble", function()
  after_each(function()
    world.clear()
    kaa_local.clear()
  end)

  for _, wire in ipairs { "mqtt", "http" } do
    it(("each have one effect and one answer over %s"):format(wire), function()
      local server = kaa_local.start {
        "--token", "T1=E1", "--switch", "confirm_drop_every=3",
        "--switch", "deliver_twice_every=5", "--switch", "reserialise_every=5",
      }
      local agent = world.agent { url = url_of(server, wire), handlers = { effect = EFFECT },
        app_version = "demo-v1" }
      agent:start()
      agent:await_connected()
      local path = agent.folder .. "/effects"
      for number = 1, COMMANDS do
        server:invoke("E1", "effect", cjson.encode { path = path, number = number },
          "commandTtl=600000")
      end
      local commands
      world.loop.await("all to be executed", function()
        commands = history(server)
        return count(commands, "EXECUTED") == COMMANDS
      end, 100)
      local effects, lines = {}, 0
      for id in io.lines(path) do
        assert.is_nil(effects[id], "the effect of " .. id .. " happened twice")
        effects[id], lines = true, lines + 1
      end
      assert.are.equal(COMMANDS, lines)
      for _, command in ipairs(commands) do
        assert.is_true(effects[tostring(math.tointeger(command.commandId))])
        assert.are.equal(200, command.statusCode)
        assert.are.equal(command.requestPayload.number, command.responsePayload.number)
      end
      print(("# measured: %s: %d commands, %d effects, %d executed"):format(wire, COMMANDS, lines,
        count(commands, "EXECUTED")))
    end)
  end
end)
