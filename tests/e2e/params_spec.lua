-- `params` and `settings` as design section 4 has them, through the real binaries.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local world = require "support.world"

local Agent = world.Agent
local folder = world.folder

-- The payload comes back as the handler was given it.
local ECHO = "return { params = { %s }, run = function(c) return 200, 'OK', c.payload end }"

local function handlers_with(sources)
  local path = world.folder_for "params"
  for name, source in pairs(sources) do
    folder.write(("%s/%s.lua"):format(path, name), source)
  end
  return path
end

--- The first line and the payload that a call prints.
local function call(path, type, payload, config)
  local arguments = { "call", "--handlers", path, type, payload }
  if config then
    table.insert(arguments, "--config")
    table.insert(arguments, folder.write(world.folder_for "config" .. "/kaalua.lua", config))
  end
  local _, out, err = world.process.run(Agent.program, arguments, nil, 60)
  local line, rest = out:match "^([^\n]*)\n(.*)$"
  assert(line, err)
  return line, rest:gsub("\n$", "")
end

-- {field x, payload, what comes back | the reason of a 400}
local CASES = {
  { "type = 'string'", '{"x":"é"}', '{"x":"é"}' },
  { "type = 'string'", '{"x":3}', "x: expected string, got 3" },
  { "type = 'string', length = 2", '{"x":"éé"}', '{"x":"éé"}' },
  { "type = 'string', length = { 2, 3 }", '{"x":"a"}', 'x: expected string of 2 to 3 characters, got "a"' },
  { "type = 'string', pattern = '^%a+$'", '{"x":"ab1"}', 'x: expected string that matches "^%a+$", got "ab1"' },
  { "type = 'string', enum = { 'on', 'off' }", '{"x":"ON"}', 'x: expected one of "on", "off", got "ON"' },
  { "type = 'integer'", '{"x":3.0}', '{"x":3}' },
  { "type = 'integer'", '{"x":9223372036854775807}', '{"x":9223372036854775807}' },
  { "type = 'integer'", '{"x":3.5}', "x: expected integer, got 3.5" },
  { "type = 'integer'", '{"x":"3"}', 'x: expected integer, got "3"' },
  { "type = 'integer', min = 1, max = 9", '{"x":1}', '{"x":1}' },
  { "type = 'integer', min = 1, max = 9", '{"x":0}', "x: expected integer from 1 to 9, got 0" },
  { "type = 'integer', enum = { 1, 2 }", '{"x":2.0}', '{"x":2}' },
  { "type = 'number', max = 2.5", '{"x":3}', "x: expected number of at most 2.5, got 3" },
  { "type = 'number'", '{"x":3.0}', '{"x":3.0}' },
  { "type = 'boolean', default = false", "{}", '{"x":false}' },
  { "type = 'boolean'", '{"x":1}', "x: expected boolean, got 1" },
  { "type = 'any', required = true", '{"x":null}', '{"x":null}' },
  { "type = 'any', enum = { 1, 'a', true }", '{"x":true}', '{"x":true}' },
  { "type = 'any', enum = { 1, 'a', true }", '{"x":"b"}', 'x: expected one of 1, "a", true, got "b"' },
  { "type = 'integer', default = 7", '{"x":null}', '{"x":7}' },
  { "type = 'integer', required = true", '{"x":null}', "x: missing, expected integer" },
  { "type = 'integer', required = true", "null", "x: missing, expected integer" },
  { "type = 'integer', default = 7", "null", '{"x":7}' },
  { "type = 'integer'", "[]", "payload: expected table, got an empty array" },
  { "type = 'integer'", '"x"', 'payload: expected table, got "x"' },
  { "type = 'integer'", '{"colour":1}', "colour: unknown field, known: x" },
  { "type = 'integer'", '{"X":1}', 'X: unknown field, did you mean "x"?' },
  { "type = 'array'", '{"x":[]}', '{"x":[]}' },
  { "type = 'array', default = {}", "{}", '{"x":[]}' },
  { "type = 'array', length = 1", '{"x":[1,2]}', "x: expected array of at most 1 element, got an array" },
  { "type = 'array', items = { type = 'integer' }", '{"x":[1.0,2]}', '{"x":[1,2]}' },
  { "type = 'array', items = { type = 'integer' }", '{"x":[1,null]}', "x[2]: expected integer, got null" },
  { "type = 'array'", '{"x":{}}', '{"x":[]}' },
  { "type = 'array'", '{"x":{"1":1}}', "x: expected array, got a table" },
  { "type = 'array', items = { type = 'table', fields = { p = { type = 'integer', default = 4 } } }",
    '{"x":[{},{"p":5}]}', '{"x":[{"p":4},{"p":5}]}' },
  { "type = 'table'", '{"x":{"any":[{}]}}', '{"x":{"any":[{}]}}' },
  { "type = 'table', length = 1", '{"x":{"a":1,"b":2}}', "x: expected table of at most 1 field, got a table" },
  { "type = 'table'", '{"x":[]}', "x: expected table, got an empty array" },
  { "type = 'table', fields = { y = { type = 'integer', required = true } }", "{}", "{}" },
  { "type = 'table', fields = { y = { type = 'integer', required = true } }", '{"x":{}}',
    "x.y: missing, expected integer" },
  { "type = 'table', fields = { y = { type = 'integer' } }", '{"x":{"colour":1,"y":"a"}}',
    'x.y: expected integer, got "a"; x.colour: unknown field, known: y' },
  { "type = 'table', default = {}, fields = { y = { type = 'integer', default = 4 } }", "{}", '{"x":{"y":4}}' },
}

describe("params", function()
  after_each(world.clear)

  it("give the handler what fits with its defaults, and answer 400 to the rest", function()
    local sources = {}
    for index, case in ipairs(CASES) do
      sources["case" .. index] = ECHO:format(("x = { %s }"):format(case[1]))
    end
    local path = handlers_with(sources)
    local misfits = {}
    for index, case in ipairs(CASES) do
      local line, payload = call(path, "case" .. index, case[2])
      local is_good = case[3]:find "^{" ~= nil
      local wanted = is_good and "200 OK\n" .. case[3] or "400 " .. case[3] .. "\n"
      if line .. "\n" .. payload ~= wanted then
        misfits[#misfits + 1] = ("%s, %s: %s\n%s"):format(case[1], case[2], line, payload)
      end
    end
    assert.are.same({}, misfits)
  end)

  it("refuse what is huge or deep with one line of 256 bytes", function()
    local path = handlers_with { echo = ECHO:format("slot = { type = 'integer' }, tree = { type = 'table' }") }
    local parts = {}
    for index = 1, 4000 do
      parts[index] = ('"feld_%04d_é":%d'):format(index, index)
    end
    local line = call(path, "echo", "{" .. table.concat(parts, ",") .. "}")
    assert.is_truthy(line:find('400 ["feld_0001_é"]: unknown field, known: slot, tree; ', 1, true), line)
    assert.is_true(#line > 200 and #line <= 256 + #"400 ", line)
    assert.is_truthy(utf8.len(line))
    local deep = ('{"a":'):rep(61) .. "1" .. ("}"):rep(61)
    local good, payload = call(path, "echo", '{"tree":' .. deep .. "}")
    assert.are.equal("200 OK", good)
    assert.are.equal('{"tree":' .. deep .. "}", payload)
  end)

  it("show what they got as printable text", function()
    local path = handlers_with { echo = ECHO:format "slot = { type = 'integer' }" }
    local line = call(path, "echo", '{"slot":"a\\u001b[31m\\nb\\u0000","\\u001b":1}')
    assert.is_nil(line:find "[%c]", line)
    assert.is_truthy(line:find('slot: expected integer, got "a [31m b"', 1, true), line)
  end)

  it("that are wrong themselves are faults of the file", function()
    local cases = {
      { "x = { type = 'integer', default = 'a' }", 'params.x.default: expected integer, got "a"' },
      { "x = { type = 'string', enum = { 'a', 1 } }", "params.x.enum[2]: expected string, got 1" },
      { "x = { type = 'string', pattern = '(a' }",
        'params.x.pattern: expected a Lua pattern (a ( is not closed), got "(a"' },
      { "x = { type = 'boolean', min = 1 }",
        'params.x.min: does not go with type "boolean", only with integer, number' },
      { "x = 'integer'", 'params.x: expected a field, as in { type = "string" }, got "integer"' },
      { "x = { type = 'array', items = { type = 'int' } }", "params.x.items.type: expected one of string, "
        .. 'number, integer, boolean, table, array, any, got "int"' },
    }
    for _, case in ipairs(cases) do
      local path = handlers_with { echo = ECHO:format(case[1]) }
      assert.are.equal("503 echo.lua:1: " .. case[2], (call(path, "echo", "{}")))
    end
    local path = handlers_with {
      echo = "local light = { type = 'table' }\nlight.fields = { light = light }\n"
        .. "return { params = { light = light }, run = print }",
    }
    assert.is_truthy(call(path, "echo", "{}"):find "^503 echo.lua:3: .*nested over 64 deep, or it holds itself$")
  end)
end)

describe("settings", function()
  after_each(world.clear)

  local LIGHT = "return {\n  settings = {\n    pin = { type = 'integer', required = true },\n"
    .. "    level = { type = 'integer', max = 9, default = 4 },\n"
    .. "    taken = { type = 'array', items = { type = 'integer' }, default = {} },\n  },\n"
    .. "  run = function() return 200, 'OK', kaa.settings end,\n}"

  it("reach the handler with their defaults", function()
    local path = handlers_with { light = LIGHT }
    local line, payload = call(path, "light", "null", "return { settings = { light = { pin = 3.0 } } }")
    assert.are.equal("200 OK", line)
    assert.are.same({ pin = 3, level = 4, taken = {} }, cjson.decode(payload))
    assert.is_truthy(payload:find('"taken":[]', 1, true), payload)
    line, payload = call(path, "light", "null", "local pins = { hall = 5 }\n"
      .. "return { settings = { light = { pin = pins.hall, level = 9, taken = { 1, 2 } } } }")
    assert.are.equal("200 OK", line)
    assert.are.same({ pin = 5, level = 9, taken = { 1, 2 } }, cjson.decode(payload))
  end)

  it("that do not fit are said with the configuration's line", function()
    local path = handlers_with { light = LIGHT }
    local cases = {
      { "return {}", ":0: settings.light.pin: missing, expected integer" },
      { "return { settings = {\n  light = {\n    level = 1 } } }",
        ":2: settings.light.pin: missing, expected integer" },
      { "return { settings = {\n  light = { pin = 3,\n    level = 10 } } }",
        ":3: settings.light.level: expected integer of at most 9, got 10" },
      { "return { settings = { light = { pin = 3, taken = {\n 1,\n 'x' } } } }",
        ':3: settings.light.taken[2]: expected integer, got "x"' },
      { "return { settings = { light = {\n  pni = 3, pin = 3 } } }",
        ':2: settings.light.pni: unknown field, did you mean "pin"?' },
      { "local c = { settings = {} }\nc.settings.light = { pin = 'x' }\nreturn c",
        ':1: settings.light.pin: expected integer, got "x"' },
    }
    for _, case in ipairs(cases) do
      local line = call(path, "light", "null", case[1])
      local wanted = "kaalua.lua" .. case[2]:gsub("^:0", "")
      assert.is_truthy(line:find "^503 /", line)
      assert.are.equal(wanted, line:match "kaalua%.lua.*$")
    end
  end)

  it("without a configuration are a fault of the handler's line", function()
    local path = handlers_with { light = LIGHT }
    local line = call(path, "light", "null")
    if os.getenv "KAALUA_CONFIG" == nil and not folder.read "/etc/kaalua/kaalua.lua" then
      assert.are.equal("503 light.lua:3: settings.light.pin: missing, expected integer (in the configuration)", line)
    end
  end)

  it("that do not fit are said by the running agent, and only concern their handler", function()
    local agent, platform = world.connected {
      handlers = { light = LIGHT, none = "return function() end" },
      config = "return {\n  settings = {\n    light = { pin = 'x' },\n  },\n}",
    }
    local place = agent.folder .. '/kaalua.lua:3: settings.light.pin: expected integer, got "x"'
    agent:await_log(place:gsub("%p", "%%%0"):gsub('%%"', '.?"'))
    local result = platform:call("light", 1)
    assert.are.equal(503, result.statusCode)
    assert.are.equal(place, result.reasonPhrase)
    assert.are.equal(200, platform:call("none", 2).statusCode)
  end)
end)
