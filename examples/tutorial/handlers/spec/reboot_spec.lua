local testing = require "kaa.testing"

describe("the tutorial's reboot", function()
  it("answers Success and executes nothing", function()
    local device = testing.device("examples/tutorial/handlers/reboot.lua")
    local status, reason, payload = device:command()
    assert.same({ 200, "OK", "Success" }, { status, reason, payload })
    assert.same({}, device.executed)
  end)
end)
