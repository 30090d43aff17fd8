local contract = require "kaa.contract"
local null = require("kaa.values").null

--- Checks a handler's source text; returns the contract, or its faults as "line: message".
local function check(source, context)
  context = context or {}
  local checked, faults = contract.check(assert(load(source, "@park.lua"))(), {
    chunk = "park.lua", source = source, type = "park",
    settings = context.settings, ceiling = context.ceiling,
  })
  local lines = {}
  for index, fault in ipairs(faults or {}) do
    lines[index] = (fault.line or "-") .. ": " .. fault.message
  end
  return checked, lines
end

describe("kaa.contract.check", function()
  it("takes a function", function()
    local checked, faults = check "\nreturn function() end"
    assert.same({}, faults)
    assert.is_function(checked.run)
    assert.equal("park.lua:2", checked.place)
    assert.same({ 30, 32, {}, {} },
      { checked.timeout_s, checked.memory_mib, checked.needs, checked.settings })
    assert.is_nil(checked.params)
    assert.is_nil(checked.summary)
  end)

  it("takes a table with all keys", function()
    local checked, faults = check([[
return {
  summary = "Park", timeout_s = 0.1, memory_mib = 64.0, needs = { "write", exec = { "/bin/x" } },
  settings = { slots = { type = "integer", default = 10 }, taken = { type = "array" } },
  params = { slot = { type = "integer" } },
  run = function() end,
}]], { settings = { taken = { 3 } } })
    assert.same({}, faults)
    assert.equal("integer", math.type(checked.memory_mib))
    assert.same({ slots = 10, taken = { 3 } }, checked.settings)
    assert.same({ slot = { type = "integer" } }, checked.params)
    assert.equal("park.lua:5", checked.place)
    assert.same({ summary = "Park", timeout_s = 0.1, memory_mib = 64,
      needs = { write = true, exec = { "/bin/x" } }, needs_line = 2, run = true,
      on_interrupt = "report", resume = false }, contract.describe(checked))
  end)

  it("says what a file should return", function()
    local cases = {
      { "return nil", "nothing" }, { "return 3", "3" }, { "return 'x'", '"x"' }, { "return true", "true" },
      { "return coroutine.create(print)", "a thread" },
    }
    for _, case in ipairs(cases) do
      local _, faults = check(case[1])
      assert.same({ "1: the file returned " .. case[2]
        .. '; write: return function(command) return 200, "OK" end' }, faults)
    end
    local _, faults = check "local x = 1"
    assert.same({ '-: the file returned nothing; write: return function(command) return 200, "OK" end' }, faults)
  end)

  it("names each fault with its line and what would be right", function()
    local write_run = 'run = function(command) return 200, "OK" end'
    local cases = {
      { 'sumary = "x"', 'sumary: unknown key, did you mean "summary"?' },
      { "timeout = 3", 'timeout: unknown key, did you mean "timeout_s"?' },
      { "colour = 3", "colour: unknown key, known: summary, needs, settings, params, timeout_s, memory_mib, "
        .. "max_age_s, workers, ordered, exclusive, on_interrupt, poll_s, every_s, per, tick, run, resume" },
      { "workers = 0", "workers: expected integer from 1 to 64, got 0" },
      { "workers = 65", "workers: expected integer from 1 to 64, got 65" },
      { "workers = 2.5", "workers: expected integer from 1 to 64, got 2.5" },
      { 'ordered = "yes"', 'ordered: expected boolean, got "yes"' },
      { "exclusive = true", 'exclusive: expected a name of letters, digits, "_", "-" and ".", at most '
        .. '64, as in "valves", got true' },
      { 'exclusive = ""', 'exclusive: expected a name of letters, digits, "_", "-" and ".", at most '
        .. '64, as in "valves", got ""' },
      { "max_age_s = 0", "max_age_s: expected number from 0.1 to 2592000, got 0" },
      { "max_age_s = 2592001", "max_age_s: expected number from 0.1 to 2592000, got 2592001" },
      { 'on_interrupt = "again"',
        'on_interrupt: expected one of "report", "retry", "resume", got "again"' },
      { 'on_interrupt = "resume"', 'on_interrupt: "resume" without a resume function; write: '
        .. 'resume = function(command, saved, away) return 200, "OK" end' },
      { "resume = 3", 'resume: expected a function, got 3; write: '
        .. 'resume = function(command, saved, away) return 200, "OK" end' },
      { "print", "[1]: a function without a key; write: " .. write_run },
      { '"x"', "[1]: a string without a key" },
      { "[2.5] = 1", "[2.5]: a number without a key" },
      { "timeout_s = 0", "timeout_s: expected number from 0.1 to 86400, got 0" },
      { "timeout_s = 86401", "timeout_s: expected number from 0.1 to 86400, got 86401" },
      { 'timeout_s = "5"', 'timeout_s: expected number from 0.1 to 86400, got "5"' },
      { "timeout_s = 0/0", "timeout_s: expected number from 0.1 to 86400, got NaN" },
      { "memory_mib = 0", "memory_mib: expected integer from 1 to 1024, got 0" },
      { "memory_mib = 2.5", "memory_mib: expected integer from 1 to 1024, got 2.5" },
      { "summary = 3", "summary: expected one line of at most 200 characters, got 3" },
      { 'summary = "a\\nb"', 'summary: expected one line of at most 200 characters, got "a b"' },
      { 'summary = ""', 'summary: expected one line of at most 200 characters, got ""' },
      { 'needs = { "wirte" }', 'needs[1]: unknown capability "wirte", did you mean "write"?' },
      { 'needs = { exec = { "x" } }', 'needs.exec[1]: expected an absolute path without ".." in it, got "x"' },
      { 'settings = 3', 'settings: expected a table of fields, as in { slot = { type = "integer" } }, got 3' },
      { 'params = { slot = { type = "int" } }',
        'params.slot.type: expected one of string, number, integer, boolean, table, array, any, got "int"' },
      { 'run = "x"', 'run: expected a function, got "x"; write: ' .. write_run, true },
    }
    for _, case in ipairs(cases) do
      local run = case[3] and "" or "  run = function() end,\n"
      local _, faults = check("return {\n" .. run .. "  " .. case[1] .. ",\n}")
      assert.same({ (case[3] and 2 or 3) .. ": " .. case[2] }, faults)
    end
    assert.same({ "1: run: missing; write: " .. write_run }, (select(2, check "return {}")))
  end)

  it("takes a tick, with and without run", function()
    local checked, faults = check "return {\n every_s = 3,\n tick = function() end }"
    assert.same({}, faults)
    assert.same({ 3, "endpoint", "park.lua:3" }, { checked.every_s, checked.per, checked.place })
    assert.is_function(checked.tick)
    assert.same({ timeout_s = 30, memory_mib = 32, needs = {}, run = false, every_s = 3,
      per = "endpoint", on_interrupt = "report", resume = false }, contract.describe(checked))
    checked, faults = check [[return { every_s = 0.1, per = "agent", poll_s = 1,
      tick = function() end,
      run = function() end }]]
    assert.same({}, faults)
    assert.equal("park.lua:3", checked.place)
    assert.same({ timeout_s = 30, memory_mib = 32, needs = {}, run = true, every_s = 0.1,
      per = "agent", poll_s = 1, on_interrupt = "report", resume = false },
      contract.describe(checked))
  end)

  it("keeps what becomes of a command that was interrupted", function()
    local function policy(keys)
      local checked, faults = check("return { run = function() end, " .. keys .. " }")
      assert.same({}, faults)
      local described = contract.describe(checked)
      return { described.on_interrupt, described.resume, checked.resume ~= nil, checked.max_age_s }
    end
    assert.same({ "report", false, false }, policy "")
    assert.same({ "retry", false, false }, policy 'on_interrupt = "retry"')
    assert.same({ "resume", true, true }, policy "resume = function() end")
    assert.same({ "report", true, true }, policy 'resume = print, on_interrupt = "report"')
    assert.same({ "resume", true, true }, policy 'resume = print, on_interrupt = "resume"')
    assert.same({ "report", false, false, 0.1 }, policy "max_age_s = 0.1")
    assert.same({ "report", false, false, 2592000 }, policy "max_age_s = 30 * 86400")
  end)

  it("says how many commands run at the same time, and beside what", function()
    local function described(keys)
      local checked, faults = check("return { run = function() end, " .. keys .. " }")
      assert.same({}, faults)
      local all = contract.describe(checked)
      return { all.workers or false, all.ordered or false, all.exclusive or false }
    end
    assert.same({ false, false, false }, described "")
    assert.same({ 1, false, false }, described "workers = 1, ordered = false")
    assert.same({ 64, true, false }, described "workers = 64.0, ordered = true")
    assert.same({ false, true, "a.B-c_9" }, described 'ordered = true, exclusive = "a.B-c_9"')
    local checked, faults = check 'return { every_s = 3, tick = function() end, exclusive = "bus" }'
    assert.same({}, faults)
    assert.equal("bus", contract.describe(checked).exclusive)
  end)

  it("says what a tick lacks", function()
    local tick = "tick = function() end"
    local write_run = '; write: run = function(command) return 200, "OK" end'
    local write_tick = "; write: tick = function(endpoint) kaa.telemetry { temperature = 21.5 } end"
    local cases = {
      { { tick }, "2: tick: without its interval; write: every_s = 60" },
      { { "every_s = 3" }, "2: every_s: without a tick" .. write_tick },
      { { "run = print", "every_s = 3" }, "3: every_s: without a tick" .. write_tick },
      { { "run = print", 'per = "agent"' }, "3: per: without a tick" .. write_tick },
      { { "every_s = 3", "tick = 3" }, "3: tick: expected a function, got 3" .. write_tick },
      { { tick, "every_s = 0" }, "3: every_s: expected number from 0.1 to 86400, got 0" },
      { { tick, "every_s = 86401" }, "3: every_s: expected number from 0.1 to 86400, got 86401" },
      { { tick, 'every_s = "3"' }, '3: every_s: expected number from 0.1 to 86400, got "3"' },
      { { tick, "every_s = 3", 'per = "device"' },
        '4: per: expected one of "endpoint", "agent", got "device"' },
      { { tick, "every_s = 3", "poll_s = 5" }, "4: poll_s: without a run" .. write_run },
      { { tick, "every_s = 3", "params = {}" }, "4: params: without a run" .. write_run },
      { { tick, "every_s = 3", "workers = 2" }, "4: workers: without a run" .. write_run },
      { { tick, "every_s = 3", "ordered = true" }, "4: ordered: without a run" .. write_run },
      { { tick, "every_s = 3", "max_age_s = 5" }, "4: max_age_s: without a run" .. write_run },
      { { tick, "every_s = 3", "resume = print" }, "4: resume: without a run" .. write_run },
      { { tick, "every_s = 3", 'on_interrupt = "resume"' },
        "4: on_interrupt: without a run" .. write_run },
      { { "run = print", "poll_s = 0.5" }, "3: poll_s: expected number from 1 to 86400, got 0.5" },
    }
    for _, case in ipairs(cases) do
      local _, faults = check("return {\n" .. table.concat(case[1], ",\n") .. " }")
      assert.same({ case[2] }, faults)
    end
  end)

  it("reports all faults together, by line", function()
    local source = [[
return {
  sumary = "x",
  timeout_s = "5",
  needs = { "wirte", exec = { "bin/x" } },
  settings = { taken = { type = "aray" } },
  params = { slot = { type = "integer",
    min = 3, max = 1 } },
  function() end,
}]]
    local _, faults = check(source)
    local lines = {}
    for index, fault in ipairs(faults) do
      lines[index] = fault:match "^%d+: [^:]+"
    end
    assert.same({ "1: run", "2: sumary", "3: timeout_s", "4: needs[1]", "4: needs.exec[1]",
      "5: settings.taken.type", "7: params.slot.max", "8: [1]" }, lines)
  end)

  it("applies the configuration's settings, and says where they do not fit", function()
    local source = [[
return {
  settings = {
    taken = { type = "array", items = { type = "integer" } },
    slots = { type = "integer", required = true },
  },
  run = function() end,
}]]
    local _, faults = check(source, { settings = { taken = { 1, "x" }, slost = 3 } })
    assert.same({
      '2: settings.park.slost: unknown field, did you mean "slots"? (in the configuration)',
      '3: settings.park.taken[2]: expected integer, got "x" (in the configuration)',
      "4: settings.park.slots: missing, expected integer (in the configuration)",
    }, faults)
    _, faults = check(source, { settings = 3 })
    assert.same({ "2: settings.park: expected table, got 3 (in the configuration)" }, faults)
    for _, absent in ipairs { {}, { settings = null } } do
      _, faults = check(source, absent)
      assert.same({ "4: settings.park.slots: missing, expected integer (in the configuration)" }, faults)
    end
  end)

  it("passes settings on as they are where the handler has no schema", function()
    assert.same({ a = 1 }, check("return function() end", { settings = { a = 1 } }).settings)
    assert.same({}, check("return function() end", { settings = null }).settings)
  end)

  it("stays below the ceiling", function()
    local source = 'return {\n  needs = { "exec",\n    write = { "/tmp" } }, run = print }'
    local _, faults = check(source, { ceiling = { "exec" } })
    assert.same({ '3: needs.write: "write" is more than the configuration allows (exec)' }, faults)
    assert.is_table(check(source, { ceiling = { "exec", "write" } }))
    _, faults = check(source, { ceiling = { exec = { "/bin/x" }, write = { "/srv" } } })
    assert.same({
      '2: needs[1]: "exec" is more than the configuration allows; write: exec = { "/bin/x" }',
      '3: needs.write[1]: "/tmp" is more than the configuration allows (write = { "/srv" })',
    }, faults)
    for _, limit in ipairs { true, { "exec", write = { "/" } } } do
      assert.is_table(check(source, { ceiling = limit }))
    end
  end)

  it("knows the column of a fault, and which setting it is about", function()
    local source = 'return {\n  settings = { pin = { type = "integer" } }, tiemout_s = 3, run = print }'
    local checked, faults = contract.check(assert(load(source))(), {
      chunk = "park.lua", source = source, type = "park", settings = { pin = "x" }, is_placed = true,
    })
    assert.is_nil(checked)
    assert.same({
      { line = 2, column = 46, message = 'tiemout_s: unknown key, did you mean "timeout_s"?' },
      { line = 2, column = 16, message = 'settings.park.pin: expected integer, got "x"',
        setting = "settings.park.pin" },
    }, faults)
  end)

  it("reads what the table itself holds, without metamethods", function()
    local function boom()
      error "called"
    end
    local meta = "return setmetatable({ run = print }, { __index = boom, __pairs = boom, __len = boom })"
    local value = assert(load(meta, "@x", "t", { setmetatable = setmetatable, print = print, boom = boom }))()
    assert.is_table(contract.check(value, { chunk = "x.lua", type = "x" }))
    local inherited = setmetatable({}, { __index = { run = print } })
    assert.is_nil(contract.check(inherited, { chunk = "x.lua", type = "x" }))
  end)

  it("does without the source text", function()
    local checked, faults = contract.check({ sumary = 1, run = print }, { chunk = "x.lua", type = "x" })
    assert.is_nil(checked)
    assert.same({ { message = 'sumary: unknown key, did you mean "summary"?' } }, faults)
  end)
end)

describe("kaa.contract.params_of", function()
  local checked = check [[return {
    params = { slot = { type = "integer", required = true }, level = { type = "integer", default = 1 } },
    run = function() end }]]

  it("fills in defaults", function()
    assert.same({ slot = 3, level = 1 }, (contract.params_of(checked, { slot = 3 })))
  end)

  it("gives the reason of a 400, all faults in one line", function()
    local cases = {
      { { slot = "x" }, 'slot: expected integer, got "x"' },
      { { slot = "x", levl = 2 }, 'levl: unknown field, did you mean "level"?; slot: expected integer, got "x"' },
      { {}, "slot: missing, expected integer" },
      { null, "slot: missing, expected integer" },
      { "x", 'payload: expected table, got "x"' },
    }
    for _, case in ipairs(cases) do
      local payload, reason = contract.params_of(checked, case[1])
      assert.is_nil(payload)
      local sorted = {}
      for part in reason:gmatch "[^;]+" do
        sorted[#sorted + 1] = part:match "^%s*(.*)"
      end
      table.sort(sorted)
      assert.equal(case[2], table.concat(sorted, "; "))
    end
    assert.equal("slot: missing, expected integer", (select(2, contract.params_of(checked, nil))))
  end)

  it("keeps the reason at 256 bytes of valid UTF-8", function()
    local _, reason = contract.params_of(checked, { [("é"):rep(500)] = 1, slot = ("é\n"):rep(500) })
    assert.is_true(#reason <= 256)
    assert.is_truthy(utf8.len(reason))
    assert.is_nil(reason:find "%c")
  end)

  it("leaves the payload alone where there are no params", function()
    local free = check "return function() end"
    for _, payload in ipairs { 0, false, "", null } do
      assert.same({ payload }, { contract.params_of(free, payload) })
    end
    assert.same({}, { contract.params_of(free, nil) })
  end)
end)
