local text = require "kaa.text"
local values = require "kaa.values"

describe("kaa.text", function()
  it("makes one line of valid UTF-8", function()
    local cases = {
      { "Slot taken", "Slot taken" },
      { "", "" },
      { " kept ", " kept " },
      { "a\nb", "a b" },
      { "a\r\n\tb", "a b" },
      { "\nfirst\n", "first" },
      { "\0\1\2", "" },
      { "a\127b", "a b" },
      { "naïve é 😀", "naïve é 😀" },
      { "a\u{85}b\u{9f}c", "a b c" },
      { "a\u{2028}b\u{2029}", "a b" },
      { "a\xffb", "a\u{FFFD}b" },
      { "\xc3", "\u{FFFD}" },
      { "\xed\xa0\x80", "\u{FFFD}\u{FFFD}\u{FFFD}" }, -- a surrogate
      { "\xc0\x80", "\u{FFFD}\u{FFFD}" }, -- overlong
      { "\xf4\x90\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}" }, -- over U+10FFFF
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], text.one_line(case[1], 256))
    end
  end)

  it("cuts at a character, never over the limit", function()
    assert.equal(("a"):rep(256), text.one_line(("a"):rep(300), 256))
    assert.equal(("é"):rep(128), text.one_line(("é"):rep(300), 256))
    assert.equal("a" .. ("é"):rep(127), text.one_line("a" .. ("é"):rep(300), 256))
    assert.equal(("😀"):rep(63) .. "abc", text.one_line(("😀"):rep(63) .. "abc" .. "😀", 256))
    assert.equal("", text.one_line("😀", 3))
    for length = 0, 40 do
      local line = text.one_line(("x"):rep(length) .. ("\xf0"):rep(40) .. ("😀"):rep(400), 64)
      assert.is_true(#line <= 64)
      assert.is_truthy(utf8.len(line))
    end
  end)

  it("deals with megabytes", function()
    local line = text.one_line(("\xff"):rep(4 << 20), 256)
    assert.equal(("\u{FFFD}"):rep(85), line)
  end)

  it("says what a value is", function()
    local cases = {
      { 3, "3" }, { 3.0, "3.0" }, { 0 / 0, "NaN" }, { true, "true" }, { false, "false" },
      { "a", '"a"' }, { 'a"b\\', '"a\\"b\\\\"' }, { "a\nb", '"a b"' }, { values.null, "null" },
      { {}, "an empty table" }, { values.array {}, "an empty array" }, { { 1 }, "an array" },
      { { a = 1 }, "a table" }, { { 1, a = 1 }, "a table with names and numbers as keys" },
      { print, "a function" }, { coroutine.create(print), "a thread" },
      { ("x"):rep(50), '"' .. ("x"):rep(40) .. '…"' },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], text.show(case[1]))
    end
    assert.equal("nothing", text.show(nil))
  end)

  it("writes paths", function()
    assert.equal("", text.path {})
    assert.equal("settings.taken[2].pin", text.path { "settings", "taken", 2, "pin" })
    assert.equal("settings.switch-light", text.path { "settings", "switch-light" })
    assert.equal('settings["a b"]', text.path { "settings", "a b" })
    assert.equal("[1]", text.path { 1 })
    assert.equal("[true]", text.path { true })
  end)

  it("sorts keys of every kind", function()
    assert.same({ 1, 2, 10, "a", "b" }, text.sorted_keys { a = 1, b = 1, [10] = 1, [2] = 1, [1] = 1 })
    assert.equal(3, #text.sorted_keys { [true] = 1, [{}] = 1, x = 1 })
  end)
end)
