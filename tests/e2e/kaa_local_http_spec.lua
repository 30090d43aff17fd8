-- kaa-local's side of a device over HTTP, the tutorial's two curl lines among it.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local kaa_local = require "support.kaa_local"
local process = require "support.process"

local function scene()
  return kaa_local.start { "--token", "T1=E1" }
end

local function curl(line)
  local status, out, err = process.run("/bin/sh", { "-c", "exec " .. line })
  assert.are.equal(0, status, err)
  return out
end

describe("the tutorial by curl", function()
  after_each(kaa_local.clear)

  it("polls a command and reports its result, as printed", function()
    local server = scene()
    local id = server:invoke("E1", "reboot", nil, "commandTtl=3600000")
    local base = "http://127.0.0.1:" .. server.http_port

    local poll = ([[curl --silent --location --request POST '%s/kp1/demo-v1/cex/T1/command/reboot' \
--data-raw '{}']]):format(base)
    local polled = curl(poll)
    assert.are.equal(('[{"id":%d}]'):format(id), polled)
    assert.are.equal(polled, curl(poll)) -- pending until there is a result
    assert.are.equal("PENDING", server:command("E1", "reboot", id).status)

    local report = ([[
curl --silent --location --request POST '%s/kp1/demo-v1/cex/T1/result/reboot' \
--data-raw '[{
    "id": %d,
    "statusCode": 200,
    "reasonPhrase": "OK",
    "payload": "Success"
}]'
]]):format(base, id)
    assert.are.equal("", curl(report))
    local command = server:command("E1", "reboot", id)
    assert.are.equal("EXECUTED", command.status)
    assert.are.equal(200, command.statusCode)
    assert.are.equal("OK", command.reasonPhrase)
    assert.are.equal("Success", command.responsePayload)
    assert.are.equal("[]", curl(poll))
  end)
end)

describe("a device over HTTP", function()
  after_each(kaa_local.clear)

  it("is answered with JSON, a request id in the path or not", function()
    local server = scene()
    for _, path in ipairs { "cex/command/reboot", "cex/command/reboot/17" } do
      local answer = server:device("T1", path, '{"observe":true}')
      assert.are.equal(200, answer.status)
      assert.are.equal("application/json", answer.headers["content-type"])
      assert.are.equal("[]", answer.body)
    end
    local empty = server:device("T1", "cex/command/reboot", "")
    assert.are.equal("[]", empty.body)
  end)

  it("reports telemetry and metadata", function()
    local server = scene()
    for _, case in ipairs {
      { "dcx/json", '[{"level":1}]', "" }, { "dcx/json/5", '{"level":2}', "" },
      { "dcx/plain/share", "55%", "" },
      { "epmx/update", '{"a":1,"b":2}', "" }, { "epmx/update/keys", '{"c":3}', "" },
      { "epmx/delete/keys", '["b"]', "" }, { "epmx/get", "", '{"a":1,"c":3}' },
      { "epmx/get", '{"keys":["a"]}', '{"a":1}' }, { "epmx/get/keys", "", '["a","c"]' },
    } do
      local answer = server:device("T1", case[1], case[2])
      assert.are.equal(200, answer.status, case[1])
      assert.are.equal(case[3], answer.body, case[1])
    end
    assert.are.equal(2, server:json("GET", "/api/endpoints/E1/telemetry").latest.level.value)
  end)

  it("takes nothing from one that is connected over MQTT", function()
    local server = scene()
    local device = server:mqtt "T1"
    device:ask("cex/command/a/1", "{}")
    server:device("T1", "cex/command/a", '{"observe":false}')
    server:invoke("E1", "a")
    device:await "cex/command/a/status"
    assert.are.equal("mqtt", server:json("GET", "/api/endpoints")[1].transport)
  end)

  local BAD = {
    { "cex/command/reboot", "[]", 400 },
    { "cex/command/reboot", "x", 400 },
    { "cex/command/reboot", '{"observe":"yes"}', 400 },
    { "cex/command/42", "{}", 404 },
    { "cex/command/reboot/99999999999", "{}", 400 },
    { "cex/command/status", "{}", 400 },
    { "cex/result/reboot", "{}", 400 },
    { "cex/result/reboot", "", 400 },
    { "cex/result/reboot", '[{"id":1}]', 400 },
    { "cex/result/reboot", '[{"id":1,"statusCode":"200"}]', 400 },
    { "cex/result/reboot", '[{"id":1,"statusCode":200,"more":1}]', 400 },
    { "cex/result/reboot", '[{"id":1,"statusCode":200,"reasonPhrase":"a\\u0000b"}]', 400 },
    { "cex/other", "{}", 404 },
    { "dcx/json", "", 400 },
    { "dcx/json", "[1,2]", 400 },
    { "dcx/json", '[{"level":1},null]', 400, "Sample 2 is not an object" },
    { "dcx/other", "[]", 404 },
    { "epmx/update/keys", "[1]", 400 },
    { "epmx/delete/keys", "[1]", 400 },
    { "xxx/json", "[]", 404 },
    { "dcx/json", ("x"):rep(1024 * 1024 + 1), 413 },
  }

  it("has the error's code and the 1/KP error object for bad input", function()
    local server = scene()
    for _, bad in ipairs(BAD) do
      local answer = server:device("T1", bad[1], bad[2])
      assert.are.equal(bad[3], answer.status, bad[1])
      local fault = cjson.decode(answer.body)
      assert.are.equal(bad[3], fault.statusCode)
      assert.is_string(fault.reasonPhrase)
      assert.are.equal(bad[4] or fault.reasonPhrase, fault.reasonPhrase)
    end
    assert.are.equal(404, server:device("nobody", "cex/command/reboot", "{}").status)
    assert.are.equal(404, server:post("/kp1/other-v1/cex/T1/command/reboot", "{}").status)
    assert.are.equal(400, server:post("/kp1/demo-v1/cex/T1", "{}").status)
    assert.are.equal(405, server:get("/kp1/demo-v1/cex/T1/command/reboot").status)
  end)

  it("is done with 1,000 commands, polled and reported one by one", function()
    local server = scene()
    for i = 1, 1000 do
      server:invoke("E1", "burst", tostring(i))
    end
    local commands = cjson.decode(server:device("T1", "cex/command/burst", "{}").body)
    assert.are.equal(1000, #commands)
    for i, command in ipairs(commands) do
      assert.are.equal(i, command.payload)
      local answer = server:device("T1", "cex/result/burst",
        ('[{"id":%d,"statusCode":200}]'):format(command.id))
      assert.are.equal(200, answer.status)
    end
    assert.are.equal("[]", server:device("T1", "cex/command/burst", "{}").body)
  end)
end)
