local pattern = require "kaa.pattern"

describe("kaa.pattern", function()
  it("accepts what string.find can use", function()
    for _, good in ipairs { "", "^%a+$", "[]]", "[^]]", "[%]]", "[%a-z]", "%b()", "%f[%w]", "(a)(b)", "()",
      "%%", "a-", "[[:x:]]", "%(", "[(]" } do
      assert.is_nil(pattern.fault(good), good)
      assert.is_true(pcall(string.find, "a(b)c]", good), good)
    end
  end)

  it("says what is wrong", function()
    local cases = {
      { "a%", "it ends with %" }, { "[a", "a [ is not closed" }, { "[]", "a [ is not closed" },
      { "[^]", "a [ is not closed" }, { "[%", "a [ is not closed" }, { "[%]", "a [ is not closed" },
      { "(a", "a ( is not closed" }, { "a)", "a ) without its (" }, { "%b(", "%b needs two characters" },
      { "%fa", "%f needs a set: %f[…]" }, { "(a)%1", "a pattern of a field has no use for %1" },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], pattern.fault(case[1]), case[1])
    end
  end)

  it("agrees with string.find on every short pattern", function()
    local alphabet = { "a", "%", "[", "]", "^", "(", ")", "-", "b", "f" }
    local subjects = { "", "a", "ab", "a]b", "[a", "^", "-", "f" }
    local function raises(words)
      for _, subject in ipairs(subjects) do
        if not pcall(string.find, subject, words) then
          return true
        end
      end
      return false
    end
    local function each(prefix, depth)
      if raises(prefix) then -- the other way round string.find may not notice
        assert.is_string(pattern.fault(prefix), prefix)
      end
      for _, char in ipairs(depth > 0 and alphabet or {}) do
        each(prefix .. char, depth - 1)
      end
    end
    each("", 4)
  end)
end)
