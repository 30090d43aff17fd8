-- The table of known escapes in lua/README.md says what tests/e2e/escapes tries: no row
-- without a test, no attack without a row.
package.path = "tests/e2e/?.lua;" .. package.path

-- The lists in the order of the table, each with the spec that runs it.
local LISTS = { "language", "limits", "files", "programs", "native", "neighbours" }

local STOPPED_BY = { "^Lua environment", "^limit by signal", "^killed process", "^processes",
  "^host's check", "^kernel" }

local function read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

--- The rows of the table, as they are written.
local function documented()
  local rows, table_text = {}, read "lua/README.md"
    :match "\n| what is tried | what stops it |\n|%-%-%-|%-%-%-|\n(.-)\n\n"
  for row in table_text:gmatch "[^\n]+" do
    rows[#rows + 1] = row
  end
  return rows
end

local function each_row(visit)
  for _, name in ipairs(LISTS) do
    for _, row in ipairs((require("escapes." .. name))) do
      visit(row, name)
    end
  end
end

local function is_known(stopped)
  for _, pattern in ipairs(STOPPED_BY) do
    if stopped:find(pattern) then
      return true
    end
  end
end

describe("the table of known escapes", function()
  it("has a row for each that is tried, and no other", function()
    local rows = {}
    each_row(function(row)
      rows[#rows + 1] = ("| %s | %s |"):format(row.tried, row.stopped)
    end)
    assert.same(rows, documented())
  end)

  it("has attacks in each row, with a handler and the answer that it gets", function()
    local seen, attacks = {}, 0
    each_row(function(row, list)
      assert.is_true(next(row.attacks) ~= nil, row.tried)
      assert.is_true(is_known(row.stopped), row.stopped)
      for name, attack in pairs(row.attacks) do
        assert.is_nil(seen[name], name .. " is there twice")
        assert.matches("^[%w_]+$", name)
        assert.is_true(math.type(attack[2]) == "integer" and attack[2] >= 200 and attack[2] < 600, name)
        assert.is_true(#attack[1] > 0 and #attack[3] > 0, name)
        seen[name], attacks = list, attacks + 1
      end
    end)
    assert.is_true(attacks >= 200, attacks .. " attacks")
  end)

  it("has a spec that runs each list", function()
    for _, name in ipairs(LISTS) do
      local spec = read(("tests/e2e/escape_%s_spec.lua"):format(name))
      assert.is_truthy(spec:find(("require %q"):format("escapes." .. name), 1, true), name)
      assert.is_truthy(spec:find("escape.tries(rows", 1, true), name)
    end
  end)
end)
