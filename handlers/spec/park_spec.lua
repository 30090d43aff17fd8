local testing = require "kaa.testing"

local function park(settings)
  return testing.device("handlers/park.lua", { settings = settings })
end

describe("park", function()
  it("parks in the slot that the payload names", function()
    for _, payload in ipairs { { slot = 3 }, 3, 3.0 } do
      local status, reason, answer = park():command(payload)
      assert.same({ 200, "OK", { slot = 3 } }, { status, reason, answer })
      assert.equal("integer", math.type(answer.slot))
    end
  end)

  it("answers 409 where the slot is taken", function()
    local device = park { taken = { 1, 3 } }
    for _, payload in ipairs { { slot = 3 }, 3 } do
      local status, reason, answer = device:command(payload)
      assert.same({ 409, "Slot taken", { slot = 3 } }, { status, reason, answer })
    end
  end)

  it("takes the first free slot where the payload names none", function()
    local device = park { taken = { 2, 1 } }
    for _, payload in ipairs { {}, { slot = require("kaa.values").null } } do
      assert.same({ slot = 3 }, (select(3, device:command(payload))))
    end
    assert.same({ slot = 3 }, (select(3, device:command())))
  end)

  it("answers 409 where all slots are taken", function()
    local status, reason, answer = park({ slots = 2, taken = { 1, 2 } }):command()
    assert.same({ 409, "All slots taken", nil }, { status, reason, answer })
  end)

  it("answers 400 to what is no slot", function()
    for _, payload in ipairs { 0, 11, -1, 2.5, "3", true, { slot = "3" }, { slot = {} } } do
      local status, reason = park():command(payload)
      assert.same({ 400, "slot: expected integer from 1 to 10" }, { status, reason })
    end
  end)

  it("refuses settings that it does not know", function()
    assert.error_matches(function()
      park { taken = 3 }
    end, "settings.park.taken: expected array, got 3 %(in the configuration%)")
  end)
end)
