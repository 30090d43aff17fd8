-- What handlers may do: `needs` within the configuration's ceiling, and what `kaalua check
-- --needs` says of it.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local Agent = world.Agent
local folder = world.folder

-- A handler of each kind.
local WRITES = "return { needs = { 'write' }, run = function(c)"
  .. " local file, message = io.open(c.payload, 'w')"
  .. " if file then file:write 'x' end return file and 200 or 403, message end }"
local RUNS = "return { needs = { exec = { '/bin/echo' } }, run = function()"
  .. " return 200, nil, kaa.exec({ '/bin/echo', 'ran' }).stdout end }"
local HARMLESS = "return function() end"

local function folder_with(handlers, config)
  local path = world.folder_for "needs"
  for name, source in pairs(handlers) do
    folder.write(("%s/%s.lua"):format(path, name), source)
  end
  local file = folder.write(world.folder_for "config" .. "/kaalua.lua", config or "return {}")
  return path, file
end

local function kaalua(...)
  return world.process.run(Agent.program, { ... }, nil, 60)
end

local function call(handlers, config, type, payload)
  local path, file = folder_with(handlers, config)
  local _, out, err = kaalua("call", type, payload or "null", "--handlers", path, "--config", file)
  return out:gsub("\n$", ""), err
end

describe("the ceiling of the configuration", function()
  after_each(world.clear)

  it("lets handlers do what lies within, and refuses the files that need more", function()
    local more = " is more than the configuration allows"
    local cases = {
      { "{}", '200 OK\n"ran\\n"' },
      { "{ ceiling = { all = { 'exec' } } }", '200 OK\n"ran\\n"' },
      { "{ ceiling = { all = { exec = { '/bin/echo' } } } }", '200 OK\n"ran\\n"' },
      { "{ ceiling = { all = { 'write' } } }", '503 runs.lua:1: needs.exec: "exec"' .. more .. " (write)" },
      { "{ ceiling = { all = { exec = { '/bin/true' } } } }",
        '503 runs.lua:1: needs.exec[1]: "/bin/echo"' .. more .. ' (exec = { "/bin/true" })' },
      { "{ ceiling = { handlers = { other = {} } } }", '200 OK\n"ran\\n"' },
      { "{ ceiling = { handlers = { runs = {} } } }",
        '503 runs.lua:1: needs.exec: "exec"' .. more .. " (nothing)" },
    }
    for _, case in ipairs(cases) do
      assert.are.equal(case[2], (call({ runs = RUNS }, "return " .. case[1], "runs")), case[1])
    end
  end)

  it("of one handler takes the place of the one for all, also where it is higher", function()
    local handlers = { runs = RUNS, writes = WRITES }
    local config = "return { ceiling = { all = {}, handlers = { runs = true } } }"
    assert.are.equal('200 OK\n"ran\\n"', (call(handlers, config, "runs")))
    assert.are.equal('503 writes.lua:1: needs[1]: "write" is more than the configuration allows (nothing)',
      (call(handlers, config, "writes")))
    config = "return { ceiling = { all = { 'exec' }, handlers = { runs = { 'write' } } } }"
    assert.is_truthy(call(handlers, config, "runs"):find "^503 ")
  end)

  it("names the narrowed form to write where a handler wants all of a capability", function()
    local said = call({ writes = WRITES }, "return { ceiling = { all = { write = { '/srv' } } } }", "writes")
    assert.are.equal('503 writes.lua:1: needs[1]: "write" is more than the configuration allows; '
      .. 'write: write = { "/srv" }', said)
  end)

  it("holds where a link leads out of its directories", function()
    local place = assert(uv.fs_realpath(world.folder_for "place"))
    for _, name in ipairs { "in", "out" } do
      folder.make(place .. "/" .. name)
    end
    folder.make(place .. "/in/plain")
    folder.write(place .. "/out/kept", "kept")
    assert(uv.fs_symlink(place .. "/out", place .. "/in/link"))
    local source = ("return { needs = { write = { %q, %q } }, run = function(c)"
      .. " local file, message = io.open(c.payload, 'w') if file then file:close() end"
      .. " local removed, why = os.remove(%q)"
      .. " return 200, nil, { file and 'written' or message, removed and 'removed' or why } end }")
      :format(place .. "/in/plain", place .. "/in/link", place .. "/out/kept")
    local config = ("return { ceiling = { all = { write = { %q } } } }"):format(place .. "/in")
    local function written(path)
      local out = call({ tries = source }, config, "tries", cjson.encode(path))
      return table.unpack(cjson.decode((assert(out:match "^200 OK\n(.*)$", out))))
    end
    local beyond = ": outside the directories of the configuration's ceiling"
    local opened, removed = written(place .. "/in/plain/new")
    assert.are.equal("written", opened)
    assert.are.equal(place .. "/out/kept" .. beyond, removed)
    assert.are.equal(place .. "/in/link/new" .. beyond, (written(place .. "/in/link/new")))
    assert.are.equal("kept", folder.read(place .. "/out/kept"))
    assert.is_nil(folder.read(place .. "/out/new"))
  end)

  it("is kept by the kernel, where that has Landlock, past the Lua environment", function()
    local place = assert(uv.fs_realpath(world.folder_for "place"))
    folder.make(place .. "/in")
    folder.make(place .. "/out")
    assert(uv.fs_symlink(place .. "/out", place .. "/in/link"))
    local source = ("return { needs = { 'native', write = { %q } }, run = function()"
      .. " local uv = require 'luv' local file, message, name = uv.fs_open(%q, 'w', 420)"
      .. " return 200, file and 'written' or name end }"):format(place .. "/in/link", place .. "/in/link/new")
    local function tries(limit)
      return (call({ tries = source }, ("return { ceiling = { all = { 'native', write = %s } } }"):format(limit), "tries"))
    end
    local path, file = folder_with {}
    local _, out = kaalua("check", path, "--config", file, "--needs", "--json")
    if cjson.decode(out).needs.confinement.landlock == 0 then
      pending "this kernel has no Landlock"
    end
    assert.are.equal("200 written", tries(("{ %q }"):format(place)))
    assert(os.remove(place .. "/out/new"))
    assert.are.equal("200 EACCES", tries(("{ %q }"):format(place .. "/in")))
    assert.is_nil(folder.read(place .. "/out/new"))
  end)

  it("is obeyed by the running agent, and by files that ran under another one", function()
    local agent, platform = world.connected { handlers = { runs = RUNS, none = HARMLESS } }
    assert.are.equal("ran\n", platform:call("runs", 1).payload)
    agent:stop()
    local lower = world.agent {
      url = agent.options.url, handlers = { runs = RUNS, none = HARMLESS }, token = "T1",
      config = "return {\n  ceiling = { all = { exec = { '/bin/true' } } },\n}",
    }
    lower:start():await_connected()
    lower:await_log "runs.lua:1: needs.exec%[1%]: .*more than the configuration allows"
    local result = platform:call("runs", 2)
    assert.are.equal(503, result.statusCode)
    assert.are.equal('runs.lua:1: needs.exec[1]: "/bin/echo" is more than the configuration allows '
      .. '(exec = { "/bin/true" })', result.reasonPhrase)
    assert.are.equal(200, platform:call("none", 3).statusCode)
  end)

  it("holds for a last good version that was kept under a higher one", function()
    local agent, platform = world.connected { handlers = { runs = RUNS }, config = "return {}" }
    local function restarted(config)
      agent:stop()
      folder.write(agent.folder .. "/kaalua.lua", config)
      agent:start():await_connected()
    end
    assert.are.equal("ran\n", platform:call("runs", 1).payload)
    agent:save("runs", "return {")
    agent:await_log "runs.lua:1: "
    restarted "return {}"
    assert.are.equal("ran\n", platform:call("runs", 2).payload, "by the last good version")
    restarted "return { ceiling = { all = {} } }"
    assert.are.equal(503, platform:call("runs", 3).statusCode)
    restarted "return { ceiling = { all = { 'exec' } } }"
    assert.are.equal("ran\n", platform:call("runs", 4).payload)
  end)

  it("leaves the last good version in service where a new one needs more", function()
    local agent, platform = world.connected {
      handlers = { none = "return function() return 200, 'first' end" },
      config = "return { ceiling = { all = {} } }",
    }
    assert.are.equal("first", platform:call("none", 1).reasonPhrase)
    agent:save("none", RUNS)
    agent:await_log "none.lua:1: needs.exec"
    assert.are.equal("first", platform:call("none", 2).reasonPhrase)
  end)

  -- Stands in for a worker whose handler has broken out while it was loaded: it says that the
  -- handler may execute everything, and asks for a program.
  local LIAR = [[
    local uv = require "luv"
    local pipe = uv.new_pipe(false)
    pipe:open(3)
    local function send(kind, body)
      pipe:write(string.pack("<I4", #body) .. kind .. body)
    end
    send("L", string.pack("<s4", '{"faults":[],"contract":{"timeout_s":10,"memory_mib":32,'
      .. '"needs":{"exec":true,"write":true},"run":true,"on_interrupt":"report","resume":false}}'))
    local bytes, job = "", nil
    local function take(kind, body)
      if kind == "C" then
        job = string.unpack("<i8", body)
        send("M", string.pack("<i8", job))
        send("E", string.pack("<I4i8I4s4I1s4i8s4I4i8I1", 1, job, 1, PROGRAM, 0, "", 0, "", 0, 1000, 0))
      elseif kind == "e" then
        local _, failure = string.unpack("<I4s4", body)
        send("F", string.pack("<i8i8s4I1s4s4I1I1", job, 200, failure == "" and "executed" or failure,
          0, "", "", 0, 0))
      end
    end
    pipe:read_start(function(_, data)
      if not data then
        os.exit(0)
      end
      bytes = bytes .. data
      while #bytes >= 5 and #bytes >= 5 + string.unpack("<I4", bytes) do
        local size = string.unpack("<I4", bytes)
        take(bytes:sub(5, 5), bytes:sub(6, 5 + size))
        bytes = bytes:sub(6 + size)
      end
    end)
    uv.run()
  ]]

  -- A build whose second worker, which is the handler's, lies.
  local function lying_build(program)
    local path = world.folder_for "build"
    assert(uv.fs_copyfile(Agent.program, path .. "/kaalua"))
    folder.write(path .. "/liar.lua", ("local PROGRAM = %q\n"):format(program) .. LIAR)
    folder.write(path .. "/kaalua-worker", ([[
#!/bin/sh
if [ "$1" = lua ] && [ -e BUILD/configured ]; then exec lua5.4 BUILD/liar.lua; fi
[ "$1" = lua ] && : > BUILD/configured
exec WORKER "$@"
]]):gsub("BUILD", path):gsub("WORKER", (assert(uv.fs_realpath(Agent.worker)))))
    assert(uv.fs_chmod(path .. "/kaalua-worker", 493)) -- 0755
    return path .. "/kaalua"
  end

  it("is kept by the host itself, whatever a worker reports", function()
    local cases = {
      { "{ exec = { '/bin/echo' } }", "/bin/touch",
        "/bin/touch: not among the programs that needs.exec names" },
      { "{ 'write' }", "/bin/echo", "/bin/echo: not among the programs that needs.exec names" },
      { "{ exec = { '/bin/echo' } }", "/bin/echo", "executed" },
      { "true", "/bin/echo", "executed" },
    }
    for _, case in ipairs(cases) do
      local path, file = folder_with({ lies = HARMLESS },
        ("return { ceiling = { all = %s } }"):format(case[1]))
      local _, out, err = world.process.run(lying_build(case[2]),
        { "call", "lies", "--handlers", path, "--config", file }, nil, 60)
      assert.are.equal("200 " .. case[3] .. "\n", out, err)
    end
  end)
end)

describe("kaalua check", function()
  after_each(world.clear)

  -- The lines of a text, at most 80 columns each.
  local function assert_narrow(out)
    for line in out:gmatch "[^\n]+" do
      assert.is_true(utf8.len(line) <= 80, line)
    end
  end

  local function check(handlers, config, ...)
    local path, file = folder_with(handlers, config)
    local status, out, err = kaalua("check", path, "--config", file, ...)
    assert.are.equal("", err)
    if select(1, ...) == "--needs" and not select(2, ...) then
      if status == 0 then -- faults are as long as they are
        assert_narrow(out)
      end
      local count
      repeat -- a long path goes on in the next line
        out, count = out:gsub("(%f[%w]%w+ +/%S*)\n" .. (" "):rep(13), "%1")
      until count == 0
    end
    return status, (out:gsub("/tmp/[^ ]*/needs/", "DIR/"):gsub("/tmp/[^ ]*/config/", "CONF/")), path
  end

  local function section(out)
    return (out:gsub("\nrun as .*", "\n"))
  end

  it("--needs shows who may do what, and the ceiling", function()
    local status, out = check({
      echoes = RUNS, writes = WRITES, a = HARMLESS, b = HARMLESS,
      open = "return {\n  summary = 'x',\n  needs = { 'exec', 'net', 'native', write = { '/', '/tmp' } },\n"
        .. "  run = print }",
    }, "return {\n  ceiling = { all = true, handlers = {\n    writes = { 'write', exec = { '/bin/echo' } } } },\n}",
      "--needs")
    assert.are.equal(table.concat({
      "echoes       DIR/echoes.lua:1", "  exec       /bin/echo",
      "open         DIR/open.lua:3", "  exec       every program", "  native     every installed module",
      "  net        every host", "  write      /, /tmp",
      "writes       DIR/writes.lua:1", "  write      every file but the agent's own",
      "no needs     a, b", "",
      "ceiling      CONF/kaalua.lua:2", "  all        everything",
      "  writes     exec /bin/echo; write every file but the agent's own", "",
    }, "\n"), section(out))
    assert.is_truthy(out:find("\n5 handlers, no faults\n$"), out)
    assert.are.equal(0, status)
  end)

  it("--needs says where there is no ceiling, and shows whose file has faults", function()
    local status, out = check({ a = HARMLESS, broken = "return {", runs = RUNS },
      "return { ceiling = { all = {} } }", "--needs")
    assert.are.equal(1, status)
    assert.is_truthy(out:find("^no needs     a\nfaulty       broken, runs\n\nceiling      CONF/kaalua.lua:1\n"
      .. "  all        nothing\n"), out)
    assert.is_truthy(out:find('DIR/runs.lua:1: needs.exec: "exec" is more than', 1, true), out)
    status, out = check({ a = HARMLESS }, "return {}", "--needs")
    assert.are.equal(0, status)
    assert.is_truthy(out:find("\nceiling      none: a handler is granted all that its needs name\n", 1, true))
  end)

  it("--needs says nothing of handlers under a configuration that has faults", function()
    local status, out = check({ runs = RUNS }, "return { ceiling = { 'exec' } }", "--needs")
    assert.are.equal(2, status)
    assert.is_nil(out:find("no faults", 1, true))
    assert.is_nil(out:find("ceiling      ", 1, true))
    assert.is_truthy(out:find 'CONF/kaalua%.lua:1: ceiling%[1%]: .*write: ceiling = { all = { "exec" } }', out)
  end)

  it("--needs warns of programs that are not there, or that others can replace", function()
    local place = assert(uv.fs_realpath(world.folder_for "programs"))
    local function program(name, mode)
      folder.write(place .. "/" .. name, "#!/bin/sh\n")
      assert(uv.fs_chmod(place .. "/" .. name, mode))
      return place .. "/" .. name
    end
    folder.make(place .. "/open")
    local good, open = program("good", 493), program("open/tool", 493) -- 0755
    local loose, plain = program("loose", 511), program("plain", 420) -- 0777, 0644
    assert(uv.fs_chmod(place .. "/open", 511))
    assert(uv.fs_symlink(loose, place .. "/link"))
    local source = ("return { needs = { exec = { %q, %q, %q, %q, %q, %q }, write = { %q, '/nonexistent' } },"
      .. " run = print }"):format(good, open, loose, plain, place .. "/link", "/nonexistent/x", place .. "/open")
    local path, file = folder_with { runs = source }
    local status, out = kaalua("check", path, "--config", file, "--needs", "--json")
    assert.are.equal(0, status, "warnings are no faults")
    local why = "; whoever can write it decides what runs as the agent; mend it with: chmod o-w "
    local messages = {}
    for index, warning in ipairs(cjson.decode(out).needs.warnings) do
      assert.are.same({ path .. "/runs.lua", 1 }, { warning.file, warning.line })
      messages[index] = warning.message
    end
    assert.are.same({
      ("needs.exec: %s/open: writable by everybody%s%s/open"):format(place, why, place),
      ("needs.exec: %s: writable by everybody%s%s"):format(loose, why, loose),
      ("needs.exec: %s: no program that could be executed"):format(plain),
      ("needs.exec: %s/link: writable by everybody%s%s/link"):format(place, why, place),
      "needs.exec: /nonexistent/x: No such file or directory",
      "needs.write: /nonexistent: there is no such file or directory",
      ("needs.write: %s/open: %s, which runs may execute, lies there; it could be replaced")
        :format(place, open),
    }, messages)
    local _, shown = kaalua("check", path, "--config", file, "--needs")
    assert.is_truthy(shown:find("\nwarning      ", 1, true))
  end)

  it("--needs tells what this machine does not enforce, and all as one document", function()
    local path, file = folder_with({ runs = RUNS, a = HARMLESS, broken = "return {" },
      "return {\n\n  ceiling = { handlers = { runs = { 'exec' } } } }")
    local status, out = kaalua("check", path, "--config", file, "--needs", "--json")
    local document = cjson.decode(out)
    assert.are.equal(1, status)
    assert.are.equal(3, document.handlers)
    assert.are.equal(1, #document.faults)
    local needs = document.needs
    assert.are.same({
      { type = "a", file = path .. "/a.lua", needs = {} },
      { type = "broken", file = path .. "/broken.lua" },
      { type = "runs", file = path .. "/runs.lua", line = 1, needs = { exec = { "/bin/echo" } } },
    }, needs.handlers)
    assert.are.same({ file = file, line = 3, handlers = { runs = { exec = true } } }, needs.ceiling)
    assert.are.same({}, needs.warnings)
    assert.are.equal("number", type(needs.confinement.landlock))
    assert.are.equal("boolean", type(needs.confinement.seccomp))
    local _, shown = kaalua("check", path, "--config", file, "--needs")
    assert.is_truthy(shown:find("\nrun as       " .. needs.confinement.user, 1, true), shown)
    assert.is_truthy(shown:find("\nnot enforced ", 1, true), shown)
    for _, missing in ipairs(needs.confinement.missing) do
      assert.is_truthy(shown:gsub("%s+", " "):find(missing, 1, true), missing)
    end
  end)

  it("shows each kind of fault at its line, with a caret under it", function()
    local _, out = check({
      light = "return {\n\tneeds = { 'wirte' },\n  settings = { pin = { type = 'integer', mix = 1 } },\n"
        .. "  params = { x = { type = 'string', pattern = '[a' } },\n  run = print,\n}",
      syntax = "return function()\n  local é = 'x' return 200,\nend",
      raises = "local a\nlocal b = a.x\nreturn print",
      wide = "return {\n  summary = '" .. ("x"):rep(90) .. "', timeout = 3,\n  run = print }",
      park = "return { settings = { slots = { type = 'integer', required = true },\n"
        .. "  taken = { type = 'array', items = { type = 'integer', max = 9 } } }, run = print }",
      none = "return { settings = {}, run = print }",
    }, "return {\n  settings = {\n    park = { taken = { 1,\n      2, 10 } },\n    none = 3,\n  },\n}")
    for _, expected in ipairs {
      "DIR/light.lua:2: needs[1]: unknown capability \"wirte\", did you mean \"write\"?\n"
        .. "   needs = { 'wirte' },\n             ^\n",
      "DIR/light.lua:3: settings.pin.mix: unknown key, did you mean \"min\"?\n"
        .. "    settings = { pin = { type = 'integer', mix = 1 } },\n"
        .. "                                           ^\n",
      "DIR/light.lua:4: params.x.pattern: expected a Lua pattern (a [ is not closed), got \"[a\"\n"
        .. "    params = { x = { type = 'string', pattern = '[a' } },\n"
        .. "                                      ^\n",
      "DIR/raises.lua:2: attempt to index a nil value (local 'a')\n  local b = a.x\n            ^\n",
      "CONF/kaalua.lua:4: settings.park.taken[3]: expected integer of at most 9, got 10\n"
        .. "        2, 10 } },\n           ^\n",
      "CONF/kaalua.lua:3: settings.park.slots: missing, expected integer\n"
        .. "      park = { taken = { 1,\n      ^\n",
      "CONF/kaalua.lua:5: settings.none: expected table, got 3\n      none = 3,\n      ^\n",
    } do
      assert.is_truthy(out:find(expected, 1, true), expected .. "is not in\n" .. out)
    end
    local line, caret = out:match "DIR/wide%.lua:2: timeout[^\n]*\n([^\n]*)\n([^\n]*)\n"
    assert_narrow(line)
    assert.are.equal("timeout", line:sub(utf8.offset(line, #caret), -1):match "^%a+", line)
  end)

  it("shows no escape sequence of a source line, nor a configuration's secret", function()
    local _, out = check({ a = "return { timeout = 3, --\27[31m\n run = print }",
      b = "return { settings = {}, run = print }" },
      "return { token = 's3cret', settings = { b = { x = 1 } } }")
    assert.is_nil(out:find("\27", 1, true))
    assert.is_nil(out:find("s3cret", 1, true), out)
    assert.is_truthy(out:find("CONF/kaalua.lua:1: settings.b.x: unknown field", 1, true), out)
  end)

  it("knows types of the configuration that no file serves", function()
    local path, file = folder_with({ a = HARMLESS, light = HARMLESS },
      "return {\n  url = 'mqtt://h', app_version = 'v', token = 't', handlers = DIR,\n"
        .. "  settings = { a = {},\n    lihgt = {} },\n  ceiling = { handlers = {\n    rebot = {} } } }")
    folder.write(file, (folder.read(file):gsub("DIR", ("%q"):format(path))))
    local status, out = kaalua("check", "--config", file)
    assert.are.equal(1, status)
    assert.are.equal(file .. ":4: settings.lihgt: there is no handler lihgt.lua, did you mean light?\n      lihgt = {} },\n      ^\n"
      .. file .. ":6: ceiling.handlers.rebot: there is no handler rebot.lua\n      rebot = {} } } }\n      ^\n"
      .. "2 faults\n", out)
  end)
end)
