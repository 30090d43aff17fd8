local jsontext = require "kaa.testing.jsontext"
local values = require "kaa.values"

describe("kaa.testing.jsontext", function()
  it("gives back what it was given", function()
    for _, json in ipairs {
      '{"e":[],"n":1732290000123456,"o":{},"z":null}', "9007199254740993", "9223372036854775807",
      "-9223372036854775808", "0", "-1", "3.0", "0.1", "1e+300", "false", "true", "null", '""', "[]", "{}",
      '[[],{},[{}]]', '"\\u0000\\n\\"\\\\é😀\127"', '{"":{"":1}}', "[null,null]", "0.30000000000000004",
      ("["):rep(64) .. ("]"):rep(64),
    } do
      local value, message = jsontext.decode(json)
      assert.is_nil(message)
      assert.equal(json, jsontext.encode(value))
    end
  end)

  it("gives back random values", function()
    math.randomseed(20261122)
    local function random_string()
      local parts = {}
      for index = 1, math.random(0, 8) do
        local code = math.random(0, 0x2FFF)
        parts[index] = utf8.char(math.random() < 0.1 and 0x1F600 + code % 64 or code)
      end
      return table.concat(parts)
    end
    local function random_float()
      local float = string.unpack("d", string.pack("i8", math.random(0)))
      return float - float == 0 and float or 0.5
    end
    local function random_value(depth)
      local kind = math.random(depth > 0 and 8 or 6)
      if kind == 1 then
        return math.random(0)
      elseif kind == 2 then
        return random_float()
      elseif kind == 3 then
        return random_string()
      elseif kind < 7 then
        return ({ true, false, values.null })[kind - 3]
      end
      local value = kind == 7 and values.array {} or {}
      for index = 1, math.random(0, 4) do
        value[kind == 7 and index or random_string()] = random_value(depth - 1)
      end
      return value
    end
    for _ = 1, 2000 do
      local json = assert(jsontext.encode(random_value(4)))
      assert.equal(json, assert(jsontext.encode((jsontext.decode(json)))))
    end
  end)

  it("tells integers from other numbers", function()
    assert.equal("integer", math.type(jsontext.decode "3"))
    assert.equal("float", math.type(jsontext.decode "3.0"))
    assert.equal("float", math.type(jsontext.decode "3e0"))
  end)

  it("refuses what is no JSON, with the position", function()
    local cases = {
      { "", "position 0: no value of JSON" }, { "nul", "position 0: no value of JSON" },
      { "01", "position 0: bad number" }, { "-01", "position 0: bad number" }, { "1.", "position 0: bad number" },
      { "1e", "position 0: bad number" }, { ".5", "position 0: no value of JSON" }, { "+1", "position 0: no value of JSON" },
      { "-", "position 0: no value of JSON" }, { "0x10", "position 1: more than one value" },
      { "1e400", "position 0: a number that does not fit" },
      { "9223372036854775808", "position 0: a number that does not fit" },
      { "NaN", "position 0: no value of JSON" }, { "[1,]", "position 3: no value of JSON" },
      { "[1 2]", "position 3: expected , or ]" }, { "[1", "position 2: expected , or ]" },
      { '{"a":1,"a":2}', 'position 7: duplicate key "a"' }, { '{"a":null,"a":2}', 'position 10: duplicate key "a"' },
      { '{"a" 1}', "position 5: expected :" }, { "{1:2}", "position 1: expected a member's name" },
      { '{"a":1,}', "position 7: expected a member's name" }, { '{"a":1', "position 6: expected , or }" },
      { "{} x", "position 3: more than one value" }, { '"\xff"', "position 1: not UTF-8" },
      { '"a\nb"', "position 2: a raw control character" }, { '"a', "position 0: a string that does not end" },
      { '"\\x"', "position 1: bad escape" }, { '"\\ud800"', "position 1: half a surrogate pair" },
      { '"\\udc00"', "position 1: half a surrogate pair" }, { '"\\ud800\\u0041"', "position 1: half a surrogate pair" },
      { ("["):rep(65) .. ("]"):rep(65), "position 64: deeper than 64 levels" },
    }
    for _, case in ipairs(cases) do
      local value, message = jsontext.decode(case[1])
      assert.is_nil(value, case[1])
      assert.equal(case[2], message, case[1])
    end
  end)

  it("refuses what has no JSON, with the path", function()
    local cyclic = {}
    cyclic.list = { cyclic }
    local deep = {}
    for _ = 1, 64 do
      deep = { deep }
    end
    local marked = values.array { 1, nil, 3 }
    local cases = {
      { { a = { print } }, "value.a[1]: a function has no JSON form" },
      { { 0 / 0 }, "value[1]: NaN has no JSON form" },
      { { x = -1 / 0 }, "value.x: an infinite number has no JSON form" },
      { { 1, nil, 3 }, "value: a list with gaps, or with names beside its elements" },
      { marked, "value: a list with gaps, or with names beside its elements" },
      { { a = { 1, b = 2 } }, "value.a: a list with gaps, or with names beside its elements" },
      { { a = "\xff" }, "value.a: not valid UTF-8" },
      { { ["a\0b"] = 1 }, "value: a name holds a NUL byte" },
      { nil, "value: nil has no JSON form; null is kaa.null" },
    }
    for _, case in ipairs(cases) do
      local json, message = jsontext.encode(case[1])
      assert.is_nil(json)
      assert.equal(case[2], message)
    end
    assert.matches("nested deeper than 64 %(is it inside itself%?%)$", (select(2, jsontext.encode(deep))))
    assert.matches("nested deeper than 64 %(is it inside itself%?%)$", (select(2, jsontext.encode(cyclic))))
    assert.equal("payload.x: a thread has no JSON form",
      (select(2, jsontext.encode({ x = coroutine.create(print) }, "payload"))))
  end)

  it("writes one table twice where it is no cycle", function()
    local shared = { 1 }
    assert.equal('{"a":[1],"b":[1]}', jsontext.encode { a = shared, b = shared })
  end)
end)
