-- kaa-local's switches: what the real platform leaves undocumented, and trouble. Each is
-- thrown while it runs, and as an option at start.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local kaa_local = require "support.kaa_local"
local loop = require "support.loop"
local process = require "support.process"

local function scene(switches, arguments)
  local all = { "--token", "T1=E1" }
  for _, argument in ipairs(arguments or {}) do
    all[#all + 1] = argument
  end
  local server = kaa_local.start(all)
  local device = server:mqtt "T1"
  device:ask("cex/command/first/1", "{}")
  if switches then
    server:switch(switches)
  end
  return server, device
end

local function result(id)
  return ('[{"id":%d,"statusCode":200}]'):format(id)
end

-- The messages that come on a topic before the answer to a later request does.
local function messages_on(device, path)
  device:ask("cex/command/mark/99", "{}")
  local found = {}
  for _, message in ipairs(device.messages) do
    if message.topic == device:topic(path) then
      found[#found + 1] = message.body
    end
  end
  return found
end

describe("the switches", function()
  after_each(kaa_local.clear)

  it("are shown, and set all at once or not at all", function()
    local server = kaa_local.start { "--switch", "delay_ms=5", "--switch", "silent=false",
      "--switch", "push_with_request_id", "--switch", "unknown_result=409" }
    local shown = server:json("GET", "/api/switches")
    assert.are.equal(5, shown.delay_ms)
    assert.is_true(shown.push_with_request_id)
    assert.are.equal("409", shown.unknown_result)
    for _, bad in ipairs {
      '{"delay_ms":7,"colour":1}', '{"delay_ms":7,"silent":1}', '{"delay_ms":-1}',
      '{"delay_ms":"7"}', '{"delay_ms":7.0}', '{"http_success":201}', '{"refuse":399}',
      '{"unknown_result":"500"}', '{"credentials":"alice"}', '{"push_qos":2}', "[]", "7", "{",
    } do
      local answer = server:post("/api/switches", bad, { ["Content-Type"] = "application/json" })
      assert.are.equal(400, answer.status, bad)
      assert.is_string(cjson.decode(answer.body).message)
    end
    assert.are.equal(415, server:post("/api/switches", "delay_ms=7").status)
    assert.are.same(shown, server:json("GET", "/api/switches"))
    shown.delay_ms, shown.unknown_result = 0, "404"
    assert.are.same(shown, server:switch { delay_ms = 0, unknown_result = 404 })
  end)

  it("confirm_results=false leaves results over MQTT without an answer", function()
    local server, device = scene { confirm_results = false }
    local id = server:invoke("E1", "a")
    device:publish("cex/result/a/1", result(id))
    assert.are.same({}, messages_on(device, "cex/result/a/1/status"))
    assert.are.equal("EXECUTED", server:command("E1", "a", id).status)
    assert.are.equal(200, server:device("T1", "cex/result/a", result(id)).status)
  end)

  it("confirm_drop_every drops each n-th confirmation, but stores the result", function()
    local server, device = scene { confirm_drop_every = 2 }
    local first, second = server:invoke("E1", "a"), server:invoke("E1", "a")
    local third = server:invoke("E1", "a")
    assert.are.equal("", device:ask("cex/result/a/1", result(first)))
    assert.is_nil(server:device("T1", "cex/result/a", result(second))) -- the connection is closed
    assert.are.equal("EXECUTED", server:command("E1", "a", second).status)
    device:publish("cex/result/a/3", result(third))
    device:publish("cex/result/a/4", result(third))
    assert.are.same({}, messages_on(device, "cex/result/a/4/status"))
    assert.are.equal("", device:await "cex/result/a/3/status")
  end)

  it("deliver_twice_every doubles each n-th delivery", function()
    local server, device = scene { deliver_twice_every = 2 }
    server:invoke("E1", "a", "1")
    server:invoke("E1", "a", "2")
    local pushed = messages_on(device, "cex/command/a/status")
    assert.are.equal(3, #pushed)
    assert.are.equal(pushed[2], pushed[3])
    server:switch { deliver_twice_every = 1 }
    local polled = cjson.decode(server:device("T1", "cex/command/a", "{}").body)
    assert.are.same({ 1, 1, 2, 2 }, { polled[1].payload, polled[2].payload, polled[3].payload,
      polled[4].payload })
    assert.are.equal(polled[1].id, polled[2].id)
  end)

  it("reserialise_every writes the same value in another way", function()
    local server, device = scene { reserialise_every = 2 }
    local text = '{"a":1,"b":[1.0,9223372036854775807,"x",null],"c":{"d":{},"e":[]}}'
    local id = server:invoke("E1", "a", text)
    local same = ('[{"id":%d,"payload":%s}]'):format(id, text)
    local other = ('[{"id":%d,"payload":%s}]'):format(id,
      '{"c":{"e":[],"d":{}},"b":[1,9223372036854775807,"x",null],"a":1.0}')
    assert.are.equal(same, device:await "cex/command/a/status")
    assert.are.equal(other, device:ask("cex/command/a/1", "{}"))
    assert.are.equal(same, device:ask("cex/command/a/2", "{}"))
    assert.are.equal(other, server:device("T1", "cex/command/a", "{}").body)
  end)

  it("delay_ms holds answers and pushes back, but not the operator", function()
    local server, device = scene { delay_ms = 300 }
    local start = loop.now_ms()
    server:invoke("E1", "a")
    assert.is_true(loop.now_ms() - start < 300)
    device:await "cex/command/a/status"
    assert.is_true(loop.now_ms() - start >= 300)
    start = loop.now_ms()
    assert.are.equal(200, server:device("T1", "cex/command/b", "{}").status)
    assert.is_true(loop.now_ms() - start >= 300)
    start = loop.now_ms()
    device:ask("cex/command/b/1", "{}")
    assert.is_true(loop.now_ms() - start >= 300)
  end)

  it("unknown_result says how a result is answered that no pending command has", function()
    local server, device = scene()
    for _, wanted in ipairs { "404", "409" } do
      server:switch { unknown_result = wanted }
      local good = server:invoke("E1", "a")
      local mixed = ('[{"id":1,"statusCode":200},%s'):format(result(good):sub(2))
      device:publish("cex/result/a/1", mixed)
      local fault = cjson.decode(device:await "cex/result/a/1/error")
      assert.are.equal(tonumber(wanted), fault.statusCode)
      assert.are.equal("EXECUTED", server:command("E1", "a", good).status)
      assert.are.equal(tonumber(wanted), server:device("T1", "cex/result/a", result(good)).status)
    end
    server:switch { unknown_result = "silent" }
    assert.is_nil(server:device("T1", "cex/result/a", result(1)))
    device:publish("cex/result/a/2", result(1))
    assert.are.same({}, messages_on(device, "cex/result/a/2/status"))
    server:switch { unknown_result = "ok" }
    assert.are.equal("", device:ask("cex/result/a/3", result(1)))
  end)

  it("push_with_request_id pushes where the last request asked", function()
    local server, device = scene { push_with_request_id = true }
    device:ask("cex/command/a/41", '{"observe":true}')
    local id = server:invoke("E1", "a")
    assert.are.equal(id, cjson.decode(device:await "cex/command/a/41/status")[1].id)
    server:invoke("E1", "b") -- never asked for: no id to push with
    device:await "cex/command/b/status"
  end)

  it("replay_on_connect sends what is outstanding to a new connection", function()
    local server = kaa_local.start { "--token", "T1=E1", "--switch", "replay_on_connect" }
    local first, second = server:invoke("E1", "a"), server:invoke("E1", "a")
    local other = server:invoke("E1", "b")
    local device = server:mqtt "T1"
    device:publish("dcx/json", "[]")
    assert.are.equal(('[{"id":%d},{"id":%d}]'):format(first, second),
      device:await "cex/command/a/status")
    assert.are.equal(('[{"id":%d}]'):format(other), device:await "cex/command/b/status")
    device:publish("dcx/json", "[]")
    assert.are.same({}, messages_on(device, "cex/command/a/status"))
  end)

  it("require_subscribe makes it a plain broker", function()
    local server = kaa_local.start { "--token", "T1=E1", "--switch", "require_subscribe" }
    local deaf, hearing = server:mqtt "T1", server:mqtt "T1"
    hearing.peer:subscribe(hearing:topic "cex/command/#")
    server:invoke("E1", "a")
    hearing:await "cex/command/a/status"
    deaf:publish("cex/command/a/1", "{}")
    hearing:await "cex/command/a/1" -- the request itself, as in any broker
    hearing:await "cex/command/a/1/status"
    assert.are.same({}, deaf.messages)
    server:switch { require_subscribe = false }
    assert.are.equal(1, #cjson.decode(deaf:ask("cex/command/a/2", "{}")))
  end)

  it("http_success=204 answers what has nothing to say with 204", function()
    local server = scene { http_success = 204 }
    for _, case in ipairs { { "cex/command/a", "{}" }, { "dcx/json", "[]" } } do
      local answer = server:device("T1", case[1], case[2])
      assert.are.equal(204, answer.status)
      assert.are.equal("", answer.body)
    end
    local id = server:invoke("E1", "a")
    assert.are.equal(200, server:device("T1", "cex/command/a", "{}").status)
    assert.are.equal(204, server:device("T1", "cex/result/a", result(id)).status)
  end)

  it("refuse answers every request of a device with a code, and changes nothing", function()
    local server, device = scene { refuse = 503, retry_after_s = 17 }
    local id = server:invoke("E1", "a")
    for _, path in ipairs { "cex/result/a/1", "cex/command/a/2", "dcx/json/3", "epmx/get/4" } do
      device:publish(path, result(id))
      assert.are.equal(503, cjson.decode(device:await(path .. "/error")).statusCode)
    end
    local answer = server:device("T1", "cex/result/a", result(id))
    assert.are.equal(503, answer.status)
    assert.are.equal("17", answer.headers["retry-after"])
    assert.are.equal("PENDING", server:command("E1", "a", id).status)
    server:switch { refuse = 0 }
    assert.is_nil(server:device("T1", "cex/result/a", result(id)).headers["retry-after"])
  end)

  it("silent hears nothing and says nothing", function()
    local server, device = scene { silent = true }
    local id = server:invoke("E1", "a")
    device:publish("cex/result/a/1", result(id))
    device.peer:await_published() -- the broker is there, as ever
    local call = server:send("POST", "/kp1/demo-v1/cex/T1/command/a", "{}")
    assert.are.equal("PENDING", server:command("E1", "a", id).status)
    server:switch { silent = false }
    assert.are.equal(1, #cjson.decode(device:ask("cex/command/a/2", "{}")))
    assert.are.same({}, device.messages) -- no push, and no answer afterwards
    assert.is_falsy(call.is_over)
    call:close()
  end)

  it("cut_connection cuts the devices once", function()
    local server, device = scene()
    local shown = server:switch { cut_connection = true }
    assert.is_false(shown.cut_connection)
    loop.await("the cut", function()
      return device.peer.reason
    end)
    loop.await("the device to be back", function()
      return device.peer.is_connected
    end)
    assert.are.equal("[]", device:ask("cex/command/a/1", "{}"))
  end)

  it("credentials are asked for, and who has none is cut and refused", function()
    local server, device = scene { credentials = "alice:se:cret" }
    loop.await("the cut", function()
      return not device.peer.is_connected
    end)
    local right = server:mqtt("T1", { username = "alice", password = "se:cret" })
    assert.are.equal("[]", right:ask("cex/command/a/1", "{}"))
    for _, wrong in ipairs { {}, { "-u", "alice", "-P", "wrong" }, { "-u", "alice" } } do
      local arguments = { "-p", tostring(server.mqtt_port), "-t", "kp1/x", "-m", "x" }
      for _, argument in ipairs(wrong) do
        arguments[#arguments + 1] = argument
      end
      local status, _, err = process.run("mosquitto_pub", arguments)
      assert.are.equal(5, status, err) -- CONNACK 5: not authorised
    end
    assert.is_false(device.peer.is_connected)
    server:switch { credentials = "" }
    loop.await("the first one to be back", function()
      return device.peer.is_connected
    end)
  end)

  it("push_qos says how pushes are sent", function()
    local server, device = scene { push_qos = 0 }
    server:invoke("E1", "a")
    device:await "cex/command/a/status"
    assert.are.equal(0, server:json("GET", "/api/switches").push_qos)
  end)

  it("idle_cutoff_s takes a silent endpoint for disconnected, though MQTT is up", function()
    local server, device = scene { idle_cutoff_s = 1 }
    local events = server:watch "?endpointId=E1"
    kaa_local.await_event(events, "endpoint", function(data)
      return not data.connected
    end)
    local id = server:invoke("E1", "a")
    assert.are.equal(id, cjson.decode(device:ask("cex/command/a/1", "{}"))[1].id)
    assert.are.same({}, messages_on(device, "cex/command/a/status"))
    server:invoke("E1", "a")
    device:await "cex/command/a/status"
  end)
end)
