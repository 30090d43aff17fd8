-- Messages that are not what the protocol says: they harm nothing, and what can
-- be answered is answered.
package.path = "tests/e2e/?.lua;" .. package.path
local world = require "support.world"

local COUNT = "local n = 0; return function() n = n + 1; return 200, 'OK', n end"
local ECHO = "return function(c) return 200, 'OK', c.payload end"

-- None of these is exactly one JSON array.
local NO_ARRAYS = {
  [""] = "nothing",
  ["{"] = "an open object",
  ['{"id":1}'] = "a command without an array",
  ["null"] = "null",
  ['"[]"'] = "a text",
  ["[1,"] = "an open array",
  ['[{"id":1}'] = "a lost bracket",
  ['[{"id":1}]]'] = "a bracket too many",
  ['[{"id":1}] x'] = "something behind",
  ['[{"id":1}][{"id":2}]'] = "two arrays",
  ['[{"id":1},]'] = "a last comma",
  ['[,{"id":1}]'] = "a first comma",
  ['[{"id":1}}'] = "a wrong bracket",
  ['[{"id":1,"payload":"]'] = "an open text",
  ['[{"id":1}]\0'] = "a NUL behind",
  ["\239\187\191[]x"] = "a byte order mark",
  [("["):rep(100000)] = "a hundred thousand brackets",
  ["\255\254"] = "bytes that are no UTF-8",
}

-- Each beside a good command; {text of the element, status or nil: cannot be answered}.
local BAD_ELEMENTS = {
  { "17" }, { "null" }, { "[]" }, { "{}" }, { '"id"' },
  { '{"id":"1"}' }, { '{"id":1.5}' }, { '{"id":null}' }, { '{"id":99999999999999999999}' },
  { '{"payload":1}' },
  { '{"id":100,"id":101}' },
  { '{"id":102,"payload":{"a":1,"a":2}}', 400 },
  { '{"id":103,"payload":"\255"}', 400 },
  { '{"id":104,"payload":1e999}', 400 },
  { '{"id":105,"payload":99999999999999999999}', 400 },
  { '{"id":106,"payload":tru}', 400 },
  { '{"id":107,"payload":"\1"}', 400 },
  { '{"id":108,"payload":' .. ("["):rep(80) .. ("]"):rep(80) .. "}", 400 },
  { '{"id":109,"payload":"' .. ("x"):rep(256 * 1024) .. '"}', 413 },
  { '{"id":110,"payload":"\\ud800"}', 400 },
}

local function tests_over(wire)
  local function connected(options)
    options.wire = wire
    return world.connected(options)
  end

  after_each(world.clear)

  it("that is not one array runs nothing, and the next is taken", function()
    local _, platform = connected { handlers = { count = COUNT } }
    local id = 1000
    for text, what in pairs(NO_ARRAYS) do
      id = id + 1
      platform:push("count", text)
      assert.are.equal(id - 1000, platform:call("count", id).payload, what)
    end
    assert.are.equal(id - 1000, #platform.results)
  end)

  it("says so in the log", function()
    local agent, platform = connected { handlers = { count = COUNT } }
    platform:push("count", '[{"id":1}')
    agent:await_log "^%S+ warn .*count"
  end)

  it("with a bad element has its good ones run and the bad answered", function()
    local _, platform = connected { handlers = { echo = ECHO } }
    local elements, good = {}, 0
    for index, case in ipairs(BAD_ELEMENTS) do
      elements[#elements + 1] = case[1]
      elements[#elements + 1] = ('{"id":%d,"payload":%d}'):format(index, index)
      good = index
    end
    platform:push("echo", "[" .. table.concat(elements, ",") .. "]")
    for index = 1, good do
      assert.are.equal(index, platform:await_result("echo", index).payload)
    end
    local answered = 0
    for _, case in ipairs(BAD_ELEMENTS) do
      if case[2] then
        local id = tonumber(case[1]:match '"id":(%d+)')
        local result = platform:await_result("echo", id)
        assert.are.equal(case[2], result.statusCode, case[1]:sub(1, 60))
        assert.is_truthy(result.reasonPhrase:find "%d", result.reasonPhrase)
        answered = answered + 1
      end
    end
    assert.are.equal(good + answered, #platform.results)
  end)
end

for _, wire in ipairs(world.WIRES) do
  describe("a malformed message over " .. wire, function()
    tests_over(wire)
  end)
end

describe("a malformed message", function()
  after_each(world.clear)

  it("on a topic that names no type runs nothing", function()
    local _, platform = world.connected { handlers = { count = COUNT } }
    for _, kind in ipairs { "42", "error", "co unt", "..", "count%00", "ä", ("x"):rep(65) } do
      platform:push(kind, '[{"id":1}]')
    end
    assert.are.equal(1, platform:call("count", 2).payload)
    assert.are.equal(1, #platform.results)
  end)

  it("as an answer to a result is survived", function()
    local _, platform = world.connected { handlers = { count = COUNT } }
    platform.confirms = false
    local result = platform:call("count", 1)
    local topic = "kp1/demo-v1/cex/T1/result/count/" .. math.tointeger(result.request_id)
    platform:publish(topic .. "/error", "no JSON")
    platform:publish(topic .. "/error", "[[[")
    platform:publish(topic .. "/status", ("x"):rep(100000))
    platform:publish("kp1/demo-v1/cex/T1/result/count/99999999999/status", "")
    platform:publish("kp1/demo-v1/cex/T1/result/count/0/status", "")
    platform:publish("kp1/demo-v1/cex/T1/command/count/1/error", '{"statusCode":"x"}')
    platform.confirms = true
    assert.are.equal(2, platform:call("count", 2).payload)
  end)
end)
