-- What a handler may return, raise and call, as the platform sees it.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local world = require "support.world"

local NONE = {} -- no payload in the result

-- {body of the handler's function, status, pattern of the reason, payload}
local RETURNS = {
  nothing = { "", 200, "^OK$", NONE },
  ["nil"] = { "return nil", 200, "^OK$", NONE },
  ["true"] = { "return true", 200, "^OK$", NONE },
  conflict = { "return 409", 409, ".", NONE },
  real_status = { "return 200.0", 200, "^OK$", NONE },
  phrase = { "return 409, 'Slot taken'", 409, "^Slot taken$", NONE },
  payload = { "return 200, 'OK', { a = 1 }", 200, "^OK$", { a = 1 } },
  no_phrase = { "return 200, nil, 'x'", 200, "^OK$", "x" },
  zero = { "return 200, 'OK', 0", 200, "^OK$", 0 },
  no = { "return 200, 'OK', false", 200, "^OK$", false },
  empty_text = { "return 200, 'OK', ''", 200, "^OK$", "" },
  null = { "return 200, 'OK', kaa.null", 200, "^OK$", cjson.null },
  cjson_null = { "return 200, 'OK', require('cjson').null", 200, "^OK$", cjson.null },
  lua_failure = { "return io.open '/nonexistent/x'", 500, "^/nonexistent/x: No such file", NONE },
  false_failure = { "return false, 'jammed', 1, 2", 500, "^jammed$", NONE },
  lines = { "return 400, 'a\\nb\\255'", 400, "^a b\u{FFFD}$", NONE },
  long_phrase = { "return 400, ('ä'):rep(300)", 400, "^" .. ("ä"):rep(128) .. "$", NONE },
  text = { "return 'hello'", 500, 'return 200, "OK"', NONE },
  table = { "return { 200, 'OK' }", 500, 'return 200, "OK"', NONE },
  small = { "return 99, 'x'", 500, "99", NONE },
  large = { "return 600", 500, "600", NONE },
  broken_status = { "return 200.5", 500, "200%.5", NONE },
  lone_false = { "return false", 500, ".", NONE },
  number_phrase = { "return 200, 5", 500, 'return 200, "OK"', NONE },
  cyclic = { "local t = {} t.a = t return 200, 'OK', t", 500, "a", NONE },
  mixed = { "return 200, 'OK', { b = { 1, x = 2 } }", 500, "b", NONE },
  nan = { "return 200, 'OK', { v = 0/0 }", 500, "v", NONE },
  a_function = { "return 200, 'OK', { f = print }", 500, "f", NONE },
  big = { "return 200, 'OK', ('x'):rep(300000)", 500,
    "^Result too large: %d+ bytes, limit %d+", NONE },
  raises = { "\n error 'boom'", 500, "^raises%.lua:2: boom$", NONE },
  raises_deep = { "\n local function f() error('deep') end f()", 500,
    "^raises_deep%.lua:2: deep$", NONE },
  raises_index = { "\n\n return c.payload.slot.number", 500,
    "^raises_index%.lua:3: attempt to index", NONE },
  raises_table = {
    "error { status = 409, reason = 'Slot taken', payload = 3 }", 409, "^Slot taken$", 3,
  },
  raises_nil = { "error()", 500, ".", NONE },
  raises_odd = { "error {}", 500, ".", NONE },
  fails = { "local function f() kaa.fail(418, 'Teapot', { 1 }) end f()", 418, "^Teapot$", { 1 } },
  misspelt = { "kaa.telemetri {}", 500, "telemetry", NONE },
  global = { "\n x = 1", 500, "global%.lua:2: .*x", NONE },
  writes = { "\n io.open('/tmp/kaalua-e2e', 'w')", 500, 'writes%.lua:2: .*needs "write"', NONE },
  shell = { "os.execute 'true'", 500, 'needs "exec"', NONE },
  loads = { "return 200, 'OK', load 'return 1+1' ()", 200, "^OK$", 2 },
  loads_binary = { "return 200, tostring(load '\\27Lua')", 200, "^nil$", NONE },
  dumps = { "return string.dump(print)", 500, "string.dump", NONE },
  reads = { "return 200, io.open('/proc/self/comm'):read()", 200, "^kaalua%-worker", NONE },
}

local TABLE_CASES = {
  settings = {
    "return { settings = { pin = { type = 'integer', default = 4 } }, run = function()"
      .. " return 200, 'OK', kaa.settings.pin end }", 200, "^OK$", 17,
  },
  defaults = {
    "return { settings = { pin = { type = 'integer', default = 4 } }, run = function()"
      .. " return 200, 'OK', kaa.settings.pin end }", 200, "^OK$", 4,
  },
  executes = {
    "return { needs = { exec = { '/bin/sh' } }, run = function() local r = assert(kaa.exec {"
      .. " '/bin/sh', '-c', 'cat; echo err >&2' , }) return 200, r.stderr, r.code end }",
    200, "^err", 0,
  },
  execute_fails = {
    "return { needs = { exec = { '/bin/sh' } }, run = function()"
      .. " return kaa.exec { '/bin/sh', '-c', 'echo sorry >&2; exit 3' } end }",
    500, "sh exited with 3: sorry", NONE,
  },
  execute_other = {
    "return { needs = { exec = { '/bin/true' } }, run = function()"
      .. " return kaa.exec { '/bin/sh', '-c', 'true' } end }",
    500, "/bin/sh", NONE,
  },
  execute_gone = {
    "return { needs = { 'exec' }, run = function() return kaa.exec { '/nonexistent/x' } end }",
    500, "/nonexistent/x: No such file", NONE,
  },
  library = { "local v = require 'valve' return function() return 200, v.name end",
    200, "^valve$", NONE },
  library_raises = {
    "local v = require 'valve' return function() v.jam() end",
      500, "^lib/valve%.lua:2: jammed$", NONE,
  },
}

-- {source, pattern of the 503's reason}
local BROKEN = {
  syntax = { "return function()\n return 200,\nend", "^syntax%.lua:3: " },
  nothing_returned = { "local x = 1", "^nothing_returned%.lua:?%d*: " },
  empty = { "", "^empty%.lua:?%d*: " },
  unknown_key = { "return {\n timeout = 2,\n run = print }", 'unknown_key%.lua:2: .*"timeout_s"' },
  wrong_limit = { "return {\n timeout_s = -1,\n run = print }", "wrong_limit%.lua:2: .*timeout_s" },
  no_run = { "return { summary = 'x' }", "no_run%.lua:?%d*: .*run" },
  load_raises = { "\nerror 'at load'", "load_raises%.lua:2: at load" },
  load_acts = { "\nkaa.telemetry { a = 1 }\nreturn print", "load_acts%.lua:2: " },
  load_loops = { "while true do end", "load_loops" },
  global_at_load = { "\nx = 1\nreturn print", "global_at_load%.lua:2: .*x" },
  no_library = { "\nrequire 'gone'\nreturn print", "no_library%.lua:2: .*gone" },
  bytecode = { string.dump(load "return print"), "bytecode%.lua" },
}

local VALVE = "local valve = { name = 'valve' }\n"
  .. "function valve.jam() error 'jammed' end\nreturn valve"

-- Whether a result is as wanted; adds to `misfits` where it is not.
local function compare(misfits, name, wanted, result)
  local payload = wanted[4]
  if payload == NONE then
    payload = nil
  end
  local reason = result.reasonPhrase
  local fits = result.statusCode == wanted[2] and reason:find(wanted[3])
    and not reason:find "[\r\n]" and pcall(assert.are.same, payload, result.payload)
  if not fits then
    misfits[#misfits + 1] = ("%s: %s"):format(name, result.raw)
  end
end

-- All at once: each type has a worker of its own.
local function answers_of(cases, platform, deadline_s)
  for name in pairs(cases) do
    platform:command(name, 1, "{}")
  end
  local results = {}
  for name in pairs(cases) do
    results[name] = platform:await_result(name, 1, deadline_s)
  end
  return results
end

local function tests_over(wire)
  local function connected(options)
    options.wire = wire
    return world.connected(options)
  end

  after_each(world.clear)

  it("is answered for by what it returns or raises", function()
    local handlers = {}
    for name, case in pairs(RETURNS) do
      handlers[name] = "return function(c) " .. case[1] .. " end"
    end
    local _, platform = connected { handlers = handlers }
    local results = answers_of(RETURNS, platform, 30)
    local misfits = {}
    for name, case in pairs(RETURNS) do
      compare(misfits, name, case, results[name])
    end
    assert.are.same({}, misfits)
    assert.are.same({}, platform.unexpected)
  end)

  it("has settings, programs and libraries", function()
    local handlers = { ["lib/valve"] = VALVE }
    for name, case in pairs(TABLE_CASES) do
      handlers[name] = case[1]
    end
    local _, platform = connected {
      handlers = handlers,
      config = "return { settings = { settings = { pin = 17 } } }",
    }
    local results = answers_of(TABLE_CASES, platform, 20)
    local misfits = {}
    for name, case in pairs(TABLE_CASES) do
      compare(misfits, name, case, results[name])
    end
    assert.are.same({}, misfits)
  end)

  it("that does not load is answered 503 with its file and line", function()
    local handlers = {}
    for name, case in pairs(BROKEN) do
      handlers[name] = case[1]
    end
    local agent, platform = connected { handlers = handlers }
    local results = answers_of(BROKEN, platform, 20)
    for name, case in pairs(BROKEN) do
      local where = ("%s: %s"):format(name, results[name].reasonPhrase)
      assert.are.equal(503, results[name].statusCode, where)
      assert.is_truthy(results[name].reasonPhrase:find(case[2]), where)
    end
    agent:await_log "syntax%.lua:3"
  end)

  it("is told id, type, endpoint, payload and when", function()
    local _, platform = connected {
      handlers = {
        told = "return function(c) return 200, 'OK', { c.id, c.type, c.endpoint, c.payload,"
          .. " c.received_at, kaa.now() } end",
      },
    }
    local payload = platform:call("told", 8, '{"a":[1]}').payload
    assert.are.same({ 8, "told", "T1", { a = { 1 } } }, { table.unpack(payload, 1, 4) })
    assert.is_truthy(tostring(payload[5]):find(os.date "!%Y" , 1, true) or payload[5] > 1.7e9)
  end)

  it("keeps its file's variables, prints to the log, and shows its traceback there", function()
    local agent, platform = connected {
      handlers = {
        memory = "local n = 0 return function() n = n + 1 print('turn', n)"
          .. " kaa.log.warn 'careful' if n == 3 then error 'third' end return 200, 'OK', n end",
      },
    }
    assert.are.equal(1, platform:call("memory", 1).payload)
    assert.are.equal(2, platform:call("memory", 2).payload)
    agent:await_log "info%s+memory%s+turn.*2"
    agent:await_log "warn%s+memory%s+careful"
    assert.are.equal(500, platform:call("memory", 3).statusCode)
    agent:await_log "memory.*third.*traceback"
    assert.are.equal(4, platform:call("memory", 4).payload)
  end)
end

for _, wire in ipairs(world.WIRES) do
  describe("a handler over " .. wire, function()
    tests_over(wire)
  end)
end
