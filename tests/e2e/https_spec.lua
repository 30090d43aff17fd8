-- https:// with authorities, names and client certificates. `openssl s_server`
-- plays the platform's end of TLS; it serves one connection at a time, so that
-- each answer closes its own.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"
local proxy = require "support.proxy"

local ECHO = "return function(c) return 200, 'OK', c.payload end"

-- A server with a certificate of the folder; counts what came through in `requests`.
local function serve(path, name, extra)
  local server = { port = proxy.free_port(), requests = 0 }
  local arguments = {
    "s_server", "-quiet", "-accept", "127.0.0.1:" .. server.port, "-cert", name .. ".crt", "-key",
    name .. ".key", "-CAfile", "ca.crt", table.unpack(extra or {}),
  }
  local seen = ""
  server.process = world.run("/usr/bin/openssl", arguments, {
    cwd = path,
    stdin = true,
    on_output = function(stream, data)
      seen = stream == "stdout" and seen .. data or seen
      if seen:find "\r\n\r\n{}$" then
        seen = ""
        server.requests = server.requests + 1
        server.process:write "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]"
      end
    end,
  })
  return server
end

local function agent_for(server, tls, host)
  return world.agent({
    url = ("https://%s:%d/kpc"):format(host or "localhost", server.port),
    config = ("return { poll_s = 0.2, tls = { %s } }"):format(tls),
    handlers = { echo = ECHO },
  }):start()
end

local function file(path, key, name)
  return ("%s = %q, "):format(key, path .. "/" .. name)
end

describe("https", function()
  after_each(world.clear)

  it("connects to a name and to an address that the certificate holds", function()
    local path = world.certificates()
    local server = serve(path, "server")
    for _, host in ipairs { "localhost", "127.0.0.1" } do
      local before = server.requests
      local agent = agent_for(server, file(path, "ca_file", "ca.crt"), host)
      agent:await_connected()
      world.loop.await("a second poll", function() return server.requests >= before + 2 end)
      agent:stop()
    end
  end)

  it("refuses a certificate of another name", function()
    local path = world.certificates()
    local server = serve(path, "other")
    local agent = agent_for(server, file(path, "ca_file", "ca.crt"))
    agent:await_log "http.*localhost"
    assert.are.equal(0, server.requests)
  end)

  it("refuses a certificate of an unknown authority", function()
    local path = world.certificates()
    local server = serve(path, "server")
    agent_for(server, file(path, "ca_file", "foreign.crt")):await_log "http.*certificate"
    agent_for(server, ""):await_log "http.*certificate" -- the system's authorities
    assert.are.equal(0, server.requests)
  end)

  it("shows its certificate where the platform asks for one", function()
    local path = world.certificates()
    local server = serve(path, "server", { "-Verify", "1", "-verify_return_error" })
    local agent = agent_for(server, file(path, "ca_file", "ca.crt")
      .. file(path, "cert_file", "client.crt") .. file(path, "key_file", "client.key"))
    agent:await_connected()
    assert.is_true(server.requests >= 1)
  end)

  it("says so where the platform asks for a certificate and there is none", function()
    local path = world.certificates()
    local server = serve(path, "server", { "-Verify", "1", "-verify_return_error" })
    local agent = agent_for(server, file(path, "ca_file", "ca.crt"))
    agent:await_log "certificate"
    assert.are.equal(0, server.requests)
    assert.is_nil(agent.process.ended)
  end)

  it("does not speak to what is no TLS", function()
    local path = world.certificates()
    local platform = world.http_platform()
    local agent = agent_for(platform, file(path, "ca_file", "ca.crt"))
    agent:await_log("cannot connect", 1, 15) -- the platform waits for the end of a line
    assert.are.equal(0, #platform.requests)
  end)

  it("refuses at the start what cannot be read", function()
    local agent = agent_for({ port = 9 }, "ca_file = '/nonexistent/ca.crt'")
    agent.expects_failure = true
    assert.are.equal(2, agent.process:await_end().code)
    assert.is_truthy(agent:log():find("/nonexistent/ca.crt", 1, true), agent:log())
  end)
end)
