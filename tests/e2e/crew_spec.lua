-- Several workers of one handler, order per endpoint, and handlers that exclude each other.
-- What runs is told by a journal of lines, "begin T1 7" and "end T1 7", and goes on when the
-- test opens a gate.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local folder, loop = world.folder, world.loop

local TOKENS = { "T1", "T2", "T3" }
local INTERRUPTED = "Interrupted: the outcome is unknown"
local PATIENCE_S = 40

-- `wait(name)` returns when the gate is open. A gate is a file.
local PROLOGUE = [[
local folder = %q
local function tell(what, c)
  local file = assert(io.open(folder .. "/journal", "a"))
  assert(file:write(("%%s %%s %%d\n"):format(what, c.endpoint, c.id)))
  assert(file:close())
end
local function wait(name)
  while true do
    local file = io.open(folder .. "/" .. name)
    if file then
      return file:close()
    end
    kaa.sleep(0.01)
  end
end
]]

local Scene = {}
Scene.__index = Scene

--- `keys` of the handler, and the text of its run between the two lines that it tells.
function Scene:source(keys, text, answer)
  return PROLOGUE:format(self.path) .. ([[return { needs = { write = { folder } }, timeout_s = 60, %s,
    run = function(c)
      tell("begin", c)
      %s
      tell("end", c)
      return 200, "OK", %q
    end }]]):format(keys, text or "", answer or "ran")
end

local function create(tokens)
  return setmetatable({ path = world.folder_for "gates", tokens = tokens or { "T1" } }, Scene)
end

--- Starts agent and platform; `config` is what it says beside the tokens.
function Scene:start(handlers, config)
  self.agent, self.platform = world.connected {
    token = false, handlers = handlers,
    config = ("return { tokens = { %q }, %s }")
      :format(table.concat(self.tokens, '","'), config or ""):gsub('\\"', '"'),
  }
  return self
end

function Scene:open(name)
  folder.write(self.path .. "/" .. name, "")
end

--- Pushes the commands `first` to `last` of one endpoint in one message.
function Scene:push(kind, first, last, token)
  local elements = {}
  for id = first, last do
    elements[#elements + 1] = ('{"id":%d}'):format(id)
  end
  self.platform:push(kind, "[" .. table.concat(elements, ",") .. "]", token)
end

--- The journal's lines, each { what, token, id }.
function Scene:lines()
  local lines = {}
  for what, token, id in (folder.read(self.path .. "/journal") or ""):gmatch "(%l+) (%S+) (%d+)\n" do
    lines[#lines + 1] = { what = what, token = token, id = tonumber(id) }
  end
  return lines
end

--- The ids that have begun, or ended, in the order of the journal.
function Scene:ids(what, token)
  local ids = {}
  for _, line in ipairs(self:lines()) do
    if line.what == what and (not token or line.token == token) then
      ids[#ids + 1] = line.id
    end
  end
  return ids
end

function Scene:await(what, count, token)
  loop.await(("%d lines %q"):format(count, what), function()
    return #self:ids(what, token) >= count
  end, PATIENCE_S)
end

function Scene:results(kind)
  local found = {}
  for _, result in ipairs(self.platform.results) do
    if result.type == kind then
      found[#found + 1] = result
    end
  end
  return found
end

--- The first result of each command, by token and id.
function Scene:await_all(kind, first, last, tokens)
  local found = {}
  for _, token in ipairs(tokens or self.tokens) do
    for id = first, last do
      found[token .. " " .. id] = self.platform:await_result(kind, id, PATIENCE_S, token)
    end
  end
  return found
end

--- Workers that run Lua.
function Scene:worker_count()
  return #self.agent:workers()
end

--- How many ran at once at most; `key` tells what a line belongs to.
function Scene:most_at_once(key)
  local running, most = {}, 0
  for _, line in ipairs(self:lines()) do
    local of = key and key(line) or "all"
    running[of] = (running[of] or 0) + (line.what == "begin" and 1 or -1)
    most = math.max(most, running[of])
  end
  return most
end

local function by_token(line)
  return line.token
end

local function sequence(first, last)
  local ids = {}
  for id = first, last do
    ids[#ids + 1] = id
  end
  return ids
end

local function sorted(ids)
  table.sort(ids)
  return ids
end

describe("a handler with four workers", function()
  after_each(world.clear)

  it("runs four commands at the same time, and no fifth", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4",
      [[folder = folder .. "" local mine = assert(io.open(folder .. "/in." .. c.id, "w")) mine:close()
        if c.id <= 4 then for id = 1, 4 do wait("in." .. id) end end wait "go"]]) }
    scene:push("quad", 1, 7)
    scene:await("begin", 4)
    loop.watch(0.3)
    assert.are.same({ 1, 2, 3, 4 }, sorted(scene:ids "begin"))
    assert.are.equal(4, scene:worker_count())
    scene:open "go"
    for _, result in pairs(scene:await_all("quad", 1, 7)) do
      assert.are.equal(200, result.statusCode)
    end
    assert.are.same(sequence(1, 7), sorted(scene:ids "begin"))
    assert.are.equal(4, scene:most_at_once())
  end)

  it("has what one of them is given after fast ones run beside it", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4", "if c.id > 100 then wait('go.' .. c.id) end") }
    scene:push("quad", 1, 100)
    scene:await_all("quad", 1, 100)
    scene:push("quad", 101, 104)
    scene:await("begin", 104)
    for id = 104, 101, -1 do -- the last one first
      scene:open("go." .. id)
      assert.are.equal(200, scene.platform:await_result("quad", id).statusCode)
    end
  end)

  it("runs what it had not begun by the version that is saved meanwhile, once", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4", "wait('go.' .. c.id)", "one") }
    scene:push("quad", 1, 12)
    scene:await("begin", 4)
    scene.agent:save("quad", scene:source("workers = 4", "wait('go.' .. c.id)", "two"))
    scene.agent:await_log "changed version is in service"
    scene:open "go.1"
    scene:await("begin", 5) -- beside those of the version before
    assert.are.equal(4, scene:most_at_once())
    for id = 2, 12 do
      scene:open("go." .. id)
    end
    for key, result in pairs(scene:await_all("quad", 1, 12)) do
      local id = tonumber(key:match "%d+$")
      assert.are.equal(id <= 4 and "one" or "two", result.payload, key)
    end
    assert.are.same(sequence(1, 12), sorted(scene:ids "begin"))
    assert.are.equal(12, #scene:results "quad")
  end)

  it("runs nothing twice while its file is saved again and again", function()
    local scene = create()
    local function version(n)
      return scene:source("workers = 4", "kaa.sleep(0.005)", "v" .. n)
    end
    scene:start { quad = version(0) }
    for n = 1, 5 do
      local mark = scene.agent:mark()
      scene:push("quad", n * 100 + 1, n * 100 + 100)
      scene:await("begin", n * 100 - 60)
      scene.agent:save("quad", version(n))
      scene.agent:await_log("changed version is in service", mark)
    end
    scene:await_all("quad", 101, 600)
    assert.are.same(sequence(101, 600), sorted(scene:ids "begin"))
    assert.is_true(scene:most_at_once() <= 4)
  end)

  it("loses one command with a worker that is killed", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4",
      [[local file = io.open("/proc/self/stat") local pid = file:read "n" file:close()
        file = assert(io.open(folder .. "/pid." .. c.id, "w")) file:write(pid) file:close()
        wait "go"]]) }
    scene:push("quad", 1, 8)
    local pid = loop.await("the pid of a worker", function()
      return tonumber(folder.read(scene.path .. "/pid.2") or "")
    end)
    scene:await("begin", 4)
    os.execute("kill -9 " .. pid)
    local result = scene.platform:await_result("quad", 2)
    assert.are.equal("Handler crashed: SIGKILL", result.reasonPhrase)
    scene:await("begin", 5) -- another takes its place
    scene:open "go"
    for key, each in pairs(scene:await_all("quad", 1, 8)) do
      assert.are.equal(key == "T1 2" and 500 or 200, each.statusCode, key)
    end
    assert.are.same(sequence(1, 8), sorted(scene:ids "begin"))
  end)

  it("is quarantined after three deaths in a row, of whichever worker", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4", "os.exit(7)") }
    scene:push("quad", 1, 40)
    local crashed = 0
    for _, result in pairs(scene:await_all("quad", 1, 40)) do
      if result.statusCode == 500 then
        assert.are.equal("Handler exited with 7", result.reasonPhrase)
        crashed = crashed + 1
      else
        assert.are.equal(503, result.statusCode)
        assert.is_truthy(result.reasonPhrase:find("^Quarantined"))
      end
    end
    assert.is_true(crashed >= 3 and crashed <= 6, crashed .. " crashed")
    assert.are.equal(crashed, #scene:ids "begin")
  end)

  it("has four commands interrupted by a killed agent, and runs the others once", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4", "wait 'go'") }
    scene:push("quad", 1, 12)
    scene:await("begin", 4)
    scene.agent.process:kill "sigkill"
    scene.agent.process:await_end()
    scene.agent:start():await_connected() -- its workers are gone
    scene:open "go"
    local interrupted = 0
    for _, result in pairs(scene:await_all("quad", 1, 12)) do
      interrupted = interrupted + (result.statusCode == 500 and 1 or 0)
      assert.are.equal(result.statusCode == 500 and INTERRUPTED or "OK", result.reasonPhrase)
    end
    assert.are.equal(4, interrupted)
    assert.are.same(sequence(1, 12), sorted(scene:ids "begin"))
  end)

  it("is waited for when the agent stops, and then interrupted, all four", function()
    local scene = create()
    scene:start { quad = scene:source("workers = 4", "wait 'go'") }
    scene:push("quad", 1, 6)
    scene:await("begin", 4)
    local ended = scene.agent:stop()
    assert.are.same({ 0, 0 }, { ended.code, ended.signal })
    scene:open "go"
    scene.agent:start():await_connected()
    local statuses = {}
    for key, result in pairs(scene:await_all("quad", 1, 6)) do
      statuses[tonumber(key:match "%d+$")] = result.statusCode
    end
    assert.are.same({ 500, 500, 500, 500, 200, 200 }, statuses)
    assert.are.same(sequence(1, 6), sorted(scene:ids "begin"))
  end)

  it("ends the ones that have nothing to do", function()
    local scene = create()
    scene:start({ quad = scene:source("workers = 4", "wait('go.' .. c.id)") }, "worker_idle_s = 0.5")
    scene:push("quad", 1, 4)
    scene:await("begin", 4)
    for id = 1, 3 do
      scene:open("go." .. id)
      scene.platform:await_result("quad", id)
    end
    loop.await("three workers to go", function() return scene:worker_count() == 1 end, PATIENCE_S)
    scene:open "go.4"
    assert.are.equal(200, scene.platform:await_result("quad", 4).statusCode)
    loop.await("the last worker to go", function() return scene:worker_count() == 0 end, PATIENCE_S)
  end)

  it("ticks beside its commands, never twice at once", function()
    local scene = create()
    scene:start { quad = scene:source([[workers = 2, every_s = 0.1, tick = function(endpoint)
      tell("tick", { endpoint = endpoint, id = 0 }) kaa.sleep(0.15)
      tell("tock", { endpoint = endpoint, id = 0 }) end]], "wait 'go'") }
    scene:push("quad", 1, 1)
    scene:await("begin", 1)
    local before = #scene:ids "tock"
    scene:await("tock", before + 3)
    assert.are.equal(0, #scene:ids "end")
    scene:open "go"
    scene:await_all("quad", 1, 1)
    local ticks = 0
    for _, line in ipairs(scene:lines()) do
      ticks = ticks + (line.what == "tick" and 1 or line.what == "tock" and -1 or 0)
      assert.is_true(ticks <= 1)
    end
  end)
end)

describe("a handler that is ordered", function()
  after_each(world.clear)

  it("runs each endpoint's commands one by one, and endpoints beside each other", function()
    local scene = create(TOKENS)
    scene:start { row = scene:source("workers = 4, ordered = true", [[if c.id == 1 then
        local mine = assert(io.open(folder .. "/in." .. c.endpoint, "w")) mine:close()
        for _, token in ipairs { "T1", "T2", "T3" } do wait("in." .. token) end
      end]]) }
    for first = 1, 200, 20 do
      for _, token in ipairs(TOKENS) do
        scene:push("row", first, first + 19, token)
      end
    end
    scene:await_all("row", 1, 200)
    for _, token in ipairs(TOKENS) do
      assert.are.same(sequence(1, 200), scene:ids("begin", token))
    end
    assert.are.equal(1, scene:most_at_once(by_token))
  end)

  it("lets no slow endpoint stop the others", function()
    local scene = create(TOKENS)
    scene:start { row = scene:source("workers = 2, ordered = true",
      "if c.endpoint == 'T1' and c.id == 50 then wait 'go' end") }
    scene:push("row", 1, 49, "T1") -- fast ones: the worker is given many at once
    scene:await_all("row", 1, 49, { "T1" })
    scene:push("row", 50, 250, "T1")
    scene:await("begin", 50, "T1")
    for first = 1, 100, 25 do
      scene:push("row", first, first + 24, "T2")
      scene:push("row", first, first + 24, "T3")
    end
    scene:await_all("row", 1, 100, { "T2", "T3" })
    assert.are.same(sequence(1, 100), scene:ids("begin", "T2"))
    assert.are.same(sequence(1, 100), scene:ids("begin", "T3"))
    assert.are.equal(49, #scene:ids("end", "T1"))
    scene:open "go"
    scene:await_all("row", 50, 250, { "T1" })
    assert.are.same(sequence(1, 250), scene:ids("begin", "T1"))
    assert.are.equal(1, scene:most_at_once(by_token))
  end)

  it("keeps the order while its file is saved again and again", function()
    local scene = create(TOKENS)
    local function version(n, more)
      return scene:source((more or "workers = 3, ordered = true") .. ", summary = 'v" .. n .. "'",
        "kaa.sleep(0.003)")
    end
    scene:start { row = version(0) }
    for n = 1, 6 do
      local mark = scene.agent:mark()
      for _, token in ipairs(TOKENS) do
        scene:push("row", n * 30 - 29, n * 30, token)
      end
      scene:await("begin", n * 90 - 60)
      scene.agent:save("row", version(n, n % 3 == 0 and "workers = 1" or nil))
      scene.agent:await_log("changed version is in service", mark)
    end
    scene:await_all("row", 1, 180)
    for _, token in ipairs(TOKENS) do
      assert.are.same(sequence(1, 180), scene:ids("begin", token))
    end
    assert.are.equal(1, scene:most_at_once(by_token))
  end)

  it("keeps the order when a worker is killed", function()
    local scene = create(TOKENS)
    scene:start { row = scene:source("workers = 3, ordered = true",
      "if c.id % 40 == 0 and c.endpoint == 'T2' then os.exit(3) end") }
    for _, token in ipairs(TOKENS) do
      scene:push("row", 1, 100, token)
    end
    for key, result in pairs(scene:await_all("row", 1, 100)) do
      local is_fatal = key == "T2 40" or key == "T2 80"
      assert.are.equal(is_fatal and 500 or 200, result.statusCode, key)
    end
    for _, token in ipairs(TOKENS) do
      assert.are.same(sequence(1, 100), scene:ids("begin", token))
    end
  end)
end)

describe("handlers with one exclusive name", function()
  after_each(world.clear)

  local BUS = "exclusive = 'bus'"

  it("never run at the same time, their ticks too, and take turns", function()
    local scene = create()
    scene:start {
      a = scene:source(BUS .. ", workers = 4", "kaa.sleep(0.003)"),
      b = scene:source(BUS, "kaa.sleep(0.003)"),
      c = scene:source(BUS .. [[, every_s = 0.1, per = 'agent', tick = function()
        tell("begin", { endpoint = "tick", id = 0 }) kaa.sleep(0.003)
        tell("end", { endpoint = "tick", id = 0 }) end]], "kaa.sleep(0.003)"),
      d = scene:source("exclusive = 'other'"),
    }
    scene:push("a", 1, 200)
    scene:await("begin", 5)
    scene:push("b", 1001, 1020)
    scene:push("c", 2001, 2020)
    scene:push("d", 3001, 3020)
    scene:await_all("b", 1001, 1020)
    scene:await_all("c", 2001, 2020)
    assert.is_true(#scene:results "a" < 200, "b and c had their turns")
    scene:await_all("a", 1, 200)
    scene:await_all("d", 3001, 3020)
    assert.are.equal(1, scene:most_at_once(function(line)
      return line.id >= 3001 and "other" or "bus"
    end))
    assert.is_true(#scene:ids("begin", "tick") > 0)
  end)

  it("wait for each other across a version that still runs", function()
    local scene = create()
    scene:start {
      a = scene:source(BUS, "if c.id == 1 then wait 'go' end", "one"),
      b = scene:source(BUS),
    }
    scene:push("a", 1, 3)
    scene:await("begin", 1)
    scene:push("b", 11, 12)
    scene.agent:save("a", scene:source("exclusive = 'another', workers = 4", "", "two"))
    scene.agent:await_log "changed version is in service"
    loop.watch(0.3)
    assert.are.equal(1, #scene:ids "begin")
    scene:open "go"
    local of_a = scene:await_all("a", 1, 3)
    assert.are.same({ "one", "two", "two" },
      { of_a["T1 1"].payload, of_a["T1 2"].payload, of_a["T1 3"].payload })
    scene:await_all("b", 11, 12)
  end)

  it("wait until a worker that was ended is gone, and what it executes", function()
    local scene = create()
    scene:start {
      a = scene:source(BUS .. ", timeout_s = 0.5", [[if c.id == 1 then
          assert(kaa.exec { "/bin/sleep", "41.7" }) else kaa.sleep(60) end]])
        :gsub("timeout_s = 60, ", ""):gsub("write =", "exec = true, write ="),
      b = scene:source(BUS),
    }
    for id = 1, 2 do
      local mark = #scene:ids "begin"
      scene:push("a", id, id)
      scene:await("begin", mark + 1)
      local leaders = loop.await("what leads it", function()
        local found = {}
        for _, each in ipairs(scene.agent:descendants()) do
          found[#found + 1] = each.name:find "leader" and each.pid or nil
        end
        return #found == 3 - id and found
      end)
      local stopped = math.max(table.unpack(leaders)) -- the program's, and then the worker's
      os.execute("kill -STOP " .. stopped)
      assert.are.equal(504, scene.platform:await_result("a", id).statusCode)
      scene:push("b", 10 + id, 10 + id)
      loop.watch(0.5)
      assert.are.equal(mark + 1, #scene:ids "begin")
      os.execute("kill -CONT " .. stopped)
      assert.are.equal(200, scene.platform:await_result("b", 10 + id).statusCode)
      loop.await("b's worker alone", function()
        local count = 0
        for _, each in ipairs(scene.agent:descendants()) do
          count = count + (each.name:find "leader" and 1 or 0)
        end
        return count == 1
      end)
      scene.agent.process:kill "sigkill"
      scene.agent.process:await_end()
      scene.agent:start():await_connected()
    end
  end)

  it("go on when the one that runs crashes, or its file goes", function()
    local scene = create()
    scene:start {
      a = scene:source(BUS, "if c.id == 1 then os.exit(3) end wait 'go'"),
      b = scene:source(BUS),
    }
    scene:push("a", 1, 1)
    scene:push("b", 11, 12)
    assert.are.equal(500, scene.platform:await_result("a", 1).statusCode)
    scene:await_all("b", 11, 12)
    scene:push("a", 2, 2)
    scene:await("begin", 4)
    scene:push("b", 13, 14)
    scene.agent:remove "a"
    scene.agent:await_log "removed: its commands are answered 501"
    scene:open "go"
    assert.are.equal(200, scene.platform:await_result("a", 2).statusCode)
    scene:await_all("b", 13, 14)
    assert.are.equal(1, scene:most_at_once(function(line) return line.id == 1 and "dead" or "bus" end))
  end)
end)

describe("a handler whose file is removed", function()
  after_each(world.clear)

  it("ends what it has begun and begins nothing more", function()
    local scene = create()
    scene:start { one = scene:source("workers = 1", "if c.id > 100 then wait 'go' end") }
    scene:push("one", 1, 40) -- fast ones: the worker is given many at once
    scene:await_all("one", 1, 40)
    scene:push("one", 101, 105)
    scene:await("begin", 41)
    scene.agent:remove "one"
    scene.agent:await_log "removed: its commands are answered 501"
    scene:open "go"
    assert.are.equal(200, scene.platform:await_result("one", 101).statusCode)
    for id = 102, 105 do
      assert.are.equal(501, scene.platform:await_result("one", id).statusCode)
    end
    assert.are.equal(41, #scene:ids "begin")
    loop.await("its worker to go", function() return scene:worker_count() == 0 end, PATIENCE_S)
  end)
end)
