-- kaa-local as the operator sees it: the command REST API, what its page needs, and what
-- the program itself does. The device's part is played over HTTP where one is needed.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local kaa_local = require "support.kaa_local"
local loop = require "support.loop"
local process = require "support.process"
local uv = require "luv"

local REST = kaa_local.REST
local ISO = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"

local function scene(arguments)
  return kaa_local.start(arguments or { "--token", "T1=E1", "--token", "T2=E2" })
end

local function execute(server, command_type, id, rest)
  local answer = server:device("T1", "cex/result/" .. command_type,
    ('[{"id":%d,"statusCode":200%s}]'):format(id, rest or ""))
  assert.are.equal(200, answer.status)
end

describe("an invocation", function()
  after_each(kaa_local.clear)

  it("that is not waited for is accepted, and its resource is named", function()
    local server = scene()
    local before = os.time()
    local answer = server:post(REST .. "/E1/commands/reboot?awaitTimeout=0&commandTtl=3600000")
    assert.are.equal(202, answer.status)
    assert.are.equal("", answer.body)
    local id = tonumber(answer.headers.location:match("^" .. REST .. "/E1/commands/reboot/(%d+)$"))
    assert.is_true(id >= before and id <= os.time()) -- ids begin at the current second
    local command = server:json("GET", answer.headers.location)
    assert.is_truthy(command.createdAt:match(ISO))
    assert.are.equal(command.createdAt, command.updatedAt)
    command.createdAt, command.updatedAt = nil, nil
    assert.are.same({
      commandId = id, commandType = "reboot", endpointId = "E1", status = "PENDING",
      statusCode = cjson.null, reasonPhrase = cjson.null,
    }, command)
  end)

  it("is answered with the device's payload, or nothing where it gave none", function()
    local server = scene()
    for _, case in ipairs { { ',"payload":[]', "[]" }, { ',"payload":null', "null" },
      { ',"payload":0', "0" }, { "", "" } } do
      local call = server:send("POST", REST .. "/E1/commands/ask?awaitTimeout=10")
      local polled
      repeat
        polled = server:device("T1", "cex/command/ask", "{}").body
      until polled ~= "[]"
      execute(server, "ask", cjson.decode(polled)[1].id, case[1])
      local answer = call:await()
      assert.are.equal(200, answer.status)
      assert.are.equal(case[2], answer.body)
    end
  end)

  it("that waits in vain is accepted after its time", function()
    local server = scene()
    local answer = server:post(REST .. "/E1/commands/reboot?awaitTimeout=1")
    assert.are.equal(202, answer.status)
    assert.is_truthy(answer.headers.location)
  end)

  it("is accepted at once where the command expires before", function()
    local server = scene()
    local answer = server:post(REST .. "/E1/commands/reboot?awaitTimeout=60&commandTtl=100")
    assert.are.equal(202, answer.status)
    assert.are.equal("EXPIRED", server:json("GET", answer.headers.location).status)
  end)

  it("that waits is told where the command is deleted", function()
    local server = scene()
    local call = server:send("POST", REST .. "/E1/commands/reboot?awaitTimeout=60")
    local polled
    repeat
      polled = cjson.decode(server:device("T1", "cex/command/reboot", "{}").body)[1]
    until polled
    local gone = server:delete(("%s/E1/commands/reboot/%d"):format(REST, polled.id))
    assert.are.equal(204, gone.status)
    assert.are.equal(404, call:await().status)
  end)

  it("takes any JSON, a text, and nothing", function()
    local server = scene()
    local BIG = "9223372036854775807"
    for _, body in ipairs {
      "{}", "[]", "null", "false", "0", '""', BIG, "3.0", '{"a":[{"b":1.5e-07}]}',
    } do
      local id = server:invoke("E1", "any", body)
      local polled = server:device("T1", "cex/command/any", "{}").body
      assert.are.equal(('[{"id":%d,"payload":%s}]'):format(id, body), polled)
      execute(server, "any", id, ',"payload":' .. body)
      local answer = server:get(("%s/E1/commands/any/%d"):format(REST, id)).body
      local wanted = ('"requestPayload":%s,"responsePayload":%s'):format(body, body)
      assert.is_truthy(answer:find(wanted, 1, true))
    end
    local answer = server:post(REST .. "/E1/commands/text?awaitTimeout=0", 'say "hi"',
      { ["Content-Type"] = "text/plain; charset=utf-8" })
    assert.are.equal(202, answer.status)
    assert.are.equal('say "hi"', server:json("GET", answer.headers.location).requestPayload)
    assert.is_nil(server:command("E1", "none", server:invoke("E1", "none")).requestPayload)
  end)

  it("counts ids for each endpoint and type", function()
    local server = scene()
    local first = server:invoke("E1", "a")
    assert.are.equal(first + 1, server:invoke("E1", "a"))
    assert.are.equal(204, server:delete(("%s/E1/commands/a/%d"):format(REST, first + 1)).status)
    assert.are.equal(first + 2, server:invoke("E1", "a")) -- a deleted one's is not given again
    assert.is_true(server:invoke("E1", "b") <= first + 2)
    assert.is_true(server:invoke("E2", "a") <= first + 2)
  end)
end)

describe("a command", function()
  after_each(kaa_local.clear)

  it("is read, deleted, and then gone for operator and device", function()
    local server = scene()
    local id = server:invoke("E1", "reboot")
    local path = ("%s/E1/commands/reboot/%d"):format(REST, id)
    assert.are.equal(200, server:get(path).status)
    local gone = server:delete(path)
    assert.are.equal(204, gone.status)
    assert.are.equal("", gone.body)
    assert.are.equal(404, server:delete(path).status)
    assert.are.equal(404, server:get(path).status)
    assert.are.equal("[]", server:device("T1", "cex/command/reboot", "{}").body)
  end)

  it("that is the last of its type has a path of its own", function()
    local server = scene()
    assert.are.equal(404, server:get(REST .. "/E1/commands/a/last").status)
    server:invoke("E1", "a")
    local last = server:invoke("E1", "a")
    server:invoke("E1", "b")
    assert.are.equal(last, server:json("GET", REST .. "/E1/commands/a/last").commandId)
  end)
end)

describe("the history", function()
  after_each(kaa_local.clear)

  local function ids(commands)
    local list = {}
    for i, command in ipairs(commands) do
      list[i] = ("%s%s%.0f"):format(command.endpointId, command.commandType,
        command.requestPayload or 0)
    end
    return table.concat(list, " ")
  end

  local function filled()
    local server = scene()
    server:invoke("E1", "a", "1")
    server:invoke("E1", "a", "2")
    server:invoke("E1", "b")
    server:invoke("E2", "a")
    return server
  end

  it("of endpoints lists the newest first, of all types or of some", function()
    local server = filled()
    local function history(query)
      local text = {}
      for i, each in ipairs(server:json("GET", REST .. "/commands?" .. query)) do
        text[i] = each.endpointId .. ": " .. ids(each.commands)
      end
      return table.concat(text, "; ")
    end
    assert.are.equal("E1: E1b0 E1a2 E1a1", history "endpointId=E1")
    assert.are.equal("E1: E1b0 E1a2 E1a1; E2: E2a0", history "endpointId=E1&endpointId=E2")
    assert.are.equal("E2: E2a0; E1: E1a2 E1a1", history "endpointId=E2,E1&commandTypes=a")
    assert.are.equal("E1: E1b0 E1a2 E1a1", history "endpointId=E1&commandTypes=a,b,c")
    assert.are.equal("E1: ", history "endpointId=E1&commandTypes=c")
  end)

  it("of the last ones has one of each type", function()
    local server = filled()
    local answer = server:json("POST", REST .. "/commands/last",
      { endpointIds = { "E1", "E2" }, commandTypes = { "a", "b" } })
    assert.are.equal("E1b0 E1a2", ids(answer[1].commands))
    assert.are.equal("E2a0", ids(answer[2].commands))
    for _, types in ipairs { false, cjson.null } do
      local wanted = { endpointIds = { "E1" }, commandTypes = types or nil }
      assert.are.equal("E1b0 E1a2",
        ids(server:json("POST", REST .. "/commands/last", wanted)[1].commands))
    end
  end)

  it("of the application comes by pages", function()
    local server = filled()
    local page = server:json("GET", REST .. "/commands/demo")
    assert.are.equal("E2a0 E1b0 E1a2 E1a1", ids(page.content))
    page.content = nil
    assert.are.same({ totalElements = 4, totalPages = 1, number = 0, size = 20,
      numberOfElements = 4, first = true, last = true, empty = false }, page)
    page = server:json("GET", REST .. "/commands/demo?page=1&size=3&sort=commandId,asc")
    assert.are.equal(1, #page.content)
    page.content = nil
    assert.are.same({ totalElements = 4, totalPages = 2, number = 1, size = 3,
      numberOfElements = 1, first = false, last = true, empty = false }, page)
    page = server:json("GET", REST .. "/commands/demo?sort=createdAt&commandTypes=a&size=2")
    assert.are.equal("E1a1 E1a2", ids(page.content))
    page = server:json("GET", REST .. "/commands/demo?size=1&sort=commandType,desc")
    assert.are.equal("E1b0", ids(page.content))
    assert.is_true(server:json("GET", REST .. "/commands/demo?page=7").empty)
  end)
end)

describe("bad input to the REST API", function()
  after_each(kaa_local.clear)

  local JSON = { ["Content-Type"] = "application/json" }
  local COMMAND = "/E1/commands/reboot"
  local BAD = {
    { "POST", COMMAND .. "?awaitTimeout=-1", 400 },
    { "POST", COMMAND .. "?awaitTimeout=61", 400 },
    { "POST", COMMAND .. "?awaitTimeout=x", 400 },
    { "POST", COMMAND .. "?awaitTimeout=", 400 },
    { "POST", COMMAND .. "?awaitTimeout=1.5", 400 },
    { "POST", COMMAND .. "?commandTtl=-1", 400 },
    { "POST", COMMAND .. "?commandTtl=1h", 400 },
    { "POST", COMMAND .. "?commandTtl=99999999999999999999", 400 },
    { "POST", COMMAND, 400, "{", JSON },
    { "POST", COMMAND, 400, "{} {}", JSON },
    { "POST", COMMAND, 400, '{"a":1,"a":2}', JSON },
    { "POST", COMMAND, 400, ("["):rep(65) .. ("]"):rep(65), JSON },
    { "POST", COMMAND, 400, "\xff", { ["Content-Type"] = "text/plain" } },
    { "POST", COMMAND, 413, '"' .. ("x"):rep(256 * 1024) .. '"', JSON },
    { "POST", COMMAND, 413, '"' .. ("x"):rep(2 * 1024 * 1024) .. '"', JSON },
    { "POST", COMMAND, 415, "{}", { ["Content-Type"] = "application/x-www-form-urlencoded" } },
    { "POST", COMMAND, 415, "{}" },
    { "POST", "/nobody/commands/reboot", 404 },
    { "POST", "/E1/commands/42", 400 },
    { "POST", "/E1/commands/status", 400 },
    { "POST", "/E1/commands/re%20boot", 400 },
    { "POST", "/E1/commands/" .. ("x"):rep(65), 400 },
    { "POST", "/E1/commands/", 400 },
    { "GET", COMMAND, 405 },
    { "PUT", COMMAND, 405 },
    { "POST", COMMAND .. "/1", 405 },
    { "OST", COMMAND, 405 },
    { "DELETE", COMMAND .. "/last", 405 },
    { "GET", COMMAND .. "/1", 404 },
    { "DELETE", COMMAND .. "/1", 404 },
    { "GET", COMMAND .. "/one", 400 },
    { "GET", COMMAND .. "/99999999999999999999", 400 },
    { "GET", COMMAND .. "/last", 404 },
    { "GET", "/nobody/commands/reboot/last", 404 },
    { "GET", "/commands", 400 },
    { "GET", "/commands?endpointId=nobody", 404 },
    { "GET", "/commands?endpointId=", 400 },
    { "GET", "/commands?endpointId=E1&commandTypes=", 400 },
    { "GET", "/commands?endpointId=E1&commandTypes=a,%FF", 400 },
    { "GET", "/commands/demo?commandTypes=,", 400 },
    { "GET", "/commands/demo?commandTypes=%C3", 400 },
    { "POST", "/commands?endpointId=E1", 405 },
    { "GET", "/commands/other", 404 },
    { "GET", "/commands/demo-v1", 404 },
    { "GET", "/commands/demo?page=-1", 400 },
    { "GET", "/commands/demo?size=0", 400 },
    { "GET", "/commands/demo?size=2001", 400 },
    { "GET", "/commands/demo?sort=colour", 400 },
    { "GET", "/commands/demo?sort=createdAt,up", 400 },
    { "GET", "/commands/last", 405 },
    { "POST", "/commands/last", 415 },
    { "POST", "/commands/last", 400, "[]", JSON },
    { "POST", "/commands/last", 400, "{}", JSON },
    { "POST", "/commands/last", 400, '{"endpointIds":"E1"}', JSON },
    { "POST", "/commands/last", 400, '{"endpointIds":["E1"],"commandTypes":[1]}', JSON },
    { "POST", "/commands/last", 404, '{"endpointIds":["nobody"]}', JSON },
    { "GET", "", 404 },
    { "GET", "/E1", 404 },
    { "GET", "/E1/commands", 404 },
    { "GET", "/E1/commands/a/1/more", 404 },
  }

  it("has the right 4xx and a message as its answer", function()
    local server = scene()
    for _, bad in ipairs(BAD) do
      local what = bad[1] .. " " .. bad[2]
      local answer = server:send(bad[1], REST .. bad[2], bad[4], bad[5]):await()
      assert.are.equal(bad[3], answer.status, what .. ": " .. answer.body)
      assert.is_truthy(#cjson.decode(answer.body).message > 10, what)
      if bad[3] == 405 then
        assert.is_truthy(answer.headers.allow, what)
      end
    end
    assert.are.equal(0, server:json("GET", REST .. "/commands/demo").totalElements)
  end)
end)

describe("what the page needs", function()
  after_each(kaa_local.clear)

  it("is told of itself", function()
    local server = scene()
    assert.are.same({
      name = "kaa-local", note = "not made by Kaa", appVersion = "demo-v1", openTokens = false,
      http = "http://127.0.0.1:" .. server.http_port,
      mqtt = "mqtt://127.0.0.1:" .. server.mqtt_port,
    }, server:json("GET", "/api/about"))
  end)

  it("is told of the endpoints", function()
    local server = scene()
    local endpoints = server:json("GET", "/api/endpoints")
    assert.are.same({ endpointId = "E1", token = "T1", appVersion = "demo-v1", connected = false,
      transport = cjson.null, lastSeenAt = cjson.null }, endpoints[1])
    server:device("T2", "cex/command/reboot", "{}")
    local polled = server:json("GET", "/api/endpoints")[2]
    assert.are.equal("http", polled.transport)
    assert.is_true(polled.connected)
    assert.is_truthy(polled.lastSeenAt:match(ISO))
    assert.are.same({ series = {}, latest = {} }, server:json("GET", "/api/endpoints/E1/telemetry"))
    assert.are.same({}, server:json("GET", "/api/endpoints/E1/metadata"))
  end)

  it("sees each change of a command of its endpoint as it happens", function()
    local server = scene()
    local events = server:watch "?endpointId=E1"
    server:invoke("E2", "other")
    local id = server:invoke("E1", "reboot", "{}")
    local created = kaa_local.await_event(events, "command")
    assert.are.equal("reboot", created.commandType)
    assert.are.equal("PENDING", created.status)
    execute(server, "reboot", id, ',"reasonPhrase":"OK"')
    local executed = kaa_local.await_event(events, "command")
    assert.are.same(server:command("E1", "reboot", id), executed)
    server:delete(("%s/E1/commands/reboot/%d"):format(REST, id))
    assert.are.same({ endpointId = "E1", commandType = "reboot", commandId = id },
      kaa_local.await_event(events, "deleted"))
  end)

  it("may watch all endpoints, many times, and go at any time", function()
    local server = scene()
    for _ = 1, 20 do
      server:watch():close()
    end
    local events = server:watch()
    server:invoke("E2", "a")
    server:invoke("E1", "a")
    assert.are.equal("E2", kaa_local.await_event(events, "command").endpointId)
    assert.are.equal("E1", kaa_local.await_event(events, "command").endpointId)
  end)

  it("is heard, but no page of another site", function()
    local server = scene()
    local own = { Origin = "http://127.0.0.1:8080", Host = "127.0.0.1:8080" }
    local path = REST .. "/E1/commands/reboot?awaitTimeout=0"
    assert.are.equal(202, server:post(path, nil, own).status)
    own.Origin = "https://example.org"
    assert.are.equal(403, server:post(path, nil, own).status)
    own.Origin = "null"
    assert.are.equal(403, server:post(path, nil, own).status)
  end)

  it("is heard by an address or as localhost, under no other name", function()
    local server = scene()
    for host, status in pairs {
      ["127.0.0.1"] = 200, ["192.0.2.1:80"] = 200, ["LocalHost:8080"] = 200, ["[::1]:8080"] = 200,
      ["[::1]"] = 200, ["example.org"] = 403, ["example.org:8080"] = 403, ["localhost."] = 403,
      ["127.0.0.1.example.org"] = 403, ["[::1"] = 403, ["[::1]x"] = 403, ["127.0.0.1:x"] = 403,
    } do
      assert.are.equal(status, server:send("GET", "/", nil, { Host = host }):await().status, host)
    end
    assert.are.equal(403, server:send("GET", "/", nil, { Host = false }):await().status)
  end)

  it("is refused what is not there", function()
    local server = scene()
    for _, bad in ipairs {
      { "GET", "/api/endpoints/nobody/telemetry", 404 }, { "GET", "/api/endpoints/E1/what", 404 },
      { "GET", "/api/endpoints/E1", 404 }, { "GET", "/api/events?endpointId=nobody", 404 },
      { "GET", "/api/what", 404 }, { "POST", "/api/about", 405 },
      { "DELETE", "/api/switches", 405 },
      { "GET", "/no-such-page.html", 404 }, { "POST", "/", 405 },
      { "GET", "/%2e%2e/page.h", 404 },
    } do
      local answer = server:send(bad[1], bad[2]):await()
      assert.are.equal(bad[3], answer.status, bad[2])
      assert.is_string(cjson.decode(answer.body).message)
    end
  end)

  it("is served: the page at /", function()
    local server = scene()
    local answer = server:get "/"
    assert.are.equal(200, answer.status)
    assert.are.equal("text/html; charset=utf-8", answer.headers["content-type"])
    assert.is_truthy(answer.headers["content-security-policy"]:find("default-src 'self'", 1, true))
    assert.are.equal(answer.body, server:get("/index.html").body)
    assert.is_truthy(answer.body:lower():find("<!doctype html>", 1, true))
  end)
end)

describe("the program", function()
  after_each(kaa_local.clear)

  it("keeps its history in a file", function()
    local server = scene { "--token", "T1=E1", "--db", kaa_local.folder() .. "/local.db" }
    local done, pending = server:invoke("E1", "a", '"x"'), server:invoke("E1", "a")
    server:invoke("E1", "brief", nil, "commandTtl=1")
    execute(server, "a", done, ',"payload":{"n":1}')
    server:device("T1", "dcx/json", '[{"level":7}]')
    server:device("T1", "epmx/update/keys", '{"name":"x"}')
    local history = server:json("GET", REST .. "/commands/demo?commandTypes=a")
    for _, signal in ipairs { "sigterm", "sigkill" } do
      server.process:kill(signal)
      server.process:await_end()
      server:restart()
      assert.are.same(history, server:json("GET", REST .. "/commands/demo?commandTypes=a"))
    end
    assert.are.equal(pending, cjson.decode(server:device("T1", "cex/command/a", "{}").body)[1].id)
    assert.are.equal("EXPIRED", server:json("GET", REST .. "/E1/commands/brief/last").status)
    assert.are.equal(7, server:json("GET", "/api/endpoints/E1/telemetry").latest.level.value)
    assert.are.same({ name = "x" }, server:json("GET", "/api/endpoints/E1/metadata"))
    assert.is_string(server:json("GET", "/api/endpoints")[1].lastSeenAt)
    assert.is_true(server:invoke("E1", "a") > pending)
  end)

  it("gives an endpoint the same id each time, with no file too", function()
    local server = scene { "--token", "by-hand" }
    local id = server.ids["by-hand"]
    assert.is_truthy(id:match "^%x+%-%x+%-8%x+%-[89ab]%x+%-%x+$")
    server:stop()
    server:restart()
    assert.are.equal(id, server.ids["by-hand"])
  end)

  it("says in its first lines where it is and that Kaa did not make it", function()
    local server = scene()
    assert.are.equal(([[
kaa-local  not made by Kaa; stands in for the platform's command service on this machine
page       http://127.0.0.1:%d/
device     http://127.0.0.1:%d     mqtt://127.0.0.1:%d
app        demo-v1
endpoint   T1  (id E1)
endpoint   T2  (id E2)
ready
]]):format(server.http_port, server.http_port, server.mqtt_port), server.process.stdout)
  end)

  it("ends in order at SIGINT too, with requests that wait", function()
    local server = scene()
    local call = server:send("POST", REST .. "/E1/commands/a?awaitTimeout=60")
    server:watch()
    assert.is_truthy(server:json("GET", REST .. "/E1/commands/a/last"))
    server.process:kill "sigint"
    assert.are.same({ code = 0, signal = 0 }, server.process:await_end())
    assert.is_nil(call:await())
  end)

  it("ends in order where requests that would wait come with the signal", function()
    local server = scene()
    server.process:kill "sigstop"
    local calls = {
      server:send("POST", REST .. "/E1/commands/a?awaitTimeout=60"),
      server:send("GET", "/api/events"),
      server:send("POST", REST .. "/E1/commands/b?awaitTimeout=60"),
    }
    for _, call in ipairs(calls) do
      loop.await("the request to be sent", function()
        return call.socket:is_active() and call.socket:get_write_queue_size() == 0
      end)
    end
    server.process:kill "sigterm"
    server.process:kill "sigcont"
    assert.are.same({ code = 0, signal = 0 }, server.process:await_end())
    for _, call in ipairs(calls) do
      call:await()
    end
  end)

  it("leaves nothing in the temporary folder", function()
    local path = kaa_local.folder()
    kaa_local.start({}, { TMPDIR = path })
    assert.is_nil((uv.fs_scandir_next(uv.fs_scandir(path)))) -- not even while it runs
  end)

  local WRONG = {
    { { "--http", "8080" }, 2, "ADDRESS:PORT" },
    { { "--http", "nowhere:80" }, 2, "nowhere" },
    { { "--mqtt-port", "x" }, 2, "--mqtt-port" },
    { { "--mqtt-port", "65536" }, 2, "--mqtt-port" },
    { { "--app-version", "a/b" }, 2, "--app-version" },
    { { "--token", "a/b" }, 2, "a/b" },
    { { "--token", "a=b c" }, 2, "b c" },
    { { "--token", "a=commands" }, 2, "commands" },
    { { "--token", "a=1", "--token", "b=1" }, 2, "another endpoint" },
    { { "--switch", "colour=red" }, 2, "colour" },
    { { "--switch", "delay_ms=soon" }, 2, "delay_ms" },
    { { "--switch", "refuse=200" }, 2, "refuse" },
    { { "--switch", "unknown_result=500" }, 2, "ok, 404, 409 or silent" },
    { { "--switch", "credentials=alice" }, 2, "user:password" },
    { { "--db", "/nowhere/at/all.db" }, 2, "/nowhere/at/all.db" },
    { { "--mosquitto", "/nowhere" }, 75, "/nowhere" },
    { { "--token" }, 2, "--token" },
    { { "--what" }, 2, "--what" },
    { { "what" }, 2, "what" },
  }
  for _, wrong in ipairs(WRONG) do
    it("refuses to start with " .. table.concat(wrong[1], " "), function()
      local status, out, err = process.run(kaa_local.program, wrong[1])
      assert.are.equal(wrong[2], status, err)
      assert.are.equal("", out)
      assert.is_truthy(err:match("kaa%-local: [^\n]*"):find(wrong[3], 1, true), err)
    end)
  end

  it("refuses a port that is taken, and a file that is not its own", function()
    local server = scene()
    local status, _, err = process.run(kaa_local.program,
      { "--mqtt-port", "0", "--http", "127.0.0.1:" .. server.http_port })
    assert.are.equal(75, status)
    assert.is_truthy(err:find "Address already in use")
    status, _, err = process.run(kaa_local.program,
      { "--http", "127.0.0.1:0", "--mqtt-port", tostring(server.mqtt_port) })
    assert.are.equal(75, status)
    assert.is_truthy(err:find "is taken")
    local path = kaa_local.folder() .. "/other.db"
    require("support.folder").write(path, ("not a database "):rep(100))
    status, _, err = process.run(kaa_local.program, { "--db", path })
    assert.are.equal(2, status)
    assert.is_truthy(err:find(path, 1, true))
  end)

  it("explains its options", function()
    local status, out = process.run(kaa_local.program, { "--help" })
    assert.are.equal(0, status)
    for _, option in ipairs {
      "--http", "--mqtt-port", "--app-version", "--token", "--open", "--db", "--switch",
    } do
      assert.is_truthy(out:find(option, 1, true), option)
    end
  end)
end)
