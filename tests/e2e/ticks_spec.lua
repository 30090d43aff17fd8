-- What a handler does by itself at its interval, and the metadata that it reports.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local loop = world.loop

-- A tick that counts; `keys` are more keys of the handler.
local function counting(keys)
  return ([[local count = 0
return { %s, tick = function(endpoint)
  count = count + 1
  kaa.telemetry { count = count }
end }]]):format(keys)
end

-- The samples of all endpoints, or of one, in the order they came.
local function samples(platform, token)
  local found = {}
  for _, message in ipairs(platform.telemetry) do
    for _, sample in ipairs(message.samples) do
      if not token or message.token == token then
        found[#found + 1] = sample
      end
    end
  end
  return found
end

local function await_samples(platform, count, token, deadline_s)
  return loop.await(("%d samples"):format(count), function()
    local found = samples(platform, token)
    return #found >= count and found
  end, deadline_s)
end

-- A configuration with these endpoints.
local function config_of(tokens, more)
  local quoted = {}
  for index, token in ipairs(tokens) do
    quoted[index] = ("%q"):format(token)
  end
  return ("return { tokens = { %s }, %s }"):format(table.concat(quoted, ", "), more or "")
end

local function occurrences(text, pattern)
  return select(2, text:gsub(pattern, ""))
end

describe("a tick", function()
  after_each(world.clear)

  it("is called at once and then each interval, in one worker", function()
    local agent, platform = world.connected { handlers = { beat = counting "every_s = 0.5" } }
    await_samples(platform, 1, nil, 5)
    local started_ms = loop.now_ms()
    local found = await_samples(platform, 7)
    local took_ms = loop.now_ms() - started_ms
    assert.is_true(took_ms > 2500, ("six intervals took %.0f ms"):format(took_ms))
    for index, sample in ipairs(found) do
      assert.equal(index, sample.count)
    end
    assert.equal(1, #agent:workers())
  end)

  it("is called for each endpoint, with the endpoint in kaa.endpoint, evenly spread", function()
    local _, platform = world.connected {
      token = false,
      config = config_of { "T1", "T2", "T3", "T4" },
      handlers = {
        beat = [[return { every_s = 1, tick = function(endpoint)
          kaa.telemetry { is_own = endpoint == kaa.endpoint, at = kaa.now() } end }]],
      },
    }
    for _, token in ipairs { "T1", "T2", "T3", "T4" } do
      for _, sample in ipairs(await_samples(platform, 3, token)) do
        assert.is_true(sample.is_own)
      end
    end
    local previous = {}
    for _, message in ipairs(platform.telemetry) do
      local at, last = message.samples[1].at, previous[message.token]
      assert.is_true(not last or at - last > 0.5, "two of one endpoint within half an interval")
      previous[message.token] = at
    end
    local span_s = platform.telemetry[4].samples[1].at - platform.telemetry[1].samples[1].at
    assert.is_true(span_s > 0.4, ("four endpoints within %.2f s"):format(span_s))
  end)

  it("is called once for the agent where it says so, and then has no endpoint", function()
    local agent, platform = world.connected {
      token = false,
      config = config_of { "T1", "T2", "T3" },
      handlers = {
        beat = [[return { every_s = 0.2, per = "agent", tick = function(endpoint)
          print(("for %s, %s"):format(endpoint, kaa.endpoint))
          kaa.telemetry { x = 1 } end }]],
      },
    }
    agent:await_log "beat%s+for nil, nil"
    agent:await_log "warn%s+beat.*beat.lua:3: kaa.telemetry is for one endpoint, and this tick is for all"
    assert.same({}, samples(platform))
  end)

  it("goes on without a connection; what it sent is delivered later", function()
    local _, platform, broker = world.connected { handlers = { beat = counting "every_s = 0.3" } }
    await_samples(platform, 2)
    broker:crash()
    local begun_ms = loop.now_ms()
    loop.watch(2)
    local away_s = (loop.now_ms() - begun_ms) / 1000
    local before = #samples(platform)
    broker:restart()
    local found = await_samples(platform, before + math.floor(away_s / 0.3), nil, 30)
    local seen = {}
    for _, sample in ipairs(found) do
      seen[sample.count] = true
    end
    for count = 1, #seen do
      assert.is_true(seen[count], count .. " is missing")
    end
  end)

  it("that takes longer than its interval is skipped, never run beside itself", function()
    local _, platform = world.connected {
      handlers = {
        slow = [[return { every_s = 0.4, tick = function()
          local from = kaa.now() kaa.sleep(1) kaa.telemetry { from = from, to = kaa.now() } end }]],
      },
    }
    local found = await_samples(platform, 4, nil, 15)
    for index = 2, #found do
      local gap_s = found[index].from - found[index - 1].to
      assert.is_true(gap_s > 0.1 and gap_s < 0.5, ("%.3f s after the last"):format(gap_s))
    end
  end)

  it("never runs beside a command, and neither starves the other", function()
    local _, platform = world.connected {
      handlers = {
        both = [[local busy
          local function alone()
            assert(not busy, "beside another") busy = true kaa.sleep(0.05) busy = false
          end
          return {
            every_s = 0.1,
            run = function(c) alone() return 200, "OK", c.payload end,
            tick = function() alone() kaa.telemetry { x = 1 } end,
          }]],
      },
    }
    await_samples(platform, 1)
    local before = #samples(platform)
    for id = 1, 40 do
      platform:command("both", id, tostring(id))
    end
    for id = 1, 40 do
      assert.equal(id, platform:await_result("both", id, 20).payload)
    end
    local ticks = #samples(platform) - before
    assert.is_true(ticks >= 8, ("%d ticks beside 40 commands"):format(ticks))
  end)

  it("stops with its file, and changes with it", function()
    local agent, platform = world.connected { handlers = { beat = counting "every_s = 0.2" } }
    await_samples(platform, 2)
    agent:save("beat", 'return { every_s = 0.2, tick = function() kaa.telemetry { new = 1 } end }')
    loop.await("a sample of the new version", function()
      local found = samples(platform)
      return found[#found].new
    end)
    agent:remove "beat"
    agent:await_log "beat%s+removed: it ticks no more"
    loop.await("its worker to end", function() return #agent:workers() == 0 end)
    local after = #samples(platform)
    loop.watch(1)
    assert.is_true(#samples(platform) - after <= 1)
  end)

  it("begins and ends a command type as its file gains and loses run", function()
    local agent, platform = world.connected { handlers = { beat = counting "every_s = 0.2" } }
    await_samples(platform, 1)
    local result = platform:call("beat", 1)
    assert.same({ 501, "No handler for beat: beat.lua only ticks" },
      { result.statusCode, result.reasonPhrase })
    for _, request in ipairs(platform.requests) do
      assert.is_not.equal("beat", request.type)
    end
    platform.deliver.beat = '[{"id":2}]'
    agent:save("beat", counting "run = function() return 200 end, every_s = 0.2")
    platform:await_request "beat"
    assert.equal(200, platform:await_result("beat", 2).statusCode)
  end)

  it("keeps its worker, and one that ticks rarely gives it back", function()
    local agent, platform = world.connected {
      config = "return { worker_idle_s = 1 }",
      handlers = { often = counting "every_s = 0.5", rare = counting "every_s = 3600" },
    }
    await_samples(platform, 2)
    loop.await("the rare one's worker to end", function() return #agent:workers() == 1 end)
    local found = await_samples(platform, 8)
    assert.equal(#found - 1, found[#found].count) -- one came from the other file
  end)
end)

describe("a tick that fails", function()
  after_each(world.clear)

  it("is logged with its line, once a minute however often, and goes on", function()
    local agent, platform = world.connected {
      handlers = {
        bad = [[local count = 0
return { every_s = 0.1, tick = function()
  count = count + 1
  if count <= 5 then
    error "no sensor"
  elseif count <= 10 then
    return nil, "out of range"
  end
  kaa.telemetry { count = count }
end }]],
      },
    }
    await_samples(platform, 3)
    local line = agent:await_log "bad%.lua:5: no sensor"
    assert.is_truthy(line:find("trace=", 1, true), line)
    assert.is_truthy(line:find("tick=T…", 1, true), line)
    assert.equal(1, occurrences(agent:log(), "no sensor"))
    line = agent:await_log "out of range"
    assert.is_truthy(line:find("not_shown=4", 1, true), line)
    assert.equal(1, occurrences(agent:log(), "out of range"))
  end)

  it("does not flood the log where each fault is another", function()
    local agent, platform = world.connected {
      handlers = {
        bad = [[local count = 0
return { every_s = 0.1, tick = function()
  count = count + 1
  if count > 30 then return kaa.telemetry { count = count } end
  error("fault " .. count)
end }]],
      },
    }
    await_samples(platform, 1)
    assert.equal(10, occurrences(agent:log(), "fault %d+ tick="))
  end)

  it("is stopped at its time limit, and the next one runs in a new worker", function()
    local agent, platform = world.connected {
      handlers = {
        loops = [[return { every_s = 1, timeout_s = 1, run = function() return 200 end,
tick = function()
  while true do end
end }]],
      },
    }
    local line = agent:await_log "Timed out after 1 s at loops%.lua:3"
    assert.is_truthy(line:find("warn%s+loops"), line)
    assert.equal(200, platform:call("loops", 1).statusCode)
  end)

  it("three deaths in a row are quarantine, for its commands too", function()
    local agent, platform = world.connected {
      handlers = {
        dies = [[return { every_s = 0.2, run = function() return 200 end,
          tick = function() os.exit(3) end }]],
      },
    }
    agent:await_log "dies%s+quarantined: its commands are answered 503 until its file changes"
    assert.equal(3, occurrences(agent:log(), "dies%s+Handler exited with 3\n"))
    local result = platform:call("dies", 1)
    assert.equal(503, result.statusCode)
    assert.is_truthy(result.reasonPhrase:find "^Quarantined: ")
    agent:save("dies", counting "every_s = 0.2")
    await_samples(platform, 2)
  end)

  it("does not keep the agent from stopping", function()
    local agent = world.connected {
      handlers = { beat = "return { every_s = 0.1, tick = function() print 'in' kaa.sleep(1) end }" },
    }
    agent:await_log "beat%s+in"
    local ended = agent:stop()
    assert.same({ 0, 0 }, { ended.code, ended.signal })
    assert.equal(0, occurrences(agent:log(), "warn%s+beat"))
  end)
end)

describe("ten thousand endpoints", function()
  after_each(world.clear)

  it("have their ticks spread over the interval, each once", function()
    local tokens = {}
    for n = 1, 10000 do
      tokens[n] = ("E%d"):format(n)
    end
    local agent = world.agent {
      token = false,
      config = config_of(tokens),
      url = "mqtt://127.0.0.1:1", -- nobody there: their subscriptions are not what is measured
      handlers = {
        beat = [[local seen, count, most, second = {}, 0, 0, {}
return { every_s = 10, tick = function(endpoint)
  seen[endpoint] = (seen[endpoint] or 0) + 1
  count = count + 1
  local now = kaa.now() // 1
  second[now] = (second[now] or 0) + 1
  most = math.max(most, second[now])
  if count == 10000 then
    local distinct = 0
    for _ in pairs(seen) do distinct = distinct + 1 end
    print(("ten thousand: distinct %d, most in a second %d"):format(distinct, most))
  end
end }]],
      },
    }
    agent:start()
    local line = agent:await_log("ten thousand: distinct", nil, 30)
    local distinct, most = line:match "distinct (%d+), most in a second (%d+)"
    assert.equal("10000", distinct)
    assert.is_true(tonumber(most) <= 2000, most .. " within a second")
    assert.equal(1, #agent:workers())
  end)
end)

describe("kaa.metadata", function()
  after_each(world.clear)

  it("goes out as keys of the endpoint, from a command and from a tick", function()
    local _, platform = world.connected {
      handlers = {
        light = [[return function(c) kaa.metadata { light = "on", list = { 1, 2.0, kaa.null } } end]],
        beat = "return { every_s = 3600, tick = function() kaa.metadata { boot = 17 } end }",
      },
    }
    assert.equal(200, platform:call("light", 1).statusCode)
    local by_body = loop.await("both", function()
      local found = {}
      for _, message in ipairs(platform.metadata) do
        assert.equal("T1", message.token)
        found[message.body] = true
      end
      return #platform.metadata >= 2 and found
    end)
    assert.is_true(by_body['{"boot":17}'])
    assert.is_true(by_body['{"light":"on","list":[1,2.0,null]}'] or
      by_body['{"list":[1,2.0,null],"light":"on"}'])
    assert.same({}, platform.unexpected)
  end)

  it("that waits for the connection is merged into one message", function()
    local agent, platform, broker = world.connected {
      handlers = {
        beat = [[local count = 0
return { every_s = 0.1, tick = function()
  count = count + 1
  kaa.metadata { count = count, ["key_" .. count] = true }
  print("count is " .. count)
end }]],
      },
    }
    loop.await("metadata", function() return platform.metadata[1] end)
    broker:crash()
    agent:await_log "mqtt%s+disconnected"
    local mark = agent:mark()
    local first = tonumber(agent:await_log("count is %d", mark):match "count is (%d+)")
    agent:await_log(("count is %d$"):format(first + 10))
    local before = #platform.metadata
    broker:restart()
    local merged = loop.await("the merged message", function()
      for index = before + 1, #platform.metadata do
        local keys = platform.metadata[index].keys
        if keys["key_" .. first + 1] and keys["key_" .. first + 9] then
          return keys
        end
      end
    end, 30)
    assert.is_true(merged.count >= first + 9)
  end)

  it("that the platform refuses is told in the log", function()
    local agent, platform = world.connected {
      handlers = { light = 'return function() kaa.metadata { light = "on" } end' },
    }
    platform.confirms = false
    platform:command("light", 1)
    loop.await("metadata", function() return platform.metadata[1] end)
    platform:publish("kp1/demo-v1/epmx/T1/update/keys/7/error",
      '{"statusCode":403,"reasonPhrase":"read-only"}')
    agent:await_log "metadata dropped.*403 read%-only"
  end)

  it("teaches the right call", function()
    local cases = {
      { "kaa.metadata(3)", " takes a table of names and values, got a number; write: " },
      { "kaa.metadata { 1, 2 }", " takes a table of names and values, got a list; write: " },
      { "kaa.metadata {}", ": the table is empty; write: " },
      { 'kaa.metadata { ["a-b"] = 1 }', ': "a-b" is no key: letters, digits and _ only; write: ' },
      { 'kaa.metadata { [""] = 1 }', ': "" is no key: letters, digits and _ only; write: ' },
      { "kaa.metadata { f = print }", ": metadata.f: a function has no JSON form" },
    }
    local handlers = {}
    for index, case in ipairs(cases) do
      handlers["case" .. index] = ("return function()\n%s end"):format(case[1])
    end
    local _, platform = world.connected { handlers = handlers }
    for index, case in ipairs(cases) do
      local result = platform:call("case" .. index, 1)
      assert.equal(500, result.statusCode)
      local place = ("case%d.lua:2: kaa.metadata"):format(index)
      assert.is_truthy(result.reasonPhrase:find(place, 1, true) == 1
        and result.reasonPhrase:find(case[2], 1, true), result.reasonPhrase)
    end
    assert.same({}, platform.metadata)
  end)
end)
