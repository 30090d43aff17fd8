local testing = require "kaa.testing"
local null = require("kaa.values").null

local directory

--- Writes a file below the spec's directory; returns its path.
local function write(name, source)
  local path = directory .. "/" .. name
  local file = assert(io.open(path, "w"))
  file:write(source)
  file:close()
  return path
end

--- A device whose handler is the given source text.
local function device_of(source, options)
  return testing.device(write("park.lua", source), options)
end

--- What a handler answers whose function has the given body.
local function answer_of(body, options, payload)
  local needs = options and options.needs or "{}"
  local device = device_of(("return { needs = %s, run = function(command)\n%s\nend }"):format(needs, body), options)
  return device:command(payload)
end

describe("kaa.testing", function()
  setup(function()
    directory = os.tmpname()
    os.remove(directory)
    assert(os.execute(("mkdir -p '%s/lib' '%s/root/etc'"):format(directory, directory)))
  end)

  teardown(function()
    os.execute(("rm -r '%s'"):format(directory))
  end)

  it("gives the handler a command", function()
    local device = device_of("return function(c) return 200, kaa.endpoint, c end", { endpoint = "T1", now = 1000.5 })
    local _, reason, command = device:command({ a = 1 }, { id = 17, received_at = 999.0 })
    assert.equal("T1", reason)
    assert.same({ id = 17, type = "park", endpoint = "T1", payload = { a = 1 }, received_at = 999.0 }, command)
    _, reason, command = device:command(nil, { endpoint = "T2" })
    assert.equal("T2", reason)
    assert.same({ id = 18, type = "park", endpoint = "T2", received_at = 1000.5 }, command)
  end)

  it("takes payload and result through JSON", function()
    local device = device_of [[return function(c)
      return 200, math.type(c.payload.n) .. " " .. tostring(c.payload.z == kaa.null), c.payload end]]
    local status, reason, payload = device:command { n = 9007199254740993, f = 3.0, z = null, e = {} }
    assert.same({ 200, "integer true" }, { status, reason })
    assert.same({ n = 9007199254740993, f = 3.0, z = null, e = {} }, payload)
    assert.equal("float", math.type(payload.f))
    assert.has_error(function()
      device:command { f = print }
    end, "payload.f: a function has no JSON form")
  end)

  it("answers as the device does", function()
    local large = 'return 200, "OK", ("x"):rep(300000)'
    local cases = {
      { "", 200, "OK" },
      { "return 409, 'Slot taken', false", 409, "Slot taken", false },
      { "return 200, nil, kaa.null", 200, "OK", null },
      { "return nil, 'no such pin'", 500, "no such pin" },
      { "error 'boom'", 500, "park.lua:2: boom" },
      { "error { status = 404, reason = 'gone' }", 404, "gone" },
      { "kaa.fail(423, 'locked', 3)", 423, "locked", 3 },
      { "return 'x'", 500, 'park.lua:1: returned a string; write: return 200, "OK", "…"' },
      { "return 200, 'OK', { f = print }", 500, "park.lua:1: payload.f: a function has no JSON form" },
      { "kaa.array('x')", 500, "park.lua:2: kaa.array takes a table, got a string; write: kaa.array { … }" },
      { "setmetatable({}, { __gc = print })", 500,
        "park.lua:2: setmetatable: no __gc here; close things with local x <close>" },
      { "debug.sethook()", 500, 'park.lua:2: debug, for a handler, has no "sethook"' },
      { "return 200, type(debug.traceback()) .. type(require('debug').traceback)", 200, "stringfunction" },
      { "return 200, require('cjson.safe').encode { a = 'x' }", 200, '{"a":"x"}' },
      { large, 500, "Result too large: 300002 bytes, limit 262144" },
      { "x = 3", 500, "park.lua:2: assignment to the global 'x': write local x" },
      { "function f() end", 500, "park.lua:2: assignment to the global 'f': write local function f" },
      { "kaa.telemetri {}", 500, 'park.lua:2: kaa has no "telemetri", did you mean "telemetry"?' },
      { "kaa.log.warning ''", 500, 'park.lua:2: kaa.log has no "warning", did you mean "warn"?' },
      { "kaa.log = nil", 500, "park.lua:2: kaa is not to be changed" },
      { "error(setmetatable({}, { __tostring = function() return 'own' end }))", 500, "own" },
      { "return 200, require('kaa') == kaa and 'same'", 200, "same" },
      { "return 200, tostring(string.dump)", 200, "nil" },
      { "return 200, tostring(load('return kaa')() == kaa)", 200, "true" },
      { "assert(false, 'no')", 500, "no" },
      { "assert(nil)", 500, "assertion failed!" },
      { "assert(false, { status = 404 })", 404, "Not Found" },
      { "return 200, (assert('x', 'y'))", 200, "x" },
      { "require 'nothing'", 500, 'park.lua:2: no library "nothing" in lib/; a C module needs "native"' },
      { "require 'luv'", 500, 'park.lua:2: no library "luv" in lib/; a C module needs "native"' },
      { "io.output('/tmp/x')", 500,
        'park.lua:2: io.output needs "write": return { needs = { "write" }, run = … }' },
    }
    for _, case in ipairs(cases) do
      local status, reason, payload = answer_of(case[1])
      assert.same({ case[2], case[3], case[4] }, { status, reason, payload })
    end
  end)

  it("answers 400 to a payload that params refuse, and runs nothing", function()
    local device = device_of [[return { params = { slot = { type = "integer", required = true } },
      run = function(c) kaa.log.info(c.payload.slot) end }]]
    assert.same({ 400, 'slot: expected integer, got "x"' }, { device:command { slot = "x" } })
    assert.same({ 400, "slot: missing, expected integer" }, { device:command() })
    assert.same({}, device.logged)
    assert.same({ 200, "OK" }, { device:command { slot = 3.0 } })
    assert.same({ { level = "info", message = "3" } }, device.logged)
  end)

  it("keeps telemetry and the log", function()
    local device = device_of [[return function()
      kaa.telemetry { t = 1 }
      kaa.telemetry { { t = 2 }, { t = 3.0 } }
      kaa.log.warn("a", 1, nil)
      print("b", 2)
    end]]
    assert.equal(200, (device:command()))
    assert.same({ { t = 1 }, { t = 2 }, { t = 3.0 } }, device.samples)
    assert.same({ { level = "warn", message = "a 1 nil" }, { level = "info", message = "b 2" } }, device.logged)
  end)

  it("teaches the right call of kaa.telemetry", function()
    local cases = {
      { "kaa.telemetry()", " takes a sample, a table of names and values, got a nil; write: " },
      { "kaa.telemetry(3)", " takes a sample, a table of names and values, got a number; write: " },
      { "kaa.telemetry {}", ": the sample is empty; write: " },
      { "kaa.telemetry { { 1 } }", ": element 1 is a list, not a sample; write: " },
      { "kaa.telemetry { { a = 1 }, {} }", ": element 2 is empty; write: " },
      { "local t = {} for _ = 1, 63 do t = { t = t } end kaa.telemetry(t)",
        ": the sample is nested deeper than 63" },
      { "kaa.telemetry { f = print }", ": sample.f: a function has no JSON form" },
    }
    for _, case in ipairs(cases) do
      local status, reason = answer_of(case[1])
      assert.equal(500, status)
      assert.matches("park.lua:2: kaa.telemetry" .. case[2], reason, 1, true)
    end
  end)

  it("calls the tick, and tells how it failed", function()
    local device = device_of [[return { every_s = 3, tick = function(endpoint)
      kaa.telemetry { same = endpoint == kaa.endpoint, of = endpoint }
      if endpoint == "bad" then error "boom" end
      if endpoint == "failed" then return nil, "no sensor" end
      if endpoint == "refused" then kaa.fail(503, "no\nlink") end
      return "whatever"
    end }]]
    assert.same({ true }, { device:tick() })
    assert.same({ false, "park.lua:3: boom" }, { device:tick "bad" })
    assert.same({ false, "no sensor" }, { device:tick "failed" })
    assert.same({ false, "no link" }, { device:tick "refused" })
    assert.same({ same = true, of = "test-endpoint" }, device.samples[1])
    assert.same({ same = true, of = "bad" }, device.samples[2])
    assert.same({ 501, "No handler for park: park.lua only ticks" }, { device:command() })
    assert.error_matches(function()
      device_of("return function() end"):tick()
    end, "park.lua has no tick")
  end)

  it("calls the tick of the agent for no endpoint", function()
    local device = device_of [[return { every_s = 3, per = "agent", tick = function(endpoint)
      kaa.log.info(endpoint, kaa.endpoint)
      kaa.telemetry { x = 1 } end, run = function() kaa.telemetry { x = 2 } end }]]
    assert.same({ false, 'park.lua:3: kaa.telemetry is for one endpoint, and this tick is for all; '
      .. 'write: per = "endpoint"' }, { device:tick() })
    assert.same({ { level = "info", message = "nil nil" } }, device.logged)
    assert.equal(200, (device:command()))
    assert.same({ { x = 2 } }, device.samples)
  end)

  it("keeps metadata, as the platform merges it", function()
    local device = device_of [[return function(c) kaa.metadata(c.payload) end]]
    device:command { light = "on", level = 3.0, list = { 1, null } }
    device:command { light = "off" }
    assert.same({ light = "off", level = 3.0, list = { 1, null } }, device.metadata)
  end)

  it("teaches the right call of kaa.metadata", function()
    local cases = {
      { "kaa.metadata(3)", " takes a table of names and values, got a number; write: " },
      { "kaa.metadata { 1 }", " takes a table of names and values, got a list; write: " },
      { "kaa.metadata {}", ": the table is empty; write: " },
      { 'kaa.metadata { ["a-b"] = 1 }', ': "a-b" is no key: letters, digits and _ only; write: ' },
      { "kaa.metadata { f = print }", ": metadata.f: a function has no JSON form" },
    }
    for _, case in ipairs(cases) do
      local status, reason = answer_of(case[1])
      assert.equal(500, status)
      assert.matches("park.lua:2: kaa.metadata" .. case[2], reason, 1, true)
    end
  end)

  it("has a root in place of /, where the spec gives one", function()
    write("root/etc/name", "pump")
    local source = [[return { needs = { write = { "/etc" } }, run = function(c)
      local name = io.open "/etc/name":read "a"
      local file, message = io.open(c.payload, "w")
      if not file then return 404, message, name end
      file:close()
      assert(os.rename(c.payload, "/etc/renamed"))
      return 200, "OK", name end }]]
    local device = device_of(source, { root = directory .. "/root" })
    assert.same({ 200, "OK", "pump" }, { device:command "/etc/new" })
    assert.is_truthy(io.open(directory .. "/root/etc/renamed"))
    assert.same({ 404, "/etc/no/x: No such file or directory", "pump" }, { device:command "/etc/no/x" })
    assert.same({ 404, "/new: outside the directories of needs.write", "pump" }, { device:command "/new" })
  end)

  it("gives installed modules in run only, where they are granted", function()
    local body = "return 200, type(require('luv').version())"
    assert.same({ 200, "number" }, { answer_of(body, { needs = "{ 'native' }" }) })
    assert.same({ 200, "number" }, { answer_of(body, { needs = "{ native = { 'luv' } }" }) })
    assert.same({ 500, 'park.lua:2: no library "luv" in lib/; a C module needs "native"' },
      { answer_of(body, { needs = "{ native = { 'lfs' } }" }) })
    local _, message = pcall(device_of,
      "local luv = require 'luv'\nreturn { needs = { 'native' }, run = function() end }")
    assert.equal('park.lua:1: require "luv": an installed module needs "native" and is not for loading time; '
      .. 'write: return { needs = { "native" }, run = function(command) local module = require "luv" … end }', message)
  end)

  it("says that a path is no handler file", function()
    for _, path in ipairs { "handlers", "handlers/park", "handlers/a b.lua", "handlers/a.b.lua" } do
      assert.has_error(function()
        testing.device(path)
      end, ('"%s" is no handler file; write: testing.device("handlers/park.lua")'):format(path))
    end
  end)

  it("knows the variables that the device refuses to granted programs", function()
    local file <close> = assert(io.open((os.getenv "KAALUA_ROOT" or ".")
      .. "/src/base/code_variable.c"))
    local count = 0
    for name in file:read "a":match "names%[%] = (%b{})":gmatch '"([^"]+)"' do
      local status, reason = answer_of(("kaa.exec({ '/bin/x' }, { env = { ['%s'] = '/x' } })")
        :format(name:gsub("%*", "X")), { needs = "{ exec = { '/bin/x' } }" })
      assert.equal(500, status)
      assert.matches("run other code than its own", reason, 1, true)
      count = count + 1
    end
    assert.is_true(count > 20)
  end)

  it("refuses options of kaa.exec that do not go together", function()
    local cases = {
      { "{ detach = true, stdin = 'x' }", "stdin does not go together with detach" },
      { "{ detach = true, timeout_s = 1 }", "timeout_s does not go together with detach" },
      { "{ env = { LD_PRELOAD = '/x' } }",
        "env: LD_PRELOAD has a program run other code than its own: not with a list in needs.exec" },
    }
    for _, case in ipairs(cases) do
      local status, reason = answer_of(("kaa.exec({ '/bin/x' }, %s)"):format(case[1]),
        { needs = "{ exec = { '/bin/x' } }" })
      assert.same({ 500, "park.lua:2: kaa.exec: " .. case[2] }, { status, reason })
    end
  end)

  it("keeps its own time", function()
    local device = device_of "return function() kaa.sleep(2.5) return 200, tostring(kaa.now()) end"
    device.now = 100
    assert.same({ 200, "102.5" }, { device:command() })
    assert.equal(102.5, device.now)
    assert.same({ 500, "park.lua:2: kaa.sleep takes seconds from 0; write: kaa.sleep(0.5)" },
      { answer_of "kaa.sleep(-1)" })
  end)

  it("executes nothing, and gives what the spec says", function()
    local run = 'local done, message, ending = kaa.exec({ "/bin/a", "b c" }, { timeout_s = 5 })\n'
      .. "return 200, message, done or ending"
    local cases = {
      { { code = 0, stdout = "out" }, nil, { code = 0, stdout = "out", stderr = "" } },
      { {}, nil, { code = 0, stdout = "", stderr = "" } },
      { { code = 3, stderr = "no\nmore" }, "a exited with 3: no", { code = 3, stdout = "", stderr = "no\nmore" } },
      { { code = 3 }, "a exited with 3", { code = 3, stdout = "", stderr = "" } },
      { { signal = "SIGKILL" }, "a was ended by SIGKILL", { signal = "SIGKILL", stdout = "", stderr = "" } },
      { { signal = "SIGKILL", timed_out = true }, "a took longer than 5 s",
        { signal = "SIGKILL", stdout = "", stderr = "" } },
      { { failure = "/bin/a: No such file or directory" }, "/bin/a: No such file or directory", nil },
    }
    for _, case in ipairs(cases) do
      local options = { needs = '{ exec = { "/bin/a" } }', exec = { ["/bin/a b c"] = case[1] } }
      assert.same({ 200, case[2] or "OK", case[3] }, { answer_of(run, options) })
    end
  end)

  it("asks the spec's function, and keeps what was executed", function()
    local asked
    local device = device_of([[return { needs = { "exec" }, run = function()
      local file = io.popen "echo hello"
      return 200, file:read "a", { os.execute "true" } end }]], {
      exec = function(argv, options)
        asked = { argv = argv, options = options }
        return { stdout = argv[3] == "echo hello" and "hello" or nil }
      end,
    })
    assert.same({ 200, "hello", { true, "exit", 0 } }, { device:command() })
    assert.same({ { "/bin/sh", "-c", "echo hello" }, { "/bin/sh", "-c", "true" } }, device.executed)
    assert.same({ argv = { "/bin/sh", "-c", "true" }, options = {} }, asked)
  end)

  it("says what a call of kaa.exec lacks, at the handler's line", function()
    local some = { needs = '{ exec = { "/bin/a" } }' }
    local cases = {
      { 'kaa.exec { "/bin/a" }', nil, 'kaa.exec needs "exec": return { needs = { "exec" }, run = … }' },
      { 'kaa.exec { "/bin/b" }', some,
        'kaa.exec: "/bin/b" is not in needs.exec; add it: needs = { exec = { "/bin/b" } }' },
      { 'kaa.exec "ls"', some,
        'kaa.exec takes a list, no shell command; write: kaa.exec { "/bin/sh", "-c", command }' },
      { "kaa.exec {}", some, 'kaa.exec takes a list of texts; write: kaa.exec { "/usr/bin/systemctl", "reboot" }' },
      { 'kaa.exec { "a" }', some,
        'kaa.exec: "a" is no absolute path; write: kaa.exec { "/usr/bin/systemctl", "reboot" }' },
      { 'kaa.exec { "/bin/a", 3 }', some, "kaa.exec: argument 2 is a number; all are texts: tostring(…)" },
      { 'kaa.exec({ "/bin/a" }, { timeout = 3 })', some,
        'kaa.exec has no option "timeout", did you mean "timeout_s"?' },
      { 'os.execute "ls"', nil, 'os.execute needs "exec": return { needs = { "exec" }, run = … }' },
      { 'io.popen "ls"', some,
        'io.popen: "/bin/sh" is not in needs.exec; add it: needs = { exec = { "/bin/sh" } }' },
      { 'io.open("/tmp/x", "w")', nil, 'io.open(…, "w") needs "write": return { needs = { "write" }, run = … }' },
      { 'io.open("/tmp/x", "r+")', nil, 'io.open(…, "r+") needs "write": return { needs = { "write" }, run = … }' },
      { 'os.remove "/tmp/x"', nil, 'os.remove needs "write": return { needs = { "write" }, run = … }' },
      { "os.tmpname()", nil, 'os.tmpname needs "write": return { needs = { "write" }, run = … }' },
      { "io.tmpfile()", nil, 'io.tmpfile needs "write": return { needs = { "write" }, run = … }' },
    }
    for _, case in ipairs(cases) do
      local status, reason = answer_of(case[1], case[2])
      assert.same({ 500, "park.lua:2: " .. case[3] }, { status, reason })
    end
    local _, reason = answer_of('kaa.exec { "/bin/a" }', some)
    assert.matches('the spec does not say what "/bin/a" gives', reason, 1, true)
  end)

  it("reads files, and writes where needs allow it", function()
    local path = write("data.txt", "data")
    local read = ('return 200, io.open(%q):read "a"'):format(path)
    assert.same({ 200, "data" }, { answer_of(read) })
    local overwrite = ('local file, message, number = io.open(%q, "w")\nif not file then return 200, message, number end\n'
      .. 'file:write "new" file:close()'):format(path)
    assert.same({ 200, path .. ": outside the directories of needs.write", 13 },
      { answer_of(overwrite, { needs = '{ write = { "/nowhere" } }' }) })
    assert.same({ 200, "OK" }, { answer_of(overwrite, { needs = ("{ write = { %q } }"):format(directory) }) })
    assert.same({ 200, "new" }, { answer_of(read) })
    assert(os.execute(("ln -sfn / '%s/link'"):format(directory)))
    assert.same({ 200, directory .. "/link/tmp/x'y: outside the directories of needs.write", 13 },
      { answer_of(overwrite:gsub("open%b()", ("open(%q, 'w')"):format(directory .. "/link/tmp/x'y"), 1),
        { needs = ("{ write = { %q } }"):format(directory) }) })
    assert.same({ 200, "/nowhere/x: No such file or directory", 2 },
      { answer_of('return 200, select(2, io.open("/nowhere/x", "w"))', { needs = '{ write = { "/tmp" } }' }) })
    assert.same({ 200, "OK" }, { answer_of(overwrite, { needs = '{ "write" }' }) })
  end)

  it("finds libraries beside the handler", function()
    write("lib/valve.lua", "local valve = { name = ..., count = 0 }\nreturn valve")
    local device = device_of [[local valve = require "valve"
      return function() valve.count = valve.count + 1 return 200, valve.name, require("valve").count end]]
    assert.same({ 200, "valve", 1 }, { device:command() })
    assert.same({ 200, "valve", 2 }, { device:command() })
  end)

  it("raises where the file acts while it loads", function()
    local cases = {
      { "kaa.telemetry { t = 1 }", "kaa.telemetry acts: call it in run, not while the file loads" },
      { "kaa.sleep(1)", "kaa.sleep acts: call it in run, not while the file loads" },
      { 'kaa.exec { "/bin/a" }', "kaa.exec acts: call it in run, not while the file loads" },
      { 'io.open("/tmp/x", "w")', 'io.open(…, "w") acts: call it in run, not while the file loads' },
      { "local x = kaa.settings", "kaa.settings has its defaults once the file is loaded: read it in run" },
    }
    for _, case in ipairs(cases) do
      local _, message = pcall(device_of, "\n" .. case[1] .. "\nreturn function() end")
      assert.equal("park.lua:2: " .. case[2], message)
    end
  end)

  it("reports all faults of a file, and its syntax errors", function()
    local _, message = pcall(device_of,
      'return {\n  sumary = "x",\n  timeout_s = 0,\n  run = function() end }')
    assert.equal('park.lua:2: sumary: unknown key, did you mean "summary"?\n'
      .. "park.lua:3: timeout_s: expected number from 0.1 to 86400, got 0", message)
    _, message = pcall(device_of, "return {")
    assert.equal("park.lua:1: unexpected symbol near <eof>", message)
    assert.error_matches(function()
      testing.device(directory .. "/none.lua")
    end, "none.lua: No such file or directory")
  end)

  it("applies settings and ceiling", function()
    local source = 'return { needs = { "write" }, settings = { pin = { type = "integer", default = 17 } },\n'
      .. "run = function() return 200, nil, kaa.settings end }"
    assert.same({ 200, "OK", { pin = 17 } }, { device_of(source):command() })
    assert.same({ 200, "OK", { pin = 4 } }, { device_of(source, { settings = { pin = 4 } }):command() })
    assert.error_matches(function()
      device_of(source, { settings = { pni = 4 } })
    end, 'settings.park.pni: unknown field, did you mean "pin"%? %(in the configuration%)')
    assert.error_matches(function()
      device_of(source, { ceiling = {} })
    end, '"write" is more than the configuration allows')
    assert.error_matches(function()
      device_of(source, { ceiling = { write = { "/srv" } } })
    end, 'needs%[1%]: "write" is more than the configuration allows; write: write = { "/srv" }')
    assert.equal(200, (device_of(source, { ceiling = true }):command()))
    assert.error_matches(function()
      device_of(source, { ceiling = { "wirte" } })
    end, 'ceiling: 1: unknown capability "wirte", did you mean "write"%?')
  end)

  it("takes a first line that begins with #, and a byte order mark", function()
    assert.equal(200, (device_of("\xEF\xBB\xBF#!/usr/bin/lua\nreturn function() end"):command()))
  end)

  it("keeps values, exact, per type and per device", function()
    local device = device_of([[return function()
      assert(kaa.store.set("a", { 1, 2.0, kaa.array {} }) and kaa.shared.set("a", kaa.null))
      assert(kaa.store.set("b", 1) and kaa.store.delete "b" and kaa.store.get "b" == nil)
      assert(kaa.shared.get "there" == false)
      local value = kaa.store.get "a"
      value[1] = 7 -- a copy
      return 200, nil, { kaa.store.get "a", kaa.shared.get "a" } end]], { shared = { there = false } })
    local status, reason, payload = device:command()
    assert.same({ 200, "OK" }, { status, reason })
    assert.same({ { 1, 2.0, {} }, null }, payload)
    assert.same({ there = false, a = null }, device.shared)
  end)

  it("says what is misused of what it keeps, as the device does", function()
    local resume = 'resume = function(command, saved, away) return 200, "OK" end'
    local right = 'write: kaa.resume_after("reboot", saved, { within_s = 900 })'
    local cases = {
      { "kaa.store.set('a')",
        'kaa.store.set: no value; write: kaa.store.delete("a"), or kaa.null as the value' },
      { "kaa.store.set(1, 2)",
        'kaa.store.set takes a key, a text, got a number; write: kaa.store.set("count", 1)' },
      { "kaa.shared.get()",
        'kaa.shared.get takes a key, a text, got a nil; write: kaa.shared.get("count")' },
      { "kaa.store.get ''", "kaa.store.get: a key of 0 bytes; write a text of 1 to 256" },
      { "kaa.store.get '\\xff'", "kaa.store.get: the key is no text of UTF-8" },
      { "kaa.store.set('a', ('v'):rep(65535))", "kaa.store.set: 65537 bytes, limit 65536" },
      { "kaa.checkpoint(print)", "kaa.checkpoint: value: a function has no JSON form" },
      { "kaa.resume_after 'rebot'",
        'kaa.resume_after takes "reboot" or "restart", got "rebot", did you mean "reboot"?' },
      { "kaa.resume_after()",
        'kaa.resume_after takes "reboot" or "restart", got a nil; ' .. right },
      { "kaa.resume_after('reboot', 1, { within_s = 0 })",
        "kaa.resume_after: within_s: expected seconds from 1 to 86400; " .. right },
      { "kaa.resume_after('reboot', 1, { within = 3 })",
        'kaa.resume_after has no option "within", did you mean "within_s"?' },
      { "kaa.resume_after 'reboot' kaa.checkpoint(1)",
        "kaa.checkpoint after kaa.resume_after, which has its own saved: " .. right },
    }
    for _, case in ipairs(cases) do
      local device = device_of("return { resume = print, run = function() " .. case[1] .. " end }")
      assert.same({ 500, "park.lua:1: " .. case[2] }, { device:command() })
    end
    assert.same({ 500, "park.lua:1: kaa.resume_after needs a resume function: return { run = …, "
      .. resume .. " }" }, { device_of("return function() kaa.resume_after 'reboot' end"):command() })
    assert.has_error(function()
      device_of "kaa.store.get 'a' return print"
    end, "kaa.store.get acts: call it in run, not while the file loads")
    assert.same({ false,
      "park.lua:1: kaa.checkpoint is for a command: call it in run or resume, not in tick" },
      { device_of("return { every_s = 1, tick = function() kaa.checkpoint(1) end }"):tick() })
  end)

  it("waits for a restart and resumes", function()
    local source = [[return { run = function(c)
        assert(kaa.resume_after("reboot", { n = 1 }))
        if c.payload == "fail" then kaa.fail(409, "Busy") end
        if c.payload == "nil" then return nil, "no power" end
        return 503
      end, resume = function(c, saved, away)
        if saved.n < 2 then kaa.resume_after("restart", { n = saved.n + 1 }) return end
        return 200, nil, { c.id, saved, away } end }]]
    local device = device_of(source)
    assert.is_nil((device:command()))
    assert.equal("reboot", device.waiting)
    assert.is_nil((device:resume()))
    assert.equal("restart", device.waiting)
    assert.same({ 200, "OK", { 1, { n = 2 }, { s = 3.5 } } }, { device:resume(3.5) })
    assert.is_nil(device.waiting)
    assert.same({ 409, "Busy" }, { device:command "fail" })
    assert.is_nil(device.waiting)
    assert.same({ 500, "no power" }, { device:command "nil" })
    assert.has_error(function()
      device_of("return print"):resume()
    end, "park.lua has no resume, or no command yet; write: device:command()")
  end)

  it("cancels a command, which hears of it once and may clean up", function()
    local device = device_of([[return { needs = { "exec" }, run = function(c)
        local slept, message = kaa.sleep(10)
        local again = kaa.sleep(1)
        local ran = kaa.exec { "/bin/true" }
        return 409, "Busy", { slept = slept, message = message, again = again, ran = ran ~= nil,
          cancelled = kaa.cancelled() }
      end }]], { exec = function() return {} end, now = 100.0 })
    assert.same({ 409, "Busy", { slept = true, again = true, ran = true, cancelled = false } },
      { device:command() })
    device:cancel(4)
    device.now = 100.0
    assert.same({ 499, "Cancelled", { message = "cancelled", again = true, ran = true, cancelled = true } },
      { device:command() })
    assert.equal(105.0, device.now)
    assert.equal(409, (device:command())) -- it was for the one
    device:cancel(3600)
    assert.equal(409, (device:command())) -- which ended before
  end)

  it("cancels a command from within, and ends what it executes", function()
    local device
    device = device_of([[return { needs = { "exec" }, run = function()
        kaa.resume_after("restart")
        local _, message = kaa.exec { "/bin/sleep", "50" }
        return 200, "OK", message
      end, resume = print }]], { exec = function() device:cancel() return {} end })
    assert.same({ 499, "Cancelled", "cancelled" }, { device:command() })
    assert.is_nil(device.waiting)
  end)

  it("keeps the progress of a command, and refuses what is none", function()
    local device = device_of "return function(c) kaa.progress(40, 'erasing') kaa.progress(nil, 'x') kaa.progress(0) end"
    device:command()
    assert.same({ { percent = 40, text = "erasing" }, { text = "x" }, { percent = 0 } }, device.progress)
    local right = 'write: kaa.progress(40, "erasing")'
    local cases = {
      [""] = " takes a percentage, a text, or both; " .. right,
      ["'a'"] = " takes a percentage, got a string; " .. right,
      ["101"] = " takes a percentage from 0 to 100, got 101; " .. right,
      ["1, 2"] = ": the text is a number; " .. right,
      ["1, ('x'):rep(257)"] = ": a text of 257 bytes, limit 256",
      ["1, 'a\\nb'"] = ": the text is not one printable line of UTF-8",
    }
    for call, message in pairs(cases) do
      assert.same({ 500, "park.lua:2: kaa.progress" .. message },
        { answer_of("kaa.progress(" .. call .. ")") })
    end
    assert.same({ false, "park.lua:1: kaa.progress is for a command: call it in run or resume, not in tick" },
      { device_of("return { every_s = 1, tick = function() kaa.progress(1) end }"):tick() })
  end)
end)
