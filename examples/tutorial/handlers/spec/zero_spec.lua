local testing = require "kaa.testing"

describe("the tutorial's zero", function()
  it("reports zeros as telemetry, once a command", function()
    local device = testing.device("examples/tutorial/handlers/zero.lua")
    local status, reason, payload = device:command()
    assert.same({ 200, "OK", nil }, { status, reason, payload })
    assert.same({ { fuelLevel = 0, temperature = 0 } }, device.samples)
    device:command {}
    assert.equal(2, #device.samples)
  end)
end)
