local locate = require "kaa.locate"

local TRICKY = [==[
#!/usr/bin/lua
-- return { summary = 1 }
--[[ return {
  summary = 2,
]] local other = { summary = 3 }
local function nested()
  if other then return { summary = 4 } end
end
return {
  summary = "a = b, { run = \" ", -- timeout_s = 2
  needs = { exec = { "/bin/a", '/bin/b\'', [[c
    return { ]] } }, ["quoted-key"] = 0x1p-3,
  ['it\'s'] = 1, [ [[long]] ] = 2,
  settings = {
    summary = { type = f { type = 1 } },
    settings = { settings = { type = "x" } },
    allow = { ["type"] = 1; },
  },
  run = function(c) local a, b = 1, 2; if a == b then return { timeout_s = 3 } end
    for i = 1, 2 do while a do b = 1 end end
    repeat local x = 1, 3 until (function() return true end)()
    goto done ::done::
  end,
  [1 + 1] = "computed", timeout_s
    = 4, 7,
  8,
  [30] = 1,
}
]==]

describe("kaa.locate", function()
  it("finds keys in a constructor", function()
    local cases = {
      { {}, 9 }, { { "summary" }, 10 }, { { "needs" }, 11 }, { { "needs", "exec" }, 11 },
      { { "needs", "exec", 2 }, 11 }, { { "needs", "exec", 3 }, 11 }, { { "quoted-key" }, 12 },
      { { "it's" }, 13 }, { { "long" }, 13 }, { { "settings" }, 14 },
      { { "settings", "summary", "type" }, 15 }, { { "settings", "settings", "settings", "type" }, 16 },
      { { "settings", "allow", "type" }, 17 }, { { "run" }, 19 }, { { "timeout_s" }, 24 },
      { { 1 }, 25 }, { { 2 }, 26 }, { { 30 }, 27 },
    }
    for _, case in ipairs(cases) do
      local name = table.concat(case[1], ".")
      assert.equal(case[2], locate.key(TRICKY, case[1]), name)
      assert.equal(case[2], locate.nearest(TRICKY, case[1]), name)
    end
  end)

  it("finds keys in each way to write the table", function()
    local cases = {
      { "local M <const> = {\n a = 1,\n b = { c = 2 } }\nreturn M", { "b", "c" }, 3 },
      { "return (\n{ a = 1,\n b = 2 })", { "b" }, 3 },
      { "return ({\n a = 1,\n b = 2 })", { "b" }, 3 },
      { "local M = {}\nM['a'] = 1\nM[ [[b]] ] = {\n c = 3 }\nreturn M", { "a" }, 2 },
      { "local M = {}\nM['a'] = 1\nM[ [[b]] ] = {\n c = 3 }\nreturn M", { "b", "c" }, 4 },
      { "local M = {}\nlocal o = { M = {} }\no.M.a = 1\no.M['a'] = 1\nM.a = 2\nreturn (M)", { "a" }, 5 },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[3], locate.key(case[1], case[2]), case[1])
    end
  end)

  it("reads a source once for many questions", function()
    local parts = {}
    for index = 1, 5000 do
      parts[index] = ("{ a = %d },"):format(index)
    end
    local outline = locate.outline("return {\n" .. table.concat(parts, "\n") .. "\n}")
    local start = os.clock()
    for index = 1, 5000 do
      assert.equal(index + 1, locate.key(outline, { index, "a" }))
    end
    assert.is_true(os.clock() - start < 1)
  end)

  it("gives the line of what holds a key that is not written", function()
    local cases = {
      { { "x" }, 9 }, { { 3 }, 9 }, { { "settings", "x" }, 14 }, { { "settings", "allow", "x", "y" }, 17 },
      { { "settings", "summary", "x" }, 15 }, { { "run", "x" }, 19 }, { { "needs", "exec", 4 }, 11 },
    }
    for _, case in ipairs(cases) do
      assert.is_nil(locate.key(TRICKY, case[1]))
      assert.equal(case[2], locate.nearest(TRICKY, case[1]), table.concat(case[1], "."))
    end
  end)

  it("takes the last of two keys of the same name, as Lua does", function()
    assert.equal(3, locate.key("return {\na = 1,\na = 2 }", { "a" }))
  end)

  it("follows a returned name", function()
    local source = [[
local other = { a = 1 }
local handler = { a = 1,
  b = { c = 2 } }
handler.d = 3
function handler.run(command)
  handler.e = 4
end
if handler.d == 3 then handler.f = 5 end
return handler]]
    local cases = { { { "a" }, 2 }, { { "b", "c" }, 3 }, { { "d" }, 4 }, { { "run" }, 5 },
      { { "e" }, nil }, { { "f" }, nil }, { {}, 9 } }
    for _, case in ipairs(cases) do
      assert.equal(case[2], locate.key(source, case[1]), table.concat(case[1], "."))
    end
    assert.equal(9, locate.nearest(source, { "e" }))
  end)

  it("finds nothing where no table is returned", function()
    for _, source in ipairs { "", "return", "return f(x)", "return setmetatable({ a = 1 }, m)", "x = { a = 1 }",
      "return function() return { a = 1 } end", "return {", "return { [", "return { a", "}}} return { b = 1 }",
      "return { a == 1 }", "return { 'a', \"", "return { --[[ a = 1 }", "return [[ { a = 1 }", "\255\0\1" } do
      assert.is_nil(locate.key(source, { "a" }), source)
    end
    assert.is_nil(locate.nearest(nil, { "a" }))
    assert.is_nil(locate.nearest("x = 1", { "a" }))
  end)

  it("takes a file of a megabyte", function()
    local filler = ("-- a comment\nlocal x = { 1, 'two', [[three]] }\n"):rep(25000)
    assert.equal(50002, locate.key(filler .. "return {\n  a = 1 }", { "a" }))
  end)

  it("knows the column, in bytes", function()
    local source = "local M = { a = 1,\n  --[[ é\n ]] b = { c = 2 } }\nM['d'] = 3\nreturn M"
    assert.same({ 1, 13 }, { locate.nearest(source, { "a" }) })
    assert.same({ 3, 5 }, { locate.nearest(source, { "b" }) })
    assert.same({ 3, 11 }, { locate.nearest(source, { "b", "c" }) })
    assert.same({ 3, 5 }, { locate.nearest(source, { "b", "nothing" }) })
    assert.same({ 4, 3 }, { locate.nearest(source, { "d" }) })
    assert.same({ 5, 1 }, { locate.nearest(source, {}) })
  end)
end)
