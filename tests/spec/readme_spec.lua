local config = require "kaa.config"
local jsontext = require "kaa.testing.jsontext"
local testing = require "kaa.testing"
local values = require "kaa.values"

local README = "lua/README.md"

local CONFIGURATION = "/etc/kaalua/kaalua.lua"

local BUILD = os.getenv "KAALUA_BUILD" or "build-test"

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

--- The fenced Lua blocks that begin with a file's name, by that name; and the configuration.
local function examples()
  local text, found, names = read(README), {}, {}
  for block in text:gmatch "\n```lua\n(.-)\n```\n" do
    local name = block:match "^%-%- (handlers/[%w_/-]+%.lua)" or block:match "^%-%- (/%S+)\n"
    assert(name, "a block does not begin with its file's name: " .. block:sub(1, 40))
    assert(not found[name], name .. " is there twice")
    found[name] = block .. "\n"
    if name ~= CONFIGURATION then
      names[#names + 1] = name
    end
  end
  return found, names
end

local function read_all(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "a"
  return output, pipe:close()
end

-- A handler that answers with the names of all functions and values that it finds in kaa, io, os.
local LISTING = [[
return function()
  local names = {}
  local function walk(map, prefix)
    for key, value in pairs(map) do
      if type(value) == "table" then
        walk(value, prefix .. key .. ".")
      else
        names[#names + 1] = prefix .. key
      end
    end
  end
  walk(kaa, "kaa.")
  walk(io, "io.")
  walk(os, "os.")
  return 200, "OK", table.concat(names, " ")
end
]]

local SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" -- of "hello\n"

-- What the README says of its examples: payload → status, reason, payload.
local ANSWERS = {
  hello = { { { name = "you" }, 200, "OK", "hello you" }, { nil, 200, "OK", "hello world" } },
  pump = {
    { 3, 200, "OK", { speed = 3 } }, { "fast", 400, "expected a speed, as in 3" },
    { 11, 422, "Too fast", { highest = 10 } },
  },
  light = {
    { { name = "none" }, 404, true },
    { { nmae = "x", level = 300, name = "x" }, 400,
      'level: expected integer from 0 to 255, got 300; nmae: unknown field, did you mean "name"?' },
    { nil, 400, 'name: missing, expected string that matches "^[%w_-]+$"' },
  },
  measure = { { nil, 200, "OK" } },
  install = { { "north", 200, "OK" } },
  climate = { { nil, 501, "No handler for climate: climate.lua only ticks" } },
  blink = { { nil, 200, "OK", true } },
  disk = { { nil, 200, "OK", { free_kb = 40 } } },
  barrier = { { nil, 200, "OK" } },
  ["read-meter"] = { { nil, 200, "OK", { endpoint = "test-endpoint" } } },
  ["update-rules"] = {
    { { sha256 = SHA256 }, 200, "OK", { bytes = 6 } },
    { { sha256 = ("0"):rep(64) }, 502, true },
  },
  weather = { { nil, 200, "OK", { celsius = -3.5 } } },
  freezer = { { 14, 200, "OK", { celsius = -10.0 } } },
  folder = { { "/etc", 200, "OK", true } },
  tank = { { { level = 3 }, 200, "OK" }, { { level = 6 }, 200, "OK" }, { {}, 400, true } },
  maintenance = {
    { "on", 200, "OK", { before = false } }, { "off", 200, "OK", { before = false } },
  },
  memory = { { nil, 200, "OK", true } },
  greeting = { { "hello", 200, "OK" } },
  ["print-label"] = { { "Box 7", 200, "OK" } },
  network = { { nil, 200, "OK", { names = { "lo", "eth0" }, online = false } } },
  valve = { { 3, 200, "OK" } },
  count = { { nil, 200, "OK", 1 } },
  sum = { { 4, 200, "OK", { sum = 10 } } },
  rinse = { { { seconds = 3 }, 200, "OK", { rinsed_s = 3 } }, { { seconds = 0 }, 400, true } },
  fill = { { { slots = 3 }, 200, "OK", { filled = 3 } }, { nil, 400, true } },
  ["restart-machine"] = { { "new kernel", nil, nil } },
  parse = {
    { "[1]", 200, "OK", { value = { 1 }, list = {}, nothing = values.null, again = "[1]" } },
    { "[", 422, true },
  },
}

-- Those that need nothing of the device: they are run in earnest, too.
local IN_EARNEST = { "hello", "pump", "measure", "install", "count", "sum", "fill", "parse",
  "freezer", "folder", "tank", "maintenance", "memory" }

local OPTIONS = {
  disk = { exec = { ["/usr/bin/df -k /"] = { stdout = "Filesystem\n/dev/sda1 100 60 40 60% /\n" } } },
  barrier = { exec = { ["/usr/bin/gpioset gpiochip0 17=1"] = {} } },
  ["update-rules"] = { http = {
    ["GET https://updates.example.org/rules.json"] = { body = "hello\n" } } },
  weather = { settings = { key = "k1" }, http = {
    ["GET https://api.example.org/now?place=north"] = { body = '{"temperature":-3.5}' } } },
  network = { exec = {
    ["/bin/sh -c ip -brief address"] = { stdout = "lo UNKNOWN\neth0 UP\n" },
    ["/bin/sh -c ping -c 1 -W 2 192.0.2.1 >/dev/null"] = { code = 1 } } },
  ["print-label"] = { exec = function() return {} end },
  greeting = {}, valve = {},
  rinse = { exec = { ["/usr/bin/gpioset gpiochip0 4=1"] = {}, ["/usr/bin/gpioset gpiochip0 4=0"] = {} } },
  ["restart-machine"] = { exec = { ["/usr/bin/systemctl reboot"] = {} } },
}

describe("lua/README.md", function()
  local directory, found, names

  setup(function()
    found, names = examples()
    directory = os.tmpname()
    assert(os.remove(directory) and os.execute(("mkdir '%s'"):format(directory)))
    assert(os.execute(("cd '%s' && mkdir -p handlers/spec handlers/lib var/tmp dev"):format(directory)))
    for _, type in ipairs { "greeting", "update-rules", "valve" } do
      OPTIONS[type].root = directory
    end
    for _, name in ipairs(names) do
      local file = assert(io.open(directory .. "/" .. name, "w"))
      file:write(found[name])
      file:close()
    end
  end)

  teardown(function()
    os.execute(("rm -r '%s'"):format(directory))
  end)

  it("has examples whose contract holds, and that answer as it says", function()
    local handlers = 0
    for _, name in ipairs(names) do
      local type = name:match "^handlers/([%w_-]+)%.lua$"
      for index, case in ipairs(type and (ANSWERS[type] or { {} }) or {}) do
        local device = testing.device(directory .. "/" .. name, OPTIONS[type])
        local status, reason, payload = device:command(case[1])
        local shown = ("%s, case %d: %s %s"):format(type, index, status, reason)
        assert.is_table(ANSWERS[type], type .. " has no case here")
        assert.equal(case[2], status, shown)
        assert.is_true(case[3] == true or case[3] == reason, shown)
        if case[4] ~= true then
          assert.same(case[4], payload)
        end
      end
      handlers = handlers + (type and 1 or 0)
    end
    assert.equal(27, handlers)
  end)

  it("has files that the agent's own check takes as they are", function()
    local output, passed = read_all(("'%s/kaalua' check '%s/handlers'"):format(BUILD, directory))
    assert.is_true(passed, output)
    assert.matches("^%d+ handlers, no faults", output)
  end)

  it("has examples that answer so with kaalua call", function()
    for _, type in ipairs(IN_EARNEST) do
      for index, case in ipairs(ANSWERS[type]) do
        local payload = case[1] ~= nil and jsontext.encode(case[1]) or ""
        local output = read_all(("('%s/kaalua' call %s %s --json --handlers '%s/handlers' 2>/dev/null)")
          :format(BUILD, type, payload ~= "" and "'" .. payload .. "'" or "", directory))
        local answer = assert(jsontext.decode(output), output)
        local shown = ("%s, case %d: %s"):format(type, index, output)
        assert.equal(case[2], answer.statusCode, shown)
        assert.is_true(case[3] == true or case[3] == answer.reasonPhrase, shown)
        assert.same(case[4] ~= true and case[4] or answer.payload, answer.payload, shown)
      end
    end
  end)

  it("has an example for each call of kaa, and names what there is of io and os", function()
    local written, seen = {}, 0
    for _, name in ipairs(names) do
      written[#written + 1] = found[name]:gsub("%-%-[^\n]*", "")
    end
    local examples_text, page = table.concat(written), read(README)
    local listing = directory .. "/listing"
    assert(os.execute(("mkdir '%s'"):format(listing)))
    local file = assert(io.open(listing .. "/list.lua", "w"))
    file:write(LISTING)
    file:close()
    local output = read_all(("'%s/kaalua' call list --handlers '%s'"):format(BUILD, listing))
    for name in assert(output:match '^200 OK\n"(.*)"', output):gmatch "%S+" do
      local place = name:find "^kaa%." and examples_text or page
      local pattern = name:gsub("%.", "%%.") .. "%f[^%w_.]"
      assert.is_truthy(place:find(pattern), name .. " is not in " .. README)
      seen = seen + 1
    end
    for _, name in ipairs { "settings", "endpoint" } do
      assert.is_truthy(examples_text:find("kaa%." .. name .. "%f[^%w_]"))
    end
    assert.is_true(seen >= 45, seen .. " names: " .. output)
  end)

  it("writes files and lines as it shows", function()
    assert.equal("hello\n", read(directory .. "/var/tmp/greeting"))
    assert.equal("V3\n", read(directory .. "/dev/ttyS1"))
    local device = testing.device(directory .. "/handlers/greeting.lua", { root = directory })
    assert.same({ 200, "OK" }, { device:command() })
    assert.same({ 500, "/var/tmp/greeting: No such file or directory" }, { device:command() })
    device = testing.device(directory .. "/handlers/print-label.lua", OPTIONS["print-label"])
    device:command "Box 7"
    assert.is_nil(io.open(device.executed[1][2]))
  end)

  it("warns of an empty tank, and keeps for all types that there is maintenance", function()
    local device = testing.device(directory .. "/handlers/tank.lua")
    device:command { level = 3 }
    assert.same({ level = "error", message = "the tank of test-endpoint is empty" }, device.logged[1])
    device = testing.device(directory .. "/handlers/maintenance.lua", { now = 7 })
    device:command "on"
    assert.same({ { maintenance = true }, { since = 7 } }, { device.shared, device.store })
    assert.same({ before = true }, select(3, device:command "off"))
    assert.same({ {}, {} }, { device.shared, device.store })
  end)

  it("counts on from what is kept, and takes a read that fails for no 0", function()
    local device = testing.device(directory .. "/handlers/count.lua", { store = { count = 6 } })
    assert.same({ 200, "OK", 7 }, { device:command() })
    local store = device.kaa.store
    device.kaa.store = { set = store.set, get = function() return nil, "the disk fails" end }
    assert.same({ 503, "the disk fails" }, { device:command() })
    assert.equal(7, device.store.count)
  end)

  it("has a configuration whose ceiling its handlers stay below, but for one", function()
    local source = found[CONFIGURATION]
    local checked, faults = config.check(assert(load(source))(), source)
    assert.is_nil(faults)
    local limits = checked.ceiling
    for type in pairs(limits.handlers) do
      testing.device(("%s/handlers/%s.lua"):format(directory, type), { ceiling = limits.handlers[type] })
    end
    assert.error_matches(function()
      testing.device(directory .. "/handlers/disk.lua", { ceiling = limits.all })
    end, 'needs.exec: "exec" is more than the configuration allows')
  end)

  it("sends the samples that it shows", function()
    local device = testing.device(directory .. "/handlers/measure.lua")
    device:command()
    assert.same({ { temperature = 21.5, door = "open" }, { fuelLevel = 1 }, { fuelLevel = 2 } }, device.samples)
  end)

  it("sets the metadata that it shows", function()
    local device = testing.device(directory .. "/handlers/install.lua", { now = 1000.9 })
    device:command "north"
    assert.same({ site = "north", installed_at = 1000 }, device.metadata)
  end)

  it("ticks as it shows", function()
    local zone = directory .. "/sys/class/thermal/thermal_zone0"
    assert(os.execute(("mkdir -p '%s' && echo 21500 >'%s/temp'"):format(zone, zone)))
    local device = testing.device(directory .. "/handlers/climate.lua", { root = directory })
    assert.equal(60, device.contract.every_s)
    assert.same({ true }, { device:tick() })
    assert.same({ { temperature = 21.5 } }, device.samples)
  end)

  it("counts on from what is stored", function()
    local device = testing.device(directory .. "/handlers/count.lua", { store = { count = 41 } })
    assert.same({ 200, "OK", 42 }, { device:command() })
    assert.same({ 200, "OK", 43 }, { device:command() })
    assert.same({ count = 43 }, device.store)
  end)

  it("goes on filling where it was interrupted", function()
    local device = testing.device(directory .. "/handlers/fill.lua")
    device:command { slots = 3 }
    assert.same({ next = 4, to = 3 }, device.saved)
    device.saved, device.logged = { next = 3, to = 4 }, {}
    assert.same({ 200, "OK", { filled = 4 } }, { device:resume(1) })
    assert.same({ "filling 3", "filling 4" },
      { device.logged[1].message, device.logged[2].message })
    assert.equal(2, #device.logged)
  end)

  it("has a barrier that does not move late, and a machine that resumes", function()
    local device = testing.device(directory .. "/handlers/barrier.lua")
    assert.equal(10, device.contract.max_age_s)
    device = testing.device(directory .. "/handlers/restart-machine.lua")
    assert.equal("resume", device.contract.on_interrupt)
  end)

  it("reads four meters at the same time, each in order", function()
    local device = testing.device(directory .. "/handlers/read-meter.lua")
    assert.same({ 4, true }, { device.contract.workers, device.contract.ordered })
  end)

  it("blinks as long as it says", function()
    local device = testing.device(directory .. "/handlers/blink.lua")
    local took_ms = select(3, device:command()).took_ms
    assert.is_true(took_ms == 600 or took_ms == 599)
    assert.same({ level = "info", message = "blinked for test-endpoint" }, device.logged[4])
  end)

  it("stops where it is cancelled, and says how far it is", function()
    local device = testing.device(directory .. "/handlers/sum.lua")
    device:cancel()
    assert.same({ 499, "Cancelled", { so_far = 0 } }, { device:command(4) })
    assert.same({}, device.progress)
    assert.same({ 200, "OK", { sum = 10 } }, { device:command(4) })
    assert.same({ 25.0, 50.0, 75.0, 100.0 }, { device.progress[1].percent, device.progress[2].percent,
      device.progress[3].percent, device.progress[4].percent })
  end)

  it("has specs that pass, run as it says", function()
    local root = assert(read_all "pwd"):match "^[^\n]+"
    local output, passed = read_all(("cd '%s' && lua5.4 /usr/bin/busted --lpath='%s/lua/?.lua' handlers/spec")
      :format(directory, root))
    assert.is_true(passed, output)
    assert.matches("8 successes / 0 failures / 0 errors", output, 1, true)
  end)
end)
