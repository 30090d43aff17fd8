local result = require "kaa.result"
local null = require("kaa.values").null

--- Normalises what a handler's function returns.
local function normalise(...)
  return table.pack(result.normalise(select("#", ...), ...))
end

describe("kaa.result.normalise", function()
  it("accepts each form of a result", function()
    local table_payload = { 1 }
    local cases = { -- returned, status, reason, payload
      { table.pack(), 200, "OK" },
      { table.pack(nil), 200, "OK" },
      { table.pack(true), 200, "OK" },
      { table.pack(true, nil), 200, "OK" },
      { table.pack(nil, nil, nil), 200, "OK" },
      { table.pack(200), 200, "OK" },
      { table.pack(200.0), 200, "OK" },
      { table.pack(404), 404, "Not Found" },
      { table.pack(409, nil, nil), 409, "Conflict" },
      { table.pack(100), 100, "Continue" },
      { table.pack(599), 599, "Error" },
      { table.pack(299), 299, "OK" },
      { table.pack(418), 418, "Error" },
      { table.pack(409, "Slot taken"), 409, "Slot taken" },
      { table.pack(200, "", 1), 200, "OK", 1 },
      { table.pack(409, " \u{85}\r\n"), 409, "Conflict" },
      { table.pack(200, "a\u{2028}b\u{85}c"), 200, "a b c" },
      { table.pack(200, nil, "x"), 200, "OK", "x" },
      { table.pack(200, "OK", table_payload), 200, "OK", table_payload },
      { table.pack(200, "OK", null), 200, "OK", null },
      { table.pack(200, "OK", false), 200, "OK", false },
      { table.pack(200, "OK", 0), 200, "OK", 0 },
      { table.pack(200, "OK", ""), 200, "OK", "" },
      { table.pack(200, "OK", nil, nil), 200, "OK" },
      { table.pack(nil, "no such pin"), 500, "no such pin" },
      { table.pack(false, "no such pin"), 500, "no such pin" },
      { table.pack(nil, "no such file", 2), 500, "no such file" },
      { table.pack(nil, "failed", {}, print, 5), 500, "failed" },
      { table.pack(nil, ""), 500, "Internal Server Error" },
    }
    for index, case in ipairs(cases) do
      local returned = case[1]
      local status, reason, payload = result.normalise(returned.n, table.unpack(returned, 1, returned.n))
      assert.same({ case[2], case[3], case[4] }, { status, reason, payload }, "case " .. index)
      assert.equal("integer", math.type(status))
      assert.equal(case[4], payload)
    end
  end)

  it("refuses many values at once", function()
    local many = {}
    for index = 1, 10 do
      many[index] = index
    end
    local start = os.clock()
    local status, message = result.normalise(1000000000, table.unpack(many))
    assert.is_nil(status)
    assert.equal('returned 1000000000 values, a result has three; write: return 200, "OK", (payload)',
      message)
    assert.is_true(os.clock() - start < 1)
  end)

  it("shows the line to write instead of anything else", function()
    local nan = 0 / 0
    local cases = {
      { table.pack "done", 'returned a string; write: return 200, "OK", "…"' },
      { table.pack "200", 'returned the text "200"; write: return 200, "OK"' },
      { table.pack("404", "gone"), 'returned the text "404"; write: return 404, "Not Found"' },
      { table.pack {}, 'returned a table; write: return 200, "OK", { … }' },
      { table.pack(print), 'returned a function; write: return 200, "OK", payload' },
      { table.pack(null), 'returned null; write: return 200, "OK", payload' },
      { table.pack(false), 'returned false without a reason; write: return nil, "what went wrong"' },
      { table.pack(false, 3), 'returned false and 3; write: return nil, "what went wrong"' },
      { table.pack(nil, 3), 'returned nil and 3; write: return nil, "what went wrong"' },
      { table.pack(nil, nil, 3), 'returned nil and nil; write: return nil, "what went wrong"' },
      { table.pack(nil, {}), 'returned nil and a table; write: return nil, "what went wrong"' },
      { table.pack(true, "x"), 'returned true and a string; write: return 200, "OK", "…"' },
      { table.pack(true, {}), 'returned true and a table; write: return 200, "OK", { … }' },
      { table.pack(99), 'returned 99, which is no status from 100 to 599; write: return 200, "OK", 99' },
      { table.pack(600), 'returned 600, which is no status from 100 to 599; write: return 200, "OK", 600' },
      { table.pack(0), 'returned 0, which is no status from 100 to 599; write: return 200, "OK", 0' },
      { table.pack(-200), 'returned -200, which is no status from 100 to 599; write: return 200, "OK", -200' },
      { table.pack(200.5), 'returned 200.5, which is no status from 100 to 599; write: return 200, "OK", 200.5' },
      { table.pack(nan), 'returned NaN, which is no status from 100 to 599; write: return 200, "OK", payload' },
      { table.pack(1 / 0), 'returned inf, which is no status from 100 to 599; write: return 200, "OK", payload' },
      { table.pack(200, {}), 'returned 200 and a table; write: return 200, "OK", { … }' },
      { table.pack(200, 5), 'returned 200 and 5; write: return 200, "OK", 5' },
      { table.pack(409, false), 'returned 409 and false; write: return 409, "Conflict", false' },
      { table.pack(200, null), 'returned 200 and null; write: return 200, "OK", payload' },
      { table.pack(200, "OK", "a", 1), 'returned 4 values, a result has three; write: return 200, "OK", (payload)' },
    }
    for _, case in ipairs(cases) do
      local returned = case[1]
      assert.same({ n = 2, nil, case[2] }, normalise(table.unpack(returned, 1, returned.n)))
    end
  end)

  it("makes a reason one line of at most 256 bytes", function()
    local cases = {
      { "two\nlines", "two lines" }, { "line\r\n", "line" }, { "bad \xff byte", "bad \u{FFFD} byte" },
      { ("a"):rep(300), ("a"):rep(256) }, { ("é"):rep(150), ("é"):rep(128) },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], normalise(200, case[1])[2])
      assert.equal(case[2], normalise(nil, case[1])[2])
      assert.equal(case[2], select(2, result.failure { status = 409, reason = case[1] }))
    end
  end)
end)

describe("kaa.result.failure", function()
  it("answers as the raised table says", function()
    local payload = {}
    local cases = {
      { { status = 409, reason = "Slot taken", payload = payload }, 409, "Slot taken", payload },
      { { status = 409 }, 409, "Conflict" },
      { { status = 409.0, payload = false }, 409, "Conflict", false },
      { { status = 200, reason = "done early", payload = null }, 200, "done early", null },
    }
    for index, case in ipairs(cases) do
      assert.same({ case[2], case[3], case[4] }, { result.failure(case[1]) }, "case " .. index)
    end
  end)

  it("leaves messages to the caller", function()
    assert.is_nil(result.failure "park.lua:3: boom")
    assert.is_nil(result.failure(42))
    assert.is_nil(result.failure(setmetatable({}, { __tostring = function() return "own" end })))
  end)

  it("says what would be right of anything else", function()
    local hint = '; write: error { status = 409, reason = "…" }'
    local cases = {
      { nil, 'raised nil; write: error("what went wrong")' },
      { true, 'raised true; write: error("what went wrong")' },
      { print, 'raised a function; write: error("what went wrong")' },
      { {}, "raised a table with nothing as its status" .. hint },
      { { code = 3 }, "raised a table with nothing as its status" .. hint },
      { { status = "409" }, 'raised a table with "409" as its status' .. hint },
      { { status = 99 }, "raised a table with 99 as its status" .. hint },
      { { status = 409, reason = {} }, "raised a table with an empty table as its reason" .. hint },
      { setmetatable({}, { __index = { status = 409 } }), "raised a table with nothing as its status" .. hint },
    }
    for index = 1, 9 do
      assert.same({ 500, cases[index][2] }, { result.failure(cases[index][1]) })
    end
  end)
end)

describe("kaa.result.fail", function()
  local function failed(...)
    return select(2, pcall(result.fail, ...))
  end

  it("raises what failure understands", function()
    assert.same({ 409, "Slot taken", { slot = 3 } },
      { result.failure(failed(409, "Slot taken", { slot = 3 })) })
    assert.same({ 404, "Not Found" }, { result.failure(failed(404)) })
    assert.same({ 404, "Not Found" }, { result.failure(failed(404.0)) })
    assert.equal("409 Slot taken", tostring(failed(409, "Slot taken")))
  end)

  it("hides its metatable, to which a finalizer could be added", function()
    assert.equal("kaa.failure", getmetatable(failed(409)))
  end)

  it("names the right call at the line of a wrong one", function()
    local run = load('local fail = ...\nfail("x")', "@park.lua")
    assert.equal('park.lua:2: kaa.fail takes a status from 100 to 599, got "x"; write: kaa.fail(409, "…")',
      select(2, pcall(run, result.fail)))
    assert.matches('takes a text as its reason, got a table; write: kaa.fail(409, "Conflict", { … })',
      failed(409, { slot = 3 }), 1, true)
    assert.matches("takes a status from 100 to 599, got nothing", failed(), 1, true)
  end)
end)
