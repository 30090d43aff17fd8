local values = require "kaa.values"
local null = values.null

describe("kaa.values", function()
  it("knows null as cjson does", function()
    assert.equal(require("cjson").null, null)
    assert.is_false(values.is_array(null))
    assert.is_false(values.is_object(null))
  end)

  it("tells arrays from objects", function()
    local cases = { -- value, is_array, is_object, may_be_array
      { {}, false, true, true },
      { values.array {}, true, false, true },
      { { 1, 2 }, true, false, true },
      { values.array { 1 }, true, false, true },
      { { a = 1 }, false, true, false },
      { { 1, a = 2 }, false, false, false },
      { { 1, nil, 3 }, false, false, false },
      { { [2] = 1 }, false, false, false },
      { { [1.5] = 1 }, false, false, false },
      { { [0] = 1, 2 }, false, false, false },
      { setmetatable({}, {}), false, true, true },
      { setmetatable({}, { __len = function() return 3 end }), false, true, true },
      { "x", false, false, false },
      { 3, false, false, false },
    }
    for index, case in ipairs(cases) do
      local value = case[1]
      assert.same({ case[2], case[3], case[4] },
        { values.is_array(value), values.is_object(value), values.may_be_array(value) },
        "case " .. index)
    end
    assert.same({ false, false, false },
      { values.is_array(nil), values.is_object(nil), values.may_be_array(nil) })
  end)

  it("marks the table that it is given", function()
    local list = { 1 }
    assert.equal(list, values.array(list))
    assert.is_true(values.is_array(values.array()))
  end)

  it("copies tables in tables, with marks and cycles", function()
    local original = { list = values.array {}, deep = { deeper = { 1 } }, null = null }
    original.self = original
    local copy = values.copy(original)
    assert.are_not.equal(original.deep.deeper, copy.deep.deeper)
    assert.same({ 1 }, copy.deep.deeper)
    assert.is_true(values.is_array(copy.list))
    assert.equal(copy, copy.self)
    assert.equal(null, copy.null)
  end)

  it("copies no metatable but the mark: another may have a finalizer", function()
    local finalized, metatable = false, {}
    local original = setmetatable({ 1 }, metatable)
    metatable.__gc = function() finalized = true end
    assert.same({ 1 }, values.copy(original))
    assert.is_nil(getmetatable(values.copy(original)))
    collectgarbage()
    assert.is_false(finalized)
  end)
end)
