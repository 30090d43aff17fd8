-- mqtts:// with authorities, names and client certificates; user names and
-- passwords. A refusal says why.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local ECHO = "return function(c) return 200, 'OK', c.payload end"

local certificates = world.certificates

local function tls_of(path, name, require_certificate)
  return {
    ca_file = path .. "/ca.crt",
    cert_file = ("%s/%s.crt"):format(path, name),
    key_file = ("%s/%s.key"):format(path, name),
    require_certificate = require_certificate,
  }
end

-- The platform's side speaks the same TLS; the agent is configured by `lines`.
local function scene(path, name, lines, options)
  options = options or {}
  local broker = world.broker { tls = tls_of(path, name, options.require_certificate) }
  local agent = world.agent {
    url = ("mqtts://%s:%d"):format(options.host or "localhost", broker.port),
    config = "return { " .. lines .. " }",
    handlers = { echo = ECHO },
  }
  return agent:start(), broker
end

local function converse(agent, broker, path, options)
  agent:await_connected()
  options = options or {}
  options.tls = { ca_file = path .. "/ca.crt", cert_file = path .. "/client.crt",
    key_file = path .. "/client.key" }
  local platform = world.platform(broker.port, options)
  assert.are.equal("x", platform:call("echo", 1, '"x"').payload)
  return platform
end

describe("mqtts", function()
  after_each(world.clear)

  it("connects to a name and to an address that the certificate holds", function()
    local path = certificates()
    local lines = ("tls = { ca_file = %q }"):format(path .. "/ca.crt")
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local agent, broker = scene(path, "server", lines, { host = host })
      converse(agent, broker, path)
    end
  end)

  it("comes back after the broker was killed", function()
    local path = certificates()
    local lines = ("tls = { ca_file = %q }"):format(path .. "/ca.crt")
    local agent, broker = scene(path, "server", lines)
    agent:await_connected()
    local mark = agent:mark()
    broker:restart()
    agent:await_connected(mark, 15)
  end)

  it("refuses a certificate of another name", function()
    local path = certificates()
    local agent = scene(path, "other", ("tls = { ca_file = %q }"):format(path .. "/ca.crt"))
    local line = agent:await_log "mqtt.*certificate"
    assert.is_truthy(line:find "localhost" or line:find "name" or line:find "host", line)
    assert.is_nil(agent:log():find(agent.CONNECTED))
  end)

  it("refuses a certificate of an unknown authority", function()
    local path = certificates()
    local agent = scene(path, "server", ("tls = { ca_file = %q }"):format(path .. "/foreign.crt"))
    agent:await_log "mqtt.*certificate"
    local second = scene(path, "server", "") -- the system's authorities
    second:await_log "mqtt.*certificate"
    assert.is_nil(agent:log():find(agent.CONNECTED))
  end)

  it("shows its certificate where the broker asks for one", function()
    local path = certificates()
    local lines = ("tls = { ca_file = %q, cert_file = %q, key_file = %q }")
      :format(path .. "/ca.crt", path .. "/client.crt", path .. "/client.key")
    local agent, broker = scene(path, "server", lines, { require_certificate = true })
    converse(agent, broker, path)
  end)

  it("says so where the broker asks for a certificate and there is none", function()
    local path = certificates()
    local agent = scene(path, "server", ("tls = { ca_file = %q }"):format(path .. "/ca.crt"),
      { require_certificate = true })
    agent:await_log "mqtt.*certificate"
    assert.is_nil(agent.process.ended)
  end)

  it("says so where one side does not speak TLS", function()
    local path = certificates()
    local plain = world.broker()
    local agent = world.agent {
      url = "mqtts://localhost:" .. plain.port,
      config = ("return { tls = { ca_file = %q } }"):format(path .. "/ca.crt"),
      handlers = {},
    }
    agent:start():await_log "mqtt.*TLS"
  end)

  it("refuses at the start what cannot be read", function()
    local agent = world.agent {
      url = "mqtts://localhost:8883",
      config = "return { tls = { ca_file = '/nonexistent/ca.crt' } }",
      handlers = {},
    }
    agent:start()
    agent.expects_failure = true
    assert.are.equal(2, agent.process:await_end().code)
    assert.is_truthy(agent:log():find("/nonexistent/ca.crt", 1, true), agent:log())
  end)
end)

describe("a user name and password", function()
  after_each(world.clear)

  local function with_password(password)
    local path = world.folder_for "password"
    world.folder.write(path .. "/users", "")
    local status, _, err = world.process.run("/usr/bin/mosquitto_passwd",
      { "-b", path .. "/users", "device", "right" })
    assert(status == 0, err)
    world.folder.write(path .. "/password", password .. "\n")
    local broker = world.broker { password_file = path .. "/users" }
    local agent = world.agent {
      url = "mqtt://127.0.0.1:" .. broker.port,
      config = ("return { username = 'device', password_file = %q }"):format(path .. "/password"),
      handlers = { echo = ECHO },
    }
    return agent:start(), broker, path
  end

  it("are given to the broker, a last newline apart", function()
    local agent, broker = with_password "right"
    agent:await_connected()
    local platform = world.platform(broker.port, { username = "device", password = "right" })
    assert.are.equal(1, platform:call("echo", 1, "1").payload)
    assert.is_nil(agent:log():find("right", 1, true))
  end)

  it("that are wrong are refused with the reason, and read anew each time", function()
    local agent, _, path = with_password "wrong"
    local line = agent:await_log "mqtt.*[au][us][te][hr]"
    assert.is_truthy(line:find "authori[sz]ed" or line:find "user name or password", line)
    assert.is_nil(agent:log():find("wrong", 1, true))
    world.folder.write(path .. "/password", "right")
    agent:await_connected(1, 20)
  end)
end)
