-- The agent's own command types, kaa.cancelled and kaa.progress, over both wires.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local kaa_local = require "support.kaa_local"
local world = require "support.world"
local folder, loop, process = world.folder, world.loop, world.process

local agent_of = world.Agent

local PATIENCE_S = 40 -- over HTTP the own types are polled each 10 s

local function cancel_payload(kind, id)
  return ('{"type":"%s","id":%d}'):format(kind, id)
end

local function cancel(platform, id, kind, victim)
  return platform:call("kaalua-cancel", id, cancel_payload(kind, victim), PATIENCE_S)
end

local function summary(result)
  return { result.statusCode, result.reasonPhrase, result.payload }
end

local HANDLERS = {
  nap = [[return { timeout_s = 60, run = function(c)
    print("begun", c.id)
    local slept, message = kaa.sleep(50)
    print("slept", slept, message, kaa.cancelled())
    kaa.sleep(0.05)
    return 200, "OK", { cleaned = c.id }
  end }]],
  stubborn = [[return { timeout_s = 60, run = function(c)
    print("begun", c.id)
    while true do pcall(error) end
  end }]],
  program = [[return { timeout_s = 60, needs = { "exec" }, run = function(c)
    print("begun", c.id)
    local done, message = kaa.exec { "/bin/sleep", "50" }
    local again = kaa.exec { "/bin/echo", "clean" }
    return 200, "OK", { done = tostring(done), message = message, again = again.stdout }
  end }]],
  quick = "return function(c) return 200, 'OK', c.id end",
  back = [[return { run = function(c) assert(kaa.resume_after("restart")) print("waits", c.id) end,
    resume = function() return 200, "back" end }]],
}

for _, wire in ipairs(world.WIRES) do
  describe("kaalua-cancel over " .. wire, function()
    after_each(world.clear)

    it("has a handler clean up, ends one that does not hear, and takes one that waits", function()
      local agent, platform = world.connected { wire = wire, handlers = HANDLERS }
      platform:command("nap", 1)
      agent:await_log "nap%s+begun 1"
      platform:command("nap", 2) -- waits for its turn
      platform:command("stubborn", 1)
      platform:command("program", 1)
      agent:await_log "stubborn%s+begun 1"
      agent:await_log "program%s+begun 1"
      for id, victim in ipairs { { "nap", 2 }, { "nap", 1 }, { "stubborn", 1 }, { "program", 1 } } do
        platform:command("kaalua-cancel", id, cancel_payload(victim[1], victim[2]))
      end
      local state = { "queued", "running", "running", "running" }
      for id = 1, 4 do
        local result = platform:await_result("kaalua-cancel", id, PATIENCE_S)
        assert.are.same({ 200, "OK", { state = state[id] } }, summary(result))
      end
      assert.are.same({ 499, "Cancelled" }, summary(platform:await_result("nap", 2)))
      assert.are.same({ 499, "Cancelled", { cleaned = 1 } }, summary(platform:await_result("nap", 1)))
      agent:await_log "nap%s+slept nil cancelled true"
      assert.are.same({ 499, "Cancelled" }, summary(platform:await_result("stubborn", 1)))
      assert.are.same({ 499, "Cancelled", { done = "nil", message = "cancelled", again = "clean\n" } },
        summary(platform:await_result("program", 1)))
      assert.is_nil(agent:log():find "begun 2")
      loop.await("what is left to end", function() return #agent:workers() <= 6 end)
    end)
  end)
end

local function print_of(agent, ...)
  local words = { ... }
  words[#words + 1], words[#words + 2] = "--state", agent.state
  local status, out, err = process.run(agent_of.program, words, {}, 30)
  assert.are.equal(0, status, err)
  return out
end

-- Asks the running agent; the document.
local function ask(agent, ...)
  local words = { ... }
  words[#words + 1] = "--json"
  return cjson.decode(print_of(agent, table.unpack(words)))
end

local function await_cancelled(agent)
  loop.await("what runs to be cancelled", function()
    local running = ask(agent, "status").running[1]
    return running and running.cancelled
  end)
end

describe("kaalua-cancel", function()
  after_each(world.clear)

  it("answers one that waits for a restart, and says what is over or unknown", function()
    local _, platform = world.connected { handlers = HANDLERS }
    platform:command("back", 5)
    loop.await("it to wait", function() return cancel(platform, 1, "back", 5).statusCode == 200 end)
    assert.are.same({ 499, "Cancelled" }, summary(platform:await_result("back", 5)))
    platform:call("quick", 8)
    assert.are.same({ 409, "quick 8 has ended: 200 OK",
      { state = "confirmed", statusCode = 200, reasonPhrase = "OK" } }, summary(cancel(platform, 2, "quick", 8)))
    assert.are.same({ 404, "No command quick 9 is under way here" }, summary(cancel(platform, 3, "quick", 9)))
    assert.are.same({ 404, "No command nobody 9 is under way here" },
      summary(cancel(platform, 4, "nobody", 9)))
    assert.are.same({ 200, "OK", { state = "done" } }, summary(cancel(platform, 5, "back", 5)))
  end)

  it("refuses what is no request, by the field", function()
    local _, platform = world.connected { handlers = HANDLERS }
    local cases = {
      [false] = 'payload: expected an object, as {"type": "reboot", "id": 5}',
      ["[]"] = 'payload: expected an object, as {"type": "reboot", "id": 5}',
      ['{"id":1}'] = 'type: expected the type of a command, as "reboot"',
      ['{"type":"a/b","id":1}'] = 'type: expected the type of a command, as "reboot"',
      ['{"type":"nap"}'] = "id: expected the id of a command, an integer",
      ['{"type":"nap","id":"1"}'] = "id: expected the id of a command, an integer",
      ['{"type":"nap","id":1.5}'] = "id: expected the id of a command, an integer",
      ['{"type":"nap","id":1,"all":true}'] = "all: unknown field; expected type and id",
      ['{"type":"kaalua-cancel","id":1}'] = "type: kaalua-cancel is the agent's own, and cannot be cancelled",
    }
    local id = 0
    for payload, reason in pairs(cases) do
      id = id + 1
      assert.are.same({ 400, reason }, summary(platform:call("kaalua-cancel", id, payload or nil)))
    end
  end)

  it("is answered once for each that asks, and both alike", function()
    local agent, platform = world.connected { handlers = HANDLERS }
    platform:command("stubborn", 1)
    agent:await_log "begun 1"
    platform:command("kaalua-cancel", 1, cancel_payload("stubborn", 1))
    platform:command("kaalua-cancel", 2, cancel_payload("stubborn", 1.0))
    platform:command("kaalua-cancel", 1, cancel_payload("stubborn", 1)) -- a repeat
    for id = 1, 2 do
      assert.are.same({ 200, "OK", { state = "running" } },
        summary(platform:await_result("kaalua-cancel", id)))
    end
    assert.are.same({ 499, "Cancelled" }, summary(platform:await_result("stubborn", 1)))
    platform:command("quick", 1)
    platform:await_result("quick", 1)
    assert.are.same({ 1, 1 }, { #platform:results_of("kaalua-cancel", 1), #platform:results_of("stubborn", 1) })
  end)

  it("reaches only the endpoint that it is for", function()
    local agent, platform = world.connected {
      token = false, config = 'return { tokens = { "T1", "T2" } }', handlers = HANDLERS,
    }
    platform:command("nap", 1, nil, "T1")
    agent:await_log "begun 1"
    platform:command("kaalua-cancel", 1, cancel_payload("nap", 1), "T2")
    assert.are.equal(404, platform:await_result("kaalua-cancel", 1, nil, "T2").statusCode)
    assert.are.equal(200, cancel(platform, 2, "nap", 1).statusCode)
  end)

  it("is carried on after the agent was killed, the one that it is for is as interrupted", function()
    local agent, platform = world.connected { handlers = HANDLERS }
    platform:command("stubborn", 1)
    agent:await_log "begun 1"
    platform:command("kaalua-cancel", 1, cancel_payload("stubborn", 1))
    await_cancelled(agent)
    agent.process:kill "sigkill"
    agent.process:await_end()
    agent:start():await_connected()
    assert.are.same({ 500, "Interrupted: the outcome is unknown" },
      summary(platform:await_result("stubborn", 1)))
    local result = platform:await_result("kaalua-cancel", 1)
    assert.are.equal("stubborn 1 has ended: 500 Interrupted: the outcome is unknown", result.reasonPhrase)
    assert.are.equal(409, result.statusCode)
  end)

  it("counts while the agent stops, whatever on_interrupt says", function()
    local agent, platform = world.connected {
      handlers = { again = [[return { on_interrupt = "retry", timeout_s = 60, run = function()
        print "begun" while true do pcall(error) end end }]] },
    }
    platform:command("again", 1)
    agent:await_log "begun"
    platform:command("kaalua-cancel", 1, cancel_payload("again", 1))
    await_cancelled(agent)
    agent:stop()
    assert.are.same({ 499, "Cancelled" }, summary(platform:await_result("again", 1)))
    assert.are.equal(200, platform:await_result("kaalua-cancel", 1).statusCode)
  end)
end)

describe("kaalua-status", function()
  after_each(world.clear)

  it("tells what kaalua status tells, while one handler loops and the others are broken", function()
    local token = "secret-token-of-this-device"
    local agent, platform = world.connected {
      token = token,
      handlers = { stubborn = HANDLERS.stubborn:gsub("print", "kaa.progress(12.5, 'on') print"),
        broken = "return {", worse = "retrun" },
    }
    platform:command("stubborn", 1, nil, token)
    agent:await_log "begun 1"
    platform:command("kaalua-status", 1, nil, token)
    local result = platform:await_result("kaalua-status", 1, nil, token)
    assert.are.equal(200, result.statusCode)
    local told, known = result.payload, ask(agent, "status")
    for key in pairs(known) do
      assert.is_not_nil(told[key], key)
    end
    for key in pairs(told) do
      assert.is_not_nil(known[key], key)
    end
    assert.are.equal(2, #told.faults)
    assert.are.equal(1, #told.running)
    local running = told.running[1]
    assert.are.same({ "stubborn", 1, { percent = 12.5, text = "on" } },
      { running.type, running.id, running.progress })
    assert.is_nil(result.raw:find(token, 1, true))
    assert.are.equal("secr…", running.endpoint)
  end)

  it("leaves out what has no room, as the metadata does", function()
    local agent, platform = world.connected { handlers = HANDLERS }
    local count, long = 2000, ("x"):rep(50)
    for i = 1, count do -- refused by their names
      folder.write(("%s/kaalua-%s%d.lua"):format(agent.handlers, long, i), "")
    end
    agent:await_log(("kaalua%%-%s%d"):format(long, count), nil, 60)
    local result = platform:call("kaalua-status", 1, nil, 60)
    local raw = cjson.encode(result.payload)
    assert.is_true(#raw <= 256 * 1024 and #raw > 60 * 1024, #raw)
    local told = result.payload
    assert.are.equal(2 * count, told.left_out + #told.faults + #told.handlers.faulty)
    local keys = loop.await("the metadata", function()
      local last = platform.agent_metadata[#platform.agent_metadata]
      return last and last.keys.kaalua_faults["…"] and last
    end, PATIENCE_S)
    assert.is_true(#keys.body < 17 * 1024, #keys.body)
    local shown = 0
    for _ in pairs(keys.keys.kaalua_faults) do
      shown = shown + 1
    end
    assert.are.equal(("%d more"):format(count - shown + 1), keys.keys.kaalua_faults["…"])
  end)

  it("is answered where a thousand commands of others wait", function()
    local agent, platform = world.connected { handlers = HANDLERS }
    local elements = {}
    for id = 1, 1200 do
      elements[id] = ('{"id":%d}'):format(id)
    end
    platform:push("nap", "[" .. table.concat(elements, ",") .. "]")
    agent:await_log "the queue is full"
    assert.are.equal(200, platform:call("kaalua-status", 1).statusCode)
    assert.are.equal(200, cancel(platform, 1, "nap", 1).statusCode)
    assert.are.equal(200, cancel(platform, 2, "nap", 900).statusCode)
  end)
end)

describe("the agent's own types", function()
  after_each(world.clear)

  it("are answered however many come at once", function()
    local _, platform = world.connected { handlers = HANDLERS }
    local elements, count = {}, 100
    for id = 1, count do
      elements[id] = ('{"id":%d}'):format(id)
    end
    for _, kind in ipairs { "kaalua-status", "kaalua-cancel" } do
      platform:push(kind, "[" .. table.concat(elements, ",") .. "]")
      for id = 1, count do
        platform:await_result(kind, id)
      end
    end
    assert.are.equal(2 * count, #platform.results)
  end)

  -- What the agent has used of the processor, in hundredths of a second.
  local function ticks(agent)
    local stat = folder.read(("/proc/%d/stat"):format(agent.process.pid)):match "^.*%) (.*)"
    local user, system = stat:match(("%S+ "):rep(11) .. "(%d+) (%d+)")
    return user + system
  end

  it("wait for the next start where the agent stops, and keep nobody busy", function()
    local agent, platform = world.connected { handlers = HANDLERS }
    platform:command("nap", 1)
    agent:await_log "begun 1"
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    platform:command("kaalua-status", 1)
    loop.watch(1)
    local before = ticks(agent)
    loop.watch(2)
    assert.is_true(ticks(agent) - before < 50, "half a second of processor time")
    assert.are.equal(0, #platform:results_of("kaalua-status", 1))
    agent.process:await_end()
    agent:start():await_connected()
    assert.are.equal(200, platform:await_result("kaalua-status", 1).statusCode)
  end)
end)

describe("kaa.progress", function()
  after_each(world.clear)

  it("is shown by status, history and show while the command runs", function()
    local agent, platform = world.connected {
      handlers = { flash = [[return { timeout_s = 60, run = function()
        for i = 1, 10000 do kaa.progress(i / 10000 * 42, "erasing " .. i) end
        kaa.sleep(0.3) print "erased" kaa.sleep(50) end }]] },
    }
    platform:command("flash", 17)
    agent:await_log "erased"
    local last = { percent = 42, text = "erasing 10000" }
    assert.are.same(last, ask(agent, "show", "17").progress)
    assert.are.same(last, ask(agent, "history").commands[1].progress)
    assert.are.same(last, ask(agent, "status").running[1].progress)
    assert.is_truthy(print_of(agent, "show", "17"):find "\nprogress +42 %%, erasing 10000\n")
    assert.is_truthy(print_of(agent, "history"):find "17 running +42 %%, erasing 10000\n")
    assert.is_truthy(print_of(agent, "status"):find "\nrunning +flash 17 for %d+ s: 42 %%, erasing 10000\n")
    cancel(platform, 1, "flash", 17)
    platform:await_result("flash", 17)
    assert.is_nil(ask(agent, "show", "17").progress)
  end)

  it("is logged by kaalua call", function()
    local path = world.folder_for "handlers"
    folder.write(path .. "/flash.lua", [[return function() kaa.progress(7, "be\u{e9}p") return 200 end]])
    local status, out, err = process.run(agent_of.program, { "call", "flash", "--handlers", path }, {}, 30)
    assert.are.same({ 0, "200 OK\n" }, { status, out })
    assert.is_truthy(err:find('flash   progress percent=7 text="be\u{e9}p"', 1, true)
      or err:find('flash   progress percent=7 text=be\u{e9}p', 1, true), err)
  end)

  it("raises where it is misused, as kaa.cancelled does", function()
    local path = world.folder_for "handlers"
    local right = ' write: kaa.progress(40, "erasing")'
    local cases = {
      { "kaa.progress()", " takes a percentage, a text, or both;" .. right },
      { "kaa.progress 'a'", " takes a percentage, got a string;" .. right },
      { "kaa.progress(-1)", " takes a percentage from 0 to 100, got -1.0;" .. right },
      { "kaa.progress(0/0)", " takes a percentage from 0 to 100, got " },
      { "kaa.progress(1, 2)", ": the text is a number;" .. right },
      { "kaa.progress(1, ('x'):rep(257))", ": a text of 257 bytes, limit 256" },
      { "kaa.progress(1, 'a\\nb')", ": the text is not one printable line of UTF-8" },
      { "kaa.progress(1, '\\xff')", ": the text is not one printable line of UTF-8" },
      { "kaa.progress(1, 'a\\27[2J')", ": the text is not one printable line of UTF-8" },
    }
    for _, case in ipairs(cases) do
      folder.write(path .. "/x.lua", "return function()\n" .. case[1] .. "\nend")
      local _, out = process.run(agent_of.program, { "call", "x", "--handlers", path }, {}, 30)
      assert.is_truthy(out:find("500 x.lua:2: kaa.progress" .. case[2], 1, true), out)
    end
    folder.write(path .. "/x.lua", "local c = kaa.cancelled() return print")
    local _, out = process.run(agent_of.program, { "call", "x", "--handlers", path }, {}, 30)
    assert.is_truthy(out:find("x.lua:1: kaa.cancelled acts", 1, true), out)
    folder.write(path .. "/x.lua", "return function() return 200, tostring(kaa.cancelled()), kaa.sleep(0) end")
    _, out = process.run(agent_of.program, { "call", "x", "--handlers", path }, {}, 30)
    assert.are.equal("200 false\ntrue\n", out)
  end)
end)

describe("the agent's metadata", function()
  after_each(world.clear)

  local function await_metadata(platform, is_meant)
    return loop.await("the agent's metadata", function()
      for _, message in ipairs(platform.agent_metadata) do
        if is_meant(message) then
          return message.keys
        end
      end
    end, PATIENCE_S)
  end

  for _, wire in ipairs(world.WIRES) do
    it("tells of handlers and faults, and again when a file breaks, over " .. wire, function()
      local agent, platform = world.connected { wire = wire, handlers = { quick = HANDLERS.quick } }
      local keys = await_metadata(platform, function() return true end)
      assert.are.same({}, keys.kaalua_faults)
      assert.is_truthy(keys.kaalua_handlers.quick:find "^%x+$")
      assert.is_truthy(keys.kaalua_version:find "^%d+%.%d+")
      assert.are.equal(folder.read "/proc/sys/kernel/random/boot_id":match "%S+", keys.boot_id)
      agent:save("quick", "return {\n  rum = 1 }")
      local after = await_metadata(platform, function(message)
        return message.keys.kaalua_faults.quick
      end)
      assert.is_truthy(after.kaalua_faults.quick:find "^quick.lua:1: run: missing", after.kaalua_faults.quick)
      assert.are.equal(keys.kaalua_handlers.quick, after.kaalua_handlers.quick) -- it serves
      assert.are.equal(2, #platform.agent_metadata)
    end)
  end

  it("goes to each of many endpoints, and not again after a lost connection", function()
    local tokens, quoted = {}, {}
    for i = 1, 120 do
      tokens[i], quoted[i] = "T" .. i, ('"T%d"'):format(i)
    end
    local agent, platform, broker = world.connected {
      token = false, config = ("return { tokens = { %s } }"):format(table.concat(quoted, ",")),
      handlers = { quick = HANDLERS.quick },
    }
    local function seen()
      local found, count = {}, 0
      for _, message in ipairs(platform.agent_metadata) do
        count = count + (found[message.token] and 0 or 1)
        found[message.token] = true
      end
      return count
    end
    loop.await("all endpoints", function() return seen() == #tokens end, PATIENCE_S)
    loop.await("the outbox to be empty", function()
      return ask(agent, "status").outbox.metadata.waiting == 0
    end, PATIENCE_S)
    local mark = agent:mark()
    broker:restart()
    agent:await_connected(mark, PATIENCE_S)
    platform:stop()
    local again = world.platform(broker.port)
    again:call("quick", 1, nil, PATIENCE_S)
    assert.are.equal(0, #again.agent_metadata)
  end)

  it("stays away where the configuration says so", function()
    local _, platform = world.connected {
      config = "return { metadata = false }",
      handlers = { tells = "return function() kaa.metadata { a = 1 } end" },
    }
    platform:call("tells", 1)
    loop.await("the handler's own", function() return platform.metadata[1] end)
    assert.are.same({}, platform.agent_metadata)
  end)
end)

describe("with kaa-local", function()
  after_each(function()
    world.clear()
    kaa_local.clear()
  end)

  it("a command is cancelled from the platform's side, which has the agent's metadata", function()
    local server = kaa_local.start { "--token", "T1=E1" }
    local agent = world.agent({ url = "mqtt://127.0.0.1:" .. server.mqtt_port, handlers = HANDLERS }):start()
    agent:await_connected()
    local id = server:invoke("E1", "nap")
    agent:await_log "begun"
    local by = server:invoke("E1", "kaalua-cancel", cancel_payload("nap", id))
    loop.await("both to be executed", function()
      return server:command("E1", "nap", id).statusCode == 499
        and server:command("E1", "kaalua-cancel", by).statusCode == 200
    end)
    local metadata = loop.await("the metadata", function()
      local keys = server:json("GET", "/api/endpoints/E1/metadata")
      return keys.kaalua_version and keys
    end)
    assert.is_truthy(metadata.kaalua_handlers.nap:find "^%x+$")
    assert.are.same({}, metadata.kaalua_faults)
  end)
end)
