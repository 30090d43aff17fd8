-- kaa-local's side of a device over MQTT. The device is tests/peer, a plain MQTT client
-- that subscribes to nothing: it hears what kaa-local sends to its connection alone.
package.path = "tests/e2e/?.lua;" .. package.path
local kaa_local = require "support.kaa_local"
local loop = require "support.loop"
local process = require "support.process"

local elements = kaa_local.elements

-- kaa-local with the endpoint T1 = E1, and a device that has said its token.
local function scene(arguments)
  local server = kaa_local.start(arguments or { "--token", "T1=E1" })
  local device = server:mqtt "T1"
  device:ask("cex/command/first/1", "{}")
  return server, device
end

local function result(id, rest)
  return ('[{"id":%d,"statusCode":200%s}]'):format(id, rest or "")
end

-- Whether nothing comes on a topic before something that was sent later does.
local function heard_before(device, path, mark)
  device:ask(mark, "{}")
  for _, message in ipairs(device.messages) do
    if message.topic == device:topic(path) then
      return true
    end
  end
  return false
end

describe("a device that never subscribes", function()
  after_each(kaa_local.clear)

  it("is pushed a command and has its result confirmed", function()
    local server, device = scene()
    local id = server:invoke("E1", "reboot", '{"deep":[1,2.5,null]}')
    assert.are.equal(('[{"id":%d,"payload":{"deep":[1,2.5,null]}}]'):format(id),
      device:await "cex/command/reboot/status")
    assert.are.equal("", device:ask("cex/result/reboot/7", result(id, ',"reasonPhrase":"OK"')))
    local command = server:command("E1", "reboot", id)
    assert.are.equal("EXECUTED", command.status)
    assert.are.equal("OK", command.reasonPhrase)
  end)

  it("answers an operator who waits", function()
    local server, device = scene()
    local call = server:send("POST", kaa_local.REST .. "/E1/commands/sum", { 1, 2 })
    local command = elements(device:await "cex/command/sum/status")[1]
    assert.are.same({ 1, 2 }, command.payload)
    device:publish("cex/result/sum", result(command.id, ',"payload":{"sum":3}'))
    local answer = call:await()
    assert.are.equal(200, answer.status)
    assert.are.equal('{"sum":3}', answer.body)
    assert.are.equal("application/json", answer.headers["content-type"])
  end)

  it("gets all outstanding commands of a type, and only of it, for a request", function()
    local server = kaa_local.start { "--token", "T1=E1" }
    local first, second = server:invoke("E1", "RESET"), server:invoke("E1", "RESET", "0")
    server:invoke("E1", "RESET_ALL")
    local device = server:mqtt "T1"
    assert.are.equal(('[{"id":%d},{"id":%d,"payload":0}]'):format(first, second),
      device:ask("cex/command/RESET/5", '{"observe":true}'))
    assert.are.equal("[]", device:ask("cex/command/other/6", "{}"))
    assert.are.equal(first + 1, second)
  end)

  it("gets the oldest 15 MB where more is outstanding, and the rest later", function()
    local server = kaa_local.start { "--token", "T1=E1" }
    local payload = '"' .. ("x"):rep(250000) .. '"'
    local ids = {}
    for i = 1, 72 do
      ids[i] = server:invoke("E1", "big", payload)
    end
    local device = server:mqtt "T1"
    local reply = device:ask("cex/command/big/1", "{}")
    local listed = elements(reply)
    assert.is_true(#reply > 14.7e6 and #reply <= 15e6 + 2, #reply .. " bytes")
    local results = {}
    for i, element in ipairs(listed) do
      assert.are.equal(ids[i], element.id)
      results[i] = ('{"id":%d,"statusCode":200}'):format(element.id)
    end
    device:ask("cex/result/big/2", "[" .. table.concat(results, ",") .. "]")
    local rest = elements(device:ask("cex/command/big/3", "{}"))
    assert.are.equal(72 - #listed, #rest)
    assert.are.equal(ids[72], rest[#rest].id)
  end)

  it("gets an answer to a request with no id on the topic of pushes", function()
    local _, device = scene()
    assert.are.equal("[]", device:ask("cex/command/reboot", "{}"))
  end)

  it("has no confirmation of a result with no request id", function()
    local server, device = scene()
    local id = server:invoke("E1", "reboot")
    device:await "cex/command/reboot/status"
    device:publish("cex/result/reboot", result(id))
    assert.is_false(heard_before(device, "cex/result/reboot/status", "cex/command/mark/2"))
    assert.are.equal("EXECUTED", server:command("E1", "reboot", id).status)
  end)

  it("is told of a fault even with no request id", function()
    local _, device = scene()
    device:publish("cex/result/reboot", "{}")
    assert.are.equal(400, elements(device:await "cex/result/reboot/error").statusCode)
  end)
end)

describe("observe", function()
  after_each(kaa_local.clear)

  it("false stops pushes of this type alone, until it is true again", function()
    local server, device = scene()
    device:ask("cex/command/quiet/1", '{"observe":false}')
    local id = server:invoke("E1", "quiet")
    local loud = server:invoke("E1", "loud")
    assert.are.equal(loud, elements(device:await "cex/command/loud/status")[1].id)
    assert.is_false(heard_before(device, "cex/command/quiet/status", "cex/command/mark/2"))
    assert.are.equal(id, elements(device:ask("cex/command/quiet/2", '{"observe":true}'))[1].id)
    local next_id = server:invoke("E1", "quiet")
    assert.are.equal(next_id, elements(device:await "cex/command/quiet/status")[1].id)
  end)

  it("false is forgotten with the connection", function()
    local server, device = scene()
    device:ask("cex/command/quiet/1", '{"observe":false}')
    local other = server:mqtt "T1"
    other:ask("cex/command/first/1", "{}")
    server:invoke("E1", "quiet")
    other:await "cex/command/quiet/status"
  end)
end)

describe("a token", function()
  after_each(kaa_local.clear)

  it("is where it was last used, whichever connection that is", function()
    local server, first = scene()
    local second = server:mqtt "T1"
    second:publish("dcx/json/1", "[]")
    second:await "dcx/json/1/status"
    server:invoke("E1", "reboot")
    second:await "cex/command/reboot/status"
    first:ask("cex/command/first/2", "{}")
    server:invoke("E1", "reboot")
    first:await "cex/command/reboot/status"
    assert.are.same({}, second.messages)
  end)

  it("shares a connection with others", function()
    local server = kaa_local.start { "--token", "T1=E1", "--token", "T2=E2" }
    local gateway = server:mqtt "T1"
    gateway:ask("cex/command/a/1", "{}")
    gateway.token = "T2"
    gateway:ask("cex/command/a/1", "{}")
    server:invoke("E2", "a", "2")
    assert.are.equal(2, elements(gateway:await "cex/command/a/status")[1].payload)
    gateway.token = "T1"
    server:invoke("E1", "a", "1")
    assert.are.equal(1, elements(gateway:await "cex/command/a/status")[1].payload)
  end)

  it("that nobody knows is refused, or taken in where tokens are open", function()
    local server = kaa_local.start()
    local device = server:mqtt "stranger"
    device:publish("cex/command/reboot/1", "{}")
    local fault = elements(device:await "cex/command/reboot/1/error")
    assert.are.same({
      statusCode = 404, reasonPhrase = "There is no endpoint with the token stranger",
    }, fault)
    local open = kaa_local.start { "--open" }
    assert.are.same({}, open:json("GET", "/api/endpoints"))
    local guest = open:mqtt "stranger"
    guest:ask("cex/command/reboot/1", "{}")
    local endpoints = open:json("GET", "/api/endpoints")
    assert.are.equal("stranger", endpoints[1].token)
    assert.is_true(endpoints[1].connected)
    assert.are.equal("mqtt", endpoints[1].transport)
  end)

  it("is not connected any more once its connection has ended", function()
    local server, device = scene()
    local events = server:watch()
    device.peer:stop()
    local told = kaa_local.await_event(events, "endpoint", function(data)
      return not data.connected
    end)
    assert.are.equal("E1", told.endpointId)
    server:invoke("E1", "reboot") -- waits for the next connection
    local again = server:mqtt "T1"
    assert.are.equal(1, #elements(again:ask("cex/command/reboot/1", "{}")))
  end)
end)

describe("the broker", function()
  after_each(kaa_local.clear)

  it("passes nothing from device to device", function()
    local server, device = scene()
    local spy = server:mqtt "T1"
    spy.peer:subscribe "#"
    spy.peer:subscribe "kp1/+/dcx/+/json/#"
    assert.are.equal("", device:ask("dcx/json/1", '[{"a":1}]'))
    device:publish("other/topic", "secret")
    device:ask("cex/command/mark/2", "{}")
    assert.are.same({}, spy.messages)
  end)

  it("keeps its reserved topics from devices", function()
    local server, device = scene()
    device.peer:subscribe "kaa-local/#"
    device.peer:publish("kaa-local/to-plugin", "C\1\0\0\0C")
    device.peer:await_published()
    assert.are.equal("", device:ask("dcx/json/1", "[]"))
    assert.are.equal(0, #device.messages)
    assert.is_nil(server.process.ended)
  end)

  it("ends with kaa-local, also where that is killed", function()
    local server = kaa_local.start()
    server.expects_failure = true
    local children = process.descendants(server.process.pid)
    assert.are.equal(1, #children)
    assert.are.equal("mosquitto", children[1].name)
    server.process:kill "sigkill"
    server.process:await_end()
    loop.await("mosquitto to end", function()
      return not require("luv").fs_stat("/proc/" .. children[1].pid)
    end)
  end)

  it("takes kaa-local with it where it ends first", function()
    local server = kaa_local.start()
    server.expects_failure = true
    local children = process.descendants(server.process.pid)
    require("luv").kill(children[1].pid, "sigkill")
    assert.are.equal(75, server.process:await_end().code)
    assert.is_truthy(server:log():find("the broker has ended", 1, true))
  end)
end)

describe("a result over MQTT", function()
  after_each(kaa_local.clear)

  local BAD = {
    { "not JSON", "[{]" },
    { "no array", '{"id":1,"statusCode":200}' },
    { "nothing", "" },
    { "no id", '[{"statusCode":200}]' },
    { "no status code", '[{"id":1}]' },
    { "an id that is a text", '[{"id":"1","statusCode":200}]' },
    { "a status code with a point", '[{"id":1,"statusCode":200.0}]' },
    { "a status code of null", '[{"id":1,"statusCode":null}]' },
    { "a reason that is no text", '[{"id":1,"statusCode":200,"reasonPhrase":null}]' },
    { "a member of its own", '[{"id":1,"statusCode":200,"extra":1}]' },
    { "an element that is no object", "[1]" },
    { "two ids", '[{"id":1,"id":2,"statusCode":200}]' },
    { "bad UTF-8", '[{"id":1,"statusCode":200,"payload":"\xff"}]' },
  }
  for _, bad in ipairs(BAD) do
    it("with " .. bad[1] .. " is refused as a whole", function()
      local server, device = scene()
      local id = server:invoke("E1", "reboot")
      local message = bad[2]
      if message:find "^%[{" then -- a good one beside it is not taken either
        message = ('[{"id":%d,"statusCode":200},%s'):format(id, message:sub(2))
      end
      device:publish("cex/result/reboot/9", message)
      local fault = elements(device:await "cex/result/reboot/9/error")
      assert.are.equal(400, fault.statusCode)
      assert.is_truthy(#fault.reasonPhrase > 10)
      assert.are.equal("PENDING", server:command("E1", "reboot", id).status)
    end)
  end

  it("marks a command executed whatever the status code", function()
    local server, device = scene()
    for _, code in ipairs { 100, 204, 409, 500, 599 } do
      local id = server:invoke("E1", "park")
      device:ask("cex/result/park/1",
        ('[{"id":%d,"statusCode":%d,"reasonPhrase":"so"}]'):format(id, code))
      local command = server:command("E1", "park", id)
      assert.are.equal("EXECUTED", command.status)
      assert.are.equal(code, command.statusCode)
    end
  end)

  it("holds many", function()
    local server, device = scene()
    local list = {}
    for i = 1, 20 do
      list[i] = ('{"id":%d,"statusCode":200,"payload":%d}'):format(server:invoke("E1", "many"), i)
    end
    assert.are.equal("", device:ask("cex/result/many/1", "[" .. table.concat(list, ",") .. "]"))
    assert.are.equal("[]", device:ask("cex/command/many/2", "{}"))
  end)

  it("that comes a second time changes nothing", function()
    local server, device = scene()
    local id = server:invoke("E1", "reboot")
    device:ask("cex/result/reboot/1", result(id, ',"payload":1'))
    device:ask("cex/result/reboot/2", result(id, ',"payload":2'))
    assert.are.equal(1, server:command("E1", "reboot", id).responsePayload)
  end)
end)

describe("a request over MQTT", function()
  after_each(kaa_local.clear)

  local BAD = {
    { "cex/command/reboot/1", "[]", 400 },
    { "cex/command/reboot/1", '{"observe":1}', 400 },
    { "cex/command/reboot/1", '{"observe":true,"more":1}', 400 },
    { "cex/command/reboot/1", "{", 400 },
    { "cex/command/re.boot/1", "{}", 400 },
    { "cex/command/1", "{}", 404 }, -- a number alone is a request id
    { "cex/command/reboot/0", "{}", 400 },
    { "cex/command/reboot/2147483648", "{}", 400 },
    { "cex/what/1", "{}", 404 },
    { "nox/command/reboot/1", "{}", 404 },
    { "dcx/json/1", "text", 400 },
    { "dcx/json/1", "7", 400 },
    { "dcx/plain/1", "7", 400 },
    { "epmx/update/1", "[]", 400 },
    { "epmx/update/1", "{}", 400 },
    { "epmx/update/keys/1", '{"a b":1}', 400 },
    { "epmx/get/1", '{"keys":1}', 400 },
    { "epmx/get/1", '{"keys":["a","a"]}', 400 },
    { "epmx/get/keys/1", "[]", 400 },
    { "epmx/delete/keys/1", "[]", 400 },
    { "epmx/delete/keys/1", '{"a":1}', 400 },
    { "epmx/what/1", "{}", 404 },
  }

  it("that is wrong has an error object as its answer", function()
    local _, device = scene()
    for _, bad in ipairs(BAD) do
      device:publish(bad[1], bad[2])
      local fault = elements(device:await(bad[1] .. "/error"))
      assert.are.equal(bad[3], fault.statusCode, bad[1] .. " " .. bad[2])
      assert.is_string(fault.reasonPhrase)
    end
  end)

  it("over 1 MiB is refused with 413", function()
    local _, device = scene()
    device:publish("dcx/json/1", '["' .. ("x"):rep(1024 * 1024) .. '"]')
    assert.are.equal(413, elements(device:await "dcx/json/1/error").statusCode)
  end)

  it("for another application version is refused", function()
    local _, device = scene()
    device.peer:publish("kp1/other-v2/cex/T1/command/reboot/1", "{}")
    loop.await("the refusal", function()
      return device.messages[1]
    end)
    assert.are.equal("kp1/other-v2/cex/T1/command/reboot/1/error", device.messages[1].topic)
  end)
end)

describe("telemetry and metadata over MQTT", function()
  after_each(kaa_local.clear)

  it("are confirmed, stored and told", function()
    local server, device = scene()
    local events = server:watch "?endpointId=E1"
    local batch = '[{"fuelLevel":99.7,"name":"x"},{"fuelLevel":0}]'
    assert.are.equal("", device:ask("dcx/json/1", batch))
    assert.are.equal("", device:ask("dcx/json/2", '{"temperature":95}'))
    assert.are.equal("", device:ask("dcx/plain/level/3", "21"))
    assert.are.equal("", device:ask("dcx/plain/share/4", "55%"))
    local told = kaa_local.await_event(events, "telemetry")
    assert.are.same({ { fuelLevel = 99.7, name = "x" }, { fuelLevel = 0 } }, told.samples)
    local telemetry = server:json("GET", "/api/endpoints/E1/telemetry")
    assert.are.equal(2, #telemetry.series.fuelLevel)
    assert.are.equal(99.7, telemetry.series.fuelLevel[1][2])
    assert.are.equal(0, telemetry.latest.fuelLevel.value)
    assert.are.equal(21, telemetry.latest.level.value)
    assert.are.equal("55%", telemetry.latest.share.value)
    assert.are.equal("x", telemetry.latest.name.value)
    assert.is_nil(telemetry.series.name)
  end)

  it("keep 200 samples of a series", function()
    local server, device = scene()
    local batch = {}
    for i = 1, 230 do
      batch[i] = ('{"n":%d}'):format(i)
    end
    device:ask("dcx/json/1", "[" .. table.concat(batch, ",") .. "]")
    local series = server:json("GET", "/api/endpoints/E1/telemetry").series.n
    assert.are.equal(200, #series)
    assert.are.equal(31, series[1][2])
    assert.are.equal(230, series[200][2])
  end)

  it("follow 10/EPMP: update, merge, get, delete", function()
    local server, device = scene()
    local events = server:watch "?endpointId=E1"
    assert.are.equal("", device:ask("epmx/update/1", '{"a":1,"b":{"c":[]}}'))
    assert.are.equal("", device:ask("epmx/update/keys/2", '{"b":null,"d":"x"}'))
    assert.are.equal('{"a":1,"b":null,"d":"x"}', device:ask("epmx/get/3", ""))
    assert.are.equal('{"d":"x"}', device:ask("epmx/get/4", '{"keys":["d","none"]}'))
    assert.are.equal('["a","b","d"]', device:ask("epmx/get/keys/5", ""))
    assert.are.equal("", device:ask("epmx/delete/keys/6", '["a","none"]'))
    assert.are.equal("", device:ask("epmx/update/7", '{"e":2}')) -- the whole: all others go
    assert.are.equal('{"e":2}', device:ask("epmx/get/8", "{}"))
    assert.are.same({ e = 2 }, server:json("GET", "/api/endpoints/E1/metadata"))
    local told = kaa_local.await_event(events, "metadata", function(data)
      return data.metadata.e
    end)
    assert.are.same({ endpointId = "E1", metadata = { e = 2 } }, told)
  end)
end)

describe("retention", function()
  after_each(kaa_local.clear)

  it("ends a command that nobody answers", function()
    local server, device = scene()
    local events = server:watch "?endpointId=E1"
    local id = server:invoke("E1", "late", nil, "commandTtl=300")
    kaa_local.await_event(events, "command", function(data)
      return data.commandId == id and data.status == "EXPIRED"
    end)
    assert.are.equal("[]", device:ask("cex/command/late/1", "{}"))
    assert.are.equal("", device:ask("cex/result/late/2", result(id)))
    assert.are.equal("EXPIRED", server:command("E1", "late", id).status)
  end)

  it("of 0 is pushed once and never listed", function()
    local server, device = scene()
    local id = server:invoke("E1", "once", nil, "commandTtl=0")
    assert.are.equal(id, elements(device:await "cex/command/once/status")[1].id)
    assert.are.equal("[]", device:ask("cex/command/once/1", "{}"))
    assert.are.equal("", device:ask("cex/result/once/2", result(id)))
    assert.are.equal("EXECUTED", server:command("E1", "once", id).status)
  end)

  it("of 0 expires at once where no connection has the token", function()
    local server = kaa_local.start { "--token", "T1=E1" }
    local id = server:invoke("E1", "once", nil, "commandTtl=0")
    assert.are.equal("EXPIRED", server:command("E1", "once", id).status)
  end)
end)

describe("many commands", function()
  after_each(kaa_local.clear)

  it("are each pushed once, in order, and each executed: 1,000 of them", function()
    local server, device = scene()
    local wanted = {}
    local calls = {}
    for i = 1, 1000 do
      calls[i] = server:send("POST", kaa_local.REST .. "/E1/commands/burst?awaitTimeout=0",
        tostring(i), { ["Content-Type"] = "application/json" })
      if i % 50 == 0 then
        for n = i - 49, i do
          assert.are.equal(202, calls[n]:await().status)
        end
      end
    end
    loop.await("1,000 pushes", function()
      return #device.messages >= 1000
    end, 20)
    local results, last = {}, 0
    for _, message in ipairs(device.messages) do
      local command = elements(message.body)[1]
      assert.is_nil(wanted[command.payload])
      assert.is_true(command.id > last)
      wanted[command.payload], last = true, command.id
      results[#results + 1] = ('{"id":%d,"statusCode":200}'):format(command.id)
    end
    device.messages = {}
    device:ask("cex/result/burst/1", "[" .. table.concat(results, ",") .. "]")
    local page = server:json("GET", kaa_local.REST .. "/commands/demo?size=2000")
    assert.are.equal(1000, page.totalElements)
    for _, command in ipairs(page.content) do
      assert.are.equal("EXECUTED", command.status)
    end
  end)
end)
