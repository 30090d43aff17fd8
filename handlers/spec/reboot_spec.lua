local testing = require "kaa.testing"

local SYSTEMD = "/usr/bin/systemctl reboot"

local function reboot(settings, exec)
  return testing.device("handlers/reboot.lua", { settings = settings, exec = exec })
end

describe("reboot", function()
  it("is off unless the configuration allows it", function()
    for _, settings in ipairs { {}, { allow = false } } do
      local device = reboot(settings)
      local status, reason = device:command()
      assert.equal(403, status)
      assert.equal("Rebooting is off: set settings.reboot.allow in the configuration", reason)
      assert.same({}, device.executed)
      assert.is_nil(device.waiting)
    end
  end)

  it("waits for the device to be back, and answers how long it was away", function()
    local device = reboot({ allow = true }, { [SYSTEMD] = { code = 0 } })
    assert.same({}, { device:command() })
    assert.same({ { "/usr/bin/systemctl", "reboot" } }, device.executed)
    assert.equal("reboot", device.waiting)
    assert.same({ 200, "OK", { away_s = 41.5 } }, { device:resume(41.5) })
  end)

  it("leaves the time out where the clock cannot be trusted", function()
    local device = reboot({ allow = true, within_s = 60 }, { [SYSTEMD] = { code = 0 } })
    device:command()
    local status, reason, payload = device:resume()
    assert.same({ 200, "OK", {} }, { status, reason, payload })
  end)

  it("answers 500 with the reason where rebooting fails", function()
    local device = reboot({ allow = true }, {
      [SYSTEMD] = { code = 1, stderr = "Access denied\nmore\n" },
    })
    local status, reason, payload = device:command()
    assert.equal(500, status)
    assert.matches("systemctl exited with 1: Access denied", reason, 1, true)
    assert.is_nil(payload)
  end)

  it("executes nothing but what reboots", function()
    local device = reboot { allow = true, command = { "/bin/sh", "-c", "id" } }
    local status, reason = device:command()
    assert.equal(500, status)
    assert.matches('"/bin/sh"', reason, 1, true)
    assert.same({}, device.executed)
  end)
end)
