-- The command line without a platform: kaalua call, kaalua check, wrong usage.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local Agent = world.Agent

local HANDLERS = {
  echo = "return function(c) return 200, 'OK', c.payload end",
  none = "return function() end",
  park = "return function() return 409, 'Slot taken', { slot = 3 } end",
  raises = "return function()\n error 'boom'\nend",
  tells = "return function() kaa.telemetry { fuelLevel = 0 } print 'hi' return 200, 'OK' end",
  light = "return function() kaa.metadata { light = 'on', n = 1 } kaa.metadata { n = 2 } end",
  ticks = "return { every_s = 1, tick = function() print 'must not tick' end }",
  loops = "return { timeout_s = 1, run = function()\n while true do end\nend }",
  broken = "return {\n  timeout = 2,\n  run = function() end,\n}\n",
  set = "return { settings = { pin = { type = 'integer', default = 4 } },"
    .. " run = function() return 200, 'OK', kaa.settings.pin end }",
  keeps = "return function() kaa.shared.set('a', 2) kaa.store.set('a', { 1 })"
    .. " kaa.store.set('b', 1) kaa.store.delete 'b' return 200, 'OK', { kaa.store.get('a')[1],"
    .. " kaa.shared.get 'a', kaa.store.get 'b' == nil } end",
  waits = "return { run = function() kaa.checkpoint {} kaa.resume_after 'reboot' end,"
    .. " resume = function() end }",
}

-- A folder with these handlers and what else is given.
local function folder_with(handlers, files)
  local path = world.folder_for "cli"
  for name, source in pairs(handlers) do
    world.folder.write(("%s/%s.lua"):format(path, name), source)
  end
  for name, text in pairs(files or {}) do
    world.folder.write(path .. "/" .. name, text)
  end
  return path
end

local function kaalua(arguments, options)
  return world.process.run(Agent.program, arguments, options, 20)
end

describe("kaalua call", function()
  after_each(world.clear)

  -- {arguments, exit status, standard output}
  local calls = {
    { "a payload", { "echo", '{"name":["you"]}' }, 0, '200 OK\n{"name":["you"]}\n' },
    { "exact numbers", { "echo", "[9007199254740993,3.0,[],{},null]" }, 0,
      "200 OK\n[9007199254740993,3.0,[],{},null]\n" },
    { "no payload", { "none" }, 0, "200 OK\n" },
    { "a negative number", { "echo", "-5" }, 0, "200 OK\n-5\n" },
    { "a refusal", { "park" }, 1, '409 Slot taken\n{"slot":3}\n' },
    { "an error", { "raises" }, 1, "500 raises.lua:2: boom\n" },
    { "a loop", { "loops" }, 1, "504 Timed out after 1 s at loops.lua:2\n" },
    { "a type without a handler", { "nosuch" }, 1, "501 No handler for nosuch\n" },
    { "what is no type", { "../echo" }, 1, "501 No handler for ../echo\n" },
    { "what only ticks", { "ticks" }, 1, "501 No handler for ticks: ticks.lua only ticks\n" },
    { "a default setting", { "set" }, 0, "200 OK\n4\n" },
    { "what it keeps for this one call", { "keeps" }, 0, "200 OK\n[1,2,true]\n" },
    { "what waits for a restart", { "waits" }, 0,
      "It waits for a reboot; the agent would answer it after that.\n" },
  }
  for _, case in ipairs(calls) do
    it("prints and exits for " .. case[1], function()
      local path = folder_with(HANDLERS)
      local arguments = { "call", "--handlers", path, table.unpack(case[2]) }
      local status, out, err = kaalua(arguments)
      assert.are.equal(case[4], out, err)
      assert.are.equal(case[3], status)
    end)
  end

  it("prints one document with --json", function()
    local path = folder_with(HANDLERS)
    local status, out, err = kaalua { "call", "tells", "--json", "--handlers", path }
    local document = cjson.decode(out)
    assert.are.equal(0, status)
    assert.are.equal(200, document.statusCode)
    assert.are.equal("OK", document.reasonPhrase)
    assert.are.equal(0, document.telemetry[1].fuelLevel)
    assert.is_nil(document.payload)
    assert.is_truthy(err:find("hi", 1, true), "print goes to the log")
    local _, one_line = out:gsub("\n", "")
    assert.are.equal(1, one_line)
  end)

  it("shows the metadata, in the log or merged in the document", function()
    local path = folder_with(HANDLERS)
    local _, out, err = kaalua { "call", "light", "--handlers", path }
    assert.are.equal("200 OK\n", out)
    assert.is_truthy(err:find([[light   metadata keys="{\"n\":2}"]], 1, true), err)
    _, out = kaalua { "call", "light", "--json", "--handlers", path }
    assert.are.same({ light = "on", n = 2 }, cjson.decode(out).metadata)
    _, out = kaalua { "call", "none", "--json", "--handlers", path }
    assert.is_truthy(out:find('"metadata":{}', 1, true), out)
  end)

  it("shows the faults of a broken file", function()
    local path = folder_with(HANDLERS)
    local status, out, err = kaalua { "call", "broken", "--handlers", path }
    assert.are.equal(1, status)
    assert.is_truthy(out:find "^503 broken%.lua:2: ", out)
    assert.is_truthy((out .. err):find("  timeout = 2,", 1, true), err)
  end)

  it("takes settings from the configuration", function()
    local path = folder_with(HANDLERS)
    local config = folder_with({}, {
      ["kaalua.lua"] = "return { settings = { set = { pin = 17 } } }",
    })
    local status, out = kaalua {
      "call", "set", "--handlers", path, "--config", config .. "/kaalua.lua",
    }
    assert.are.equal("200 OK\n17\n", out)
    assert.are.equal(0, status)
  end)

  it("refuses a payload that is no JSON, and wrong usage, with 2", function()
    local path = folder_with(HANDLERS)
    for _, arguments in ipairs {
      { "echo", "{name:1}" }, { "echo", "hello" }, { "echo", "1 2" }, {}, { "echo", "1", "2" },
      { "echo", "--nosuch" }, { "echo", "--config", "/nonexistent/kaalua.lua" },
    } do
      local status, out, err = kaalua { "call", "--handlers", path, table.unpack(arguments) }
      assert.are.equal(2, status, table.concat(arguments, " "))
      assert.are.equal("", out)
      assert.are_not.equal("", err)
    end
  end)
end)

describe("kaalua check", function()
  after_each(world.clear)

  it("has no faults to show", function()
    local path = folder_with { a = "return print", b = "return function() end" }
    local status, out, err = kaalua { "check", path }
    assert.are.equal("2 handlers, no faults\n", out, err)
    assert.are.equal(0, status)
  end)

  it("shows every fault with file, line and source", function()
    local path = folder_with {
      good = "return print",
      syntax = "return function()\n  return 200,\nend\n",
      keys = "return {\n  timeout = 2,\n  memory_mib = 'much',\n  run = print,\n}\n",
    }
    local status, out = kaalua { "check", path }
    assert.are.equal(1, status)
    assert.is_truthy(out:find(path .. "/keys.lua:2: ", 1, true), out)
    assert.is_truthy(out:find("\n    timeout = 2,\n", 1, true), out)
    assert.is_truthy(out:find(path .. "/keys.lua:3: ", 1, true), out)
    assert.is_truthy(out:find(path .. "/syntax.lua:3: ", 1, true), out)
    assert.is_truthy(out:find "\n3 faults\n$", out)
  end)

  it("takes a single file, and one that is not there", function()
    local path = folder_with(HANDLERS)
    assert.are.equal(0, (kaalua { "check", path .. "/echo.lua" }))
    assert.are.equal(1, (kaalua { "check", path .. "/broken.lua" }))
    assert.are.equal(1, (kaalua { "check", path .. "/nosuch.lua" }))
  end)

  it("shows the faults of the configuration", function()
    local path = folder_with({}, {
      ["kaalua.lua"] = 'return {\n  url = "ftp://x",\n  tokn = "T1",\n  app_version = "a/b",\n}\n',
    })
    local status, out = kaalua { "check", "--config", path .. "/kaalua.lua" }
    assert.are.equal(2, status)
    for line = 2, 4 do
      assert.is_truthy(out:find(("%s/kaalua.lua:%d: "):format(path, line), 1, true), out)
    end
    assert.is_truthy(out:find('token', 1, true), out)
  end)

  it("shows no secret of a faulty configuration", function()
    local sources = {
      'return { token = "s3cret",\n tokn = "s3cret" }', 'return { token = "s3cret"x }',
      'return { token = "s3cret', 'return { url = "mqtt://u:s3cret@h" }',
      'return { token = "s3cret" .. nil }', 'return { url = "https://h:0/base?apikey=s3cret" }',
      'return { url = "ftp://h#s3cret" }',
    }
    for _, source in ipairs(sources) do
      local path = folder_with({}, { ["agent.lua"] = source })
      for _, verb in ipairs { "check", "run" } do
        local status, out, err = kaalua { verb, "--config", path .. "/agent.lua" }
        assert.are.equal(2, status)
        assert.is_truthy((out .. err):find "agent.lua:%d: ")
        assert.is_nil((out .. err):find("s3cret", 1, true), out .. err)
      end
    end
  end)

  it("shows no secret of a faulty url", function()
    local path = folder_with({}, { ["agent.lua"] = 'return { url = "https://h/base?apikey=s3cret" }' })
    local others = { "--app-version", "a", "--token", "t", "--state", path }
    for _, url in ipairs { "https://h/base?apikey=s3cret", "h?s3cret", "https://h/base#s3cret",
      "https://h:0?s3cret", "mqtt://u:s3cret@h", "s3cret@h?x" } do
      for _, given in ipairs { { "--url", url }, { "--url=" .. url } } do
        local status, out, err = kaalua { "run", table.unpack(table.move(others, 1, #others, #given + 1, given)) }
        assert.are.equal(2, status)
        assert.is_truthy(err:find("url", 1, true), err)
        assert.is_nil((out .. err):find("s3cret", 1, true), out .. err)
      end
    end
    local status, out, err = kaalua { "run", "--config", path .. "/agent.lua" }
    assert.are.equal(2, status)
    assert.is_truthy(err:find('url "https://h/base…": expected https://HOST', 1, true), err)
    assert.is_nil((out .. err):find("s3cret", 1, true), out .. err)
  end)

  it("ends a configuration that loops", function()
    local path = folder_with({}, { ["kaalua.lua"] = "while true do end" })
    local status, out = kaalua { "check", "--config", path .. "/kaalua.lua" }
    assert.are.equal(2, status)
    assert.is_truthy(out:find("kaalua.lua", 1, true), out)
  end)

  it("tries a configuration again whose worker was ended", function()
    local path = folder_with({}, { ["kaalua.lua"] = "while true do end" })
    for _, words in ipairs { { "check" }, { "run" }, { "call", "echo" }, { "status" } } do
      table.insert(words, "--config")
      table.insert(words, path .. "/kaalua.lua")
      local started = world.process.start(Agent.program, words)
      os.execute("kill -KILL " .. setmetatable({ process = started }, Agent):await_worker())
      assert.are.equal(75, started:await_end().code, words[1])
      local said = started.stdout .. started.stderr
      assert.is_truthy(said:find "kaalua%.lua: could not be evaluated.+SIGKILL", said)
    end
  end)

  it("accepts the handlers that come with kaalua", function()
    for _, path in ipairs { "handlers", "examples/tutorial/handlers" } do
      local status, out, err = kaalua { "check", Agent.root .. "/" .. path }
      assert.are.equal(0, status, out .. err)
    end
  end)

  it("prints one document with --json", function()
    local path = folder_with(HANDLERS)
    local status, out = kaalua { "check", "--json", path }
    local document = cjson.decode(out)
    assert.are.equal(1, status)
    assert.are.equal(1, #document.faults)
    assert.are.equal(2, document.faults[1].line)
  end)
end)

describe("kaalua", function()
  after_each(world.clear)

  it("refuses wrong usage with 2 and words", function()
    for _, arguments in ipairs {
      {}, { "nosuch" }, { "run", "--nosuch" }, { "run", "--url" },
      { "run", "--url", "mqtt://127.0.0.1:1", "--handlers", "/tmp" },
      { "run", "--url", "nonsense", "--app-version", "a", "--token", "t", "--handlers", "/tmp",
        "--state", "/nonexistent" },
      { "run", "--url", "mqtt://127.0.0.1:1", "--app-version", "a/b", "--token", "t", "--handlers",
        "/tmp", "--state", "/nonexistent" },
      { "run", "--url", "mqtt://127.0.0.1:1", "--app-version", "a", "--token", "t#", "--handlers",
        "/tmp", "--state", "/nonexistent" },
    } do
      local status, out, err = kaalua(arguments)
      assert.are.equal(2, status, table.concat(arguments, " ") .. "\n" .. err)
      assert.are.equal("", out)
      assert.are_not.equal("", err)
    end
  end)

  it("tells its usage where it is asked for", function()
    local status, out = kaalua { "--help" }
    assert.are.equal(0, status)
    local words = {}
    for word in out:gmatch "\n  kaalua (%S+)" do
      words[#words + 1] = word
      local usage = select(2, kaalua { word, "--help" })
      local before = ("usage: kaalua %s "):format(word)
      assert.equal(before, usage:sub(1, #before))
      for spaces in usage:gmatch "\n( +)" do
        assert.equal(#before, #spaces, usage)
      end
      out = out .. usage
    end
    assert.same({ "run", "call", "check", "status", "handlers", "history", "show", "forget", "reload" },
      words)
    for line in out:gmatch "[^\n]+" do
      assert.is_truthy(utf8.len(line) <= 80, line)
    end
  end)
end)

describe("examples/demo", function()
  after_each(world.clear)

  it("runs to its end and prints real answers", function()
    local build = world.folder_for "build"
    local binaries = assert(uv.fs_realpath(Agent.build))
    for _, name in ipairs { "/kaalua", "/kaalua-worker", "/kaa-local" } do
      assert(uv.fs_symlink(binaries .. name, build .. name))
    end
    local status, out, err = world.process.run(Agent.root .. "/examples/demo", { "--once" },
      { env = { KAALUA_BUILD = build } }, 60)
    assert.are.equal(0, status, out .. err)
    local lines = {}
    for line in out:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    local expected = {
      [1] = "^connected   mqtt://127%.0%.0%.1:%d+   endpoint device%-1",
      [2] = '^reboot      200 OK "Success"  %(simulated%)',
      [3] = "^zero        200 OK            telemetry fuelLevel=0 temperature=0",
      [4] = "^park        409 Slot taken",
      [5] = "^            drops hello%.lua",
      [10] = '^hello       200 OK "hello"    %d+ ms after saving',
      [11] = "^loop        504 Timed out after 2 s at loop%.lua:3      %(zero answered meanwhile%)",
      [12] = "^            breaks hello%.lua",
      [13] = "^hello       hello%.lua:2: 'end' expected %(to close 'function' at line 1%) near",
      [14] = "^            'hello' %(the last good version goes on%)",
      [15] = '^                return 200, "OK, "hello"$',
      [16] = "^" .. (" "):rep(34) .. "%^$",
      [17] = "^hello       200 OK   by the last good version",
      [18] = "^connected   mqtt://",
      [19] = "^door        SIGKILL in mid%-command, restart: effects 1, answers 1",
      [20] = "^            500 Interrupted: the outcome is unknown",
      [21] = "^your turn:  ",
    }
    for number, pattern in pairs(expected) do
      assert.is_truthy(lines[number]:find(pattern), pattern .. " in\n" .. out)
    end
    status, out =
      kaalua { "call", "hello", '{"name":"you"}', "--handlers", build .. "/demo/handlers" }
    assert.are.equal('200 OK\n"hello, you"\n', out)
    assert.are.equal(0, status)
  end)
end)
