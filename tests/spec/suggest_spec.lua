local suggest = require "kaa.suggest"

local NAMES = { "summary", "needs", "settings", "params", "timeout_s", "memory_mib", "run" }

describe("kaa.suggest", function()
  it("finds the nearest name", function()
    local cases = {
      { "sumary", "summary" }, { "settngs", "settings" }, { "setings", "settings" },
      { "param", "params" }, { "parmas", "params" }, { "timeout", "timeout_s" },
      { "memory", "memory_mib" }, { "memory_mb", "memory_mib" }, { "rnu", "run" }, { "Run", "run" },
      { "TIMEOUT_S", "timeout_s" }, { "nees", "needs" }, { "run", "run" },
      { "timeout_seconds", "timeout_s" },
    }
    for _, case in ipairs(cases) do
      assert.equal(case[2], suggest.nearest(case[1], NAMES), case[1])
    end
  end)

  it("stays silent where nothing is near", function()
    for _, word in ipairs { "colour", "x", "", "id", "handler", "ti", ("s"):rep(1000) } do
      assert.is_nil(suggest.nearest(word, NAMES), word)
    end
    assert.is_nil(suggest.nearest(3, NAMES))
    assert.is_nil(suggest.nearest(nil, NAMES))
    assert.is_nil(suggest.nearest("run", {}))
  end)

  it("prefers fewer slips, then the first in the list", function()
    assert.equal("taken", suggest.nearest("taken", { "token", "taken" }))
    assert.equal("token", suggest.nearest("tken", { "token", "taken" }))
    assert.equal("tokens", suggest.nearest("tokns", { "token_file", "tokens" }))
  end)
end)
