local params = require "kaa.params"
local text = require "kaa.text"
local values = require "kaa.values"
local null = values.null

--- What apply says of a single field called x.
local function messages_of(field, value)
  local _, messages = params.apply({ x = field }, { x = value })
  return messages and table.concat(messages, "; ")
end

describe("kaa.params.apply", function()
  it("accepts what fits", function()
    local cases = {
      { { type = "string" }, "" }, { { type = "string", length = 3 }, "äöü" },
      { { type = "string", length = { 2, 3 } }, "ab" }, { { type = "string", pattern = "^%a+$" }, "abc" },
      { { type = "string", length = 2 }, "\xff\xff" }, { { type = "string", enum = { "on", "off" } }, "on" },
      { { type = "number" }, 2.5 }, { { type = "number" }, 2 }, { { type = "number", min = 1, max = 2 }, 1 },
      { { type = "number", max = 2 }, 2.0 }, { { type = "integer" }, math.mininteger },
      { { type = "integer", enum = { 1, 2 } }, 2 }, { { type = "boolean" }, false },
      { { type = "boolean" }, true }, { { type = "table" }, { anything = { 1 } } }, { { type = "table" }, {} },
      { { type = "array" }, {} }, { { type = "array" }, { 1, "a" } },
      { { type = "array", length = { 1, 2 } }, { 1 } },
      { { type = "array", items = { type = "integer" } }, { 1, 2 } },
      { { type = "array", items = { type = "any" } }, { null, 1 } },
      { { type = "any" }, null }, { { type = "any" }, false }, { { type = "any" }, {} },
      { { type = "any", enum = { 1, "a", true } }, "a" }, { { type = "any", enum = { 1, true } }, true },
      { { type = "number", enum = { 1, 2.5 } }, 2.5 }, { { type = "number", enum = { 1 } }, 1.0 },
      { { type = "table", length = { 1, 2 } }, { a = 1 } }, { { type = "table", length = 0 }, {} },
      { { type = "integer" }, 9007199254740993 }, { { type = "number", min = -1, max = -1 }, -1 },
    }
    for index, case in ipairs(cases) do
      local filled, messages = params.apply({ x = case[1] }, { x = case[2] })
      assert.is_nil(messages, "case " .. index)
      assert.same({ x = case[2] }, filled)
    end
  end)

  it("says what was expected where something does not fit", function()
    local cases = {
      { { type = "string" }, 3, "expected string, got 3" },
      { { type = "string", length = 2 }, "abc", 'expected string of at most 2 characters, got "abc"' },
      { { type = "string", length = 1 }, "ab", 'expected string of at most 1 character, got "ab"' },
      { { type = "string", length = { 2, 3 } }, "a", 'expected string of 2 to 3 characters, got "a"' },
      { { type = "string", length = { 2, 2 } }, "é", 'expected string of 2 characters, got "é"' },
      { { type = "string", pattern = "^%a+$" }, "1", 'expected string that matches "^%a+$", got "1"' },
      { { type = "string", length = 2, pattern = "%a" }, "1",
        'expected string of at most 2 characters that matches "%a", got "1"' },
      { { type = "string", enum = { "on", "off" } }, "ON", 'expected one of "on", "off", got "ON"' },
      { { type = "string", enum = { "on" } }, "x", 'expected "on", got "x"' },
      { { type = "number" }, "3", 'expected number, got "3"' },
      { { type = "number", min = 1 }, 0.5, "expected number of at least 1, got 0.5" },
      { { type = "number", max = 1 }, 1.5, "expected number of at most 1, got 1.5" },
      { { type = "number" }, 0 / 0, "expected number, got NaN" },
      { { type = "number" }, 1 / 0, "expected number, got inf" },
      { { type = "integer" }, 2.5, "expected integer, got 2.5" },
      { { type = "integer" }, "2", 'expected integer, got "2"' },
      { { type = "integer" }, 1e300, "expected integer, got 1e+300" },
      { { type = "integer", min = 1, max = 9 }, 10, "expected integer from 1 to 9, got 10" },
      { { type = "integer", enum = { 1, 2 } }, 3, "expected one of 1, 2, got 3" },
      { { type = "boolean" }, 0, "expected boolean, got 0" },
      { { type = "boolean" }, "true", 'expected boolean, got "true"' },
      { { type = "table" }, { 1 }, "expected table, got an array" },
      { { type = "table" }, values.array {}, "expected table, got an empty array" },
      { { type = "table" }, "x", 'expected table, got "x"' },
      { { type = "array" }, { a = 1 }, "expected array, got a table" },
      { { type = "array" }, "x", 'expected array, got "x"' },
      { { type = "array", length = { 1, 2 } }, {}, "expected array of 1 to 2 elements, got an empty table" },
      { { type = "array", length = 1 }, { 1, 2 }, "expected array of at most 1 element, got an array" },
      { { type = "any", enum = { 1 } }, null, "expected 1, got null" },
      { { type = "any", enum = { 1, true } }, "1", 'expected one of 1, true, got "1"' },
      { { type = "table", length = { 1, 2 } }, {}, "expected table of 1 to 2 fields, got an empty table" },
      { { type = "table", length = 1 }, { a = 1, b = 2 }, "expected table of at most 1 field, got a table" },
      { { type = "integer" }, 2 ^ 63, "expected integer, got 9.2233720368548e+18" },
      { { type = "string", pattern = ("a?"):rep(250) .. "b" }, ("a"):rep(300),
        'expected string that matches "' .. ("a?"):rep(20) .. '…", got "' .. ("a"):rep(40) .. '…"' },
    }
    for _, case in ipairs(cases) do
      assert.equal("x: " .. case[3], messages_of(case[1], case[2]))
    end
  end)

  it("names the path of what is nested, and all faults at once", function()
    local schema = {
      slot = { type = "integer", min = 1, max = 9, required = true },
      light = { type = "table", fields = {
        pin = { type = "integer", required = true },
        colours = { type = "array", items = { type = "table", fields = { name = { type = "string" } } } },
      } },
    }
    local filled, messages = params.apply(schema, {
      light = { pin = "x", colours = { { name = 1 }, 7, { nmae = "red" } } }, slto = 3,
    })
    assert.is_nil(filled)
    assert.same({
      "light.colours[1].name: expected string, got 1",
      "light.colours[2]: expected table, got 7",
      'light.colours[3].nmae: unknown field, did you mean "name"?',
      'light.pin: expected integer, got "x"',
      "slot: missing, expected integer from 1 to 9",
      'slto: unknown field, did you mean "slot"?',
    }, messages)
  end)

  it("lists the known fields where nothing is near", function()
    local _, messages = params.apply({ a = { type = "any" }, b = { type = "any" } }, { colour = 1 })
    assert.same({ "colour: unknown field, known: a, b" }, messages)
    _, messages = params.apply({}, { colour = 1 })
    assert.same({ "colour: unknown field" }, messages)
  end)

  it("makes integers of numbers with an integral value, and leaves other numbers", function()
    local filled = params.apply({ i = { type = "integer" }, n = { type = "number" },
      l = { type = "array", items = { type = "integer" } } }, { i = 3.0, n = 3.0, l = { 1.0 } })
    assert.equal("integer", math.type(filled.i))
    assert.equal("float", math.type(filled.n))
    assert.equal("integer", math.type(filled.l[1]))
  end)

  it("takes null as absent, unless any value will do", function()
    local schema = { a = { type = "integer", default = 7 }, b = { type = "string" }, c = { type = "any" },
      d = { type = "any" } }
    local filled = params.apply(schema, { a = null, b = null, c = null })
    assert.same({ a = 7, c = null }, filled)
    assert.equal("x: missing, expected integer", messages_of({ type = "integer", required = true }, null))
    assert.is_nil(messages_of({ type = "any", required = true }, null))
    assert.equal("x[1]: expected integer, got null",
      messages_of({ type = "array", items = { type = "integer" } }, { null }))
  end)

  it("fills in defaults, each time a fresh copy", function()
    local schema = {
      flag = { type = "boolean", default = false },
      list = { type = "array", default = { 1 } },
      light = { type = "table", default = {}, fields = { pin = { type = "integer", default = 17 } } },
      dark = { type = "table", fields = { pin = { type = "integer", default = 17 } } },
    }
    local first = params.apply(schema, nil)
    assert.same({ flag = false, list = { 1 }, light = { pin = 17 } }, first)
    first.list[1], first.light.pin = 99, 99
    assert.same({ flag = false, list = { 1 }, light = { pin = 17 } }, params.apply(schema, null))
    assert.same({ pin = 17 }, params.apply(schema, { dark = {} }).dark)
  end)

  it("fills in the defaults of tables in arrays, and of tables in tables", function()
    local pin = { type = "integer", default = 17 }
    local light = { type = "table", fields = { pin = pin } }
    local filled = params.apply({
      lights = { type = "array", items = light },
      house = { type = "table", fields = { hall = light, roof = {
        type = "table", default = {}, fields = { pin = pin } } } },
    }, { lights = { {}, { pin = 3 } }, house = { hall = {} } })
    assert.same({ lights = { { pin = 17 }, { pin = 3 } },
      house = { hall = { pin = 17 }, roof = { pin = 17 } } }, filled)
  end)

  it("asks for what is required only where its table is given", function()
    local schema = { light = { type = "table", fields = { pin = { type = "integer", required = true } } } }
    assert.same({}, (params.apply(schema, {})))
    assert.same({}, (params.apply(schema, { light = null })))
    assert.same({ "light.pin: missing, expected integer" }, (select(2, params.apply(schema, { light = {} }))))
  end)

  it("lists at most a hundred faults, in little time", function()
    local fields, given = {}, {}
    for index = 1, 50 do
      fields[("a_rather_long_name_of_a_field_%d"):format(index)] = { type = "integer" }
    end
    for index = 1, 30000 do
      given[("some_name_that_nobody_knows_%d"):format(index)] = index
    end
    local start = os.clock()
    local filled, messages = params.apply(fields, given)
    assert.is_nil(filled)
    assert.equal(100, #messages)
    assert.is_true(os.clock() - start < 2)
  end)

  it("leaves the given value untouched", function()
    local given = { i = 3.0, list = { 1.0 }, nested = { i = 4.0 } }
    local filled = params.apply({ i = { type = "integer" }, d = { type = "string", default = "x" },
      list = { type = "array", items = { type = "integer" } },
      nested = { type = "table", fields = { i = { type = "integer" } } } }, given)
    assert.are_not.equal(given, filled)
    assert.equal("float", math.type(given.i))
    assert.equal("float", math.type(given.list[1]))
    assert.equal("float", math.type(given.nested.i))
    assert.is_nil(given.d)
  end)

  it("keeps arrays arrays, also empty ones", function()
    local filled = params.apply({ x = { type = "array", items = { type = "integer" } } }, { x = {} })
    assert.is_true(values.is_array(filled.x))
  end)

  it("makes arrays of unmarked tables, so that an empty one stays []", function()
    local schema = { x = { type = "array", default = {} }, y = { type = "array" } }
    local given = { y = {} }
    local filled = params.apply(schema, given)
    assert.is_true(values.is_array(filled.x))
    assert.is_true(values.is_array(filled.y))
    assert.is_nil(getmetatable(given.y), "what is given stays as it is")
  end)

  it("wants an object at the top", function()
    for _, case in ipairs { { 3, "3" }, { "x", '"x"' }, { true, "true" }, { { 1 }, "an array" },
      { values.array {}, "an empty array" } } do
      local filled, messages = params.apply({ a = { type = "any" } }, case[1])
      assert.is_nil(filled)
      assert.same({ "expected table, got " .. case[2] }, messages)
    end
  end)
end)

describe("kaa.params.check", function()
  --- The faults of a schema as "path: message".
  local function faults_of(schema)
    local lines = {}
    for index, fault in ipairs(params.check(schema, "params")) do
      lines[index] = text.path(fault.path) .. ": " .. fault.message
    end
    return lines
  end

  it("finds nothing wrong with a good schema", function()
    assert.same({}, faults_of {})
    assert.same({}, faults_of {
      a = { type = "string", required = true, length = 3, pattern = "^a", enum = { "a", "ab" } },
      b = { type = "integer", min = 1, max = 1, default = 1.0, summary = "one" },
      c = { type = "array", length = { 0, 3 }, items = { type = "array", items = { type = "any" } } },
      d = { type = "table", default = {}, fields = { e = { type = "boolean", default = false } } },
      f = { type = "any", default = {} }, g = { type = "array", default = {} },
      h = { type = "number", min = -1.5 }, i = { type = "string", required = false, default = "x" },
      j = { type = "any", enum = { 1, "a", false } }, k = { type = "table", length = { 1, 9 } },
      l = { type = "any", default = null }, m = { type = "integer", enum = { 1.0 }, default = 1 },
    })
  end)

  it("says what is wrong with one field", function()
    local cases = {
      { { type = "int" }, "params.x.type: expected one of string, number, integer, boolean, table, array, any, got \"int\"" },
      { { type = 3 }, "params.x.type: expected one of string, number, integer, boolean, table, array, any, got 3" },
      { {}, "params.x: has no type; it is one of string, number, integer, boolean, table, array, any" },
      { "integer", 'params.x: expected a field, as in { type = "string" }, got "integer"' },
      { { "integer" }, 'params.x: expected a field, as in { type = "string" }, got an array' },
      { { type = "integer", mim = 3 }, 'params.x.mim: unknown key, did you mean "min"?' },
      { { type = "integer", required = 1 }, "params.x.required: expected boolean, got 1" },
      { { type = "integer", summary = 1 }, "params.x.summary: expected string, got 1" },
      { { type = "integer", min = "1" }, 'params.x.min: expected number, got "1"' },
      { { type = "integer", min = 0 / 0 }, "params.x.min: expected number, got NaN" },
      { { type = "integer", min = 3, max = 1 }, "params.x.max: expected at least the min of 3, got 1" },
      { { type = "string", min = 3 }, 'params.x.min: does not go with type "string", only with integer, number' },
      { { type = "integer", pattern = "a" }, 'params.x.pattern: does not go with type "integer", only with string' },
      { { type = "boolean", enum = { 1 } },
        'params.x.enum: does not go with type "boolean", only with string, number, integer, any' },
      { { type = "array", fields = {} }, 'params.x.fields: does not go with type "array", only with table' },
      { { type = "table", items = {} }, 'params.x.items: does not go with type "table", only with array' },
      { { type = "string", length = -1 }, "params.x.length: expected a maximum, or { least, most }, got -1" },
      { { type = "string", length = 1.5 }, "params.x.length: expected a maximum, or { least, most }, got 1.5" },
      { { type = "string", length = "3" }, 'params.x.length: expected a maximum, or { least, most }, got "3"' },
      { { type = "string", length = { 3 } }, "params.x.length: expected a maximum, or { least, most }, got an array" },
      { { type = "string", length = { 3, 1 } }, "params.x.length: expected a maximum, or { least, most }, got an array" },
      { { type = "string", length = { 1, 2, 3 } }, "params.x.length: expected a maximum, or { least, most }, got an array" },
      { { type = "string", length = {} }, "params.x.length: expected a maximum, or { least, most }, got an empty table" },
      { { type = "string", pattern = "[a" }, 'params.x.pattern: expected a Lua pattern (a [ is not closed), got "[a"' },
      { { type = "string", pattern = 3 }, "params.x.pattern: expected a Lua pattern, got 3" },
      { { type = "string", enum = {} },
        'params.x.enum: expected a list of strings or numbers, as in { "on", "off" }, got an empty table' },
      { { type = "string", enum = { {} } },
        'params.x.enum: expected a list of strings or numbers, as in { "on", "off" }, got an array' },
      { { type = "string", enum = "on" },
        'params.x.enum: expected a list of strings or numbers, as in { "on", "off" }, got "on"' },
      { { type = "array", items = "string" },
        'params.x.items: expected a field, as in { type = "string" }, got "string"' },
      { { type = "array", items = { type = "string", min = 1 } },
        'params.x.items.min: does not go with type "string", only with integer, number' },
      { { type = "table", fields = { { type = "string" } } }, "params.x.fields: expected a table of fields, got an array" },
      { { type = "table", fields = { y = { typ = "string", type = "string" } } },
        'params.x.fields.y.typ: unknown key, did you mean "type"?' },
      { { type = "integer", max = 3, default = 4 }, "params.x.default: expected integer of at most 3, got 4" },
      { { type = "integer", default = "4" }, 'params.x.default: expected integer, got "4"' },
      { { type = "table", default = { y = 1 }, fields = { y = { type = "string" } } },
        "params.x.default: y: expected string, got 1" },
      { { type = "string", enum = { "a", 1 } }, "params.x.enum[2]: expected string, got 1" },
      { { type = "integer", max = 3, enum = { 4 } }, "params.x.enum[1]: expected integer of at most 3, got 4" },
      { { type = "integer", enum = { 1.5 } }, "params.x.enum[1]: expected integer, got 1.5" },
      { { type = "integer", enum = { 1, 2 }, default = 3 }, "params.x.default: expected one of 1, 2, got 3" },
      { { type = "integer", default = null }, "params.x.default: expected integer, got null" },
      { { type = "table", default = {}, fields = { y = { type = "string", required = true } } },
        "params.x.default: y: missing, expected string" },
      { { type = "array", items = { type = "integer", default = 3 } },
        "params.x.items.default: an element of an array is always given, and has no use for a default" },
      { { type = "array", default = { "x" }, items = { type = "integer" } },
        'params.x.default: [1]: expected integer, got "x"' },
      { { type = "boolean", length = 3 },
        'params.x.length: does not go with type "boolean", only with string, array, table' },
      { { type = "string", required = true, default = "x" },
        'params.x.default: a required field has no use for a default, got "x"' },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[2] }, faults_of { x = case[1] })
    end
  end)

  it("reports all faults together, in a fixed order", function()
    assert.same({
      "params[1]: expected a field's name, as in slot = { … }, got 1",
      'params.a.min: expected number, got "x"',
      "params.a.type: expected one of string, number, integer, boolean, table, array, any, got \"intger\"",
      "params.b: has no type; it is one of string, number, integer, boolean, table, array, any",
      'params.b.typ: unknown key, did you mean "type"?',
    }, faults_of { a = { type = "intger", min = "x" }, b = { typ = "x" }, "c" })
  end)

  it("ends where a schema holds itself", function()
    local light = { type = "table" }
    light.fields = { light = light }
    local lines = faults_of { light = light }
    assert.equal(1, #lines)
    assert.matches("light: nested over 64 deep, or it holds itself$", lines[1])
    local list = { type = "array" }
    list.items = list
    assert.matches("items: nested over 64 deep, or it holds itself$", faults_of({ list = list })[1])
    local deep = { type = "integer" }
    for _ = 1, 60 do
      deep = { type = "array", items = deep }
    end
    assert.same({}, faults_of { deep = deep })
  end)

  it("wants a table", function()
    for _, schema in ipairs { 3, "x", true } do
      assert.matches("^params: expected a table of fields, as in { slot = ", faults_of(schema)[1])
    end
  end)
end)
