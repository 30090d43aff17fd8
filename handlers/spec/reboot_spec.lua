local testing = require "kaa.testing"

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
    end
  end)

  it("schedules the reboot and answers", function()
    local device = reboot({ allow = true }, { ["/usr/sbin/shutdown -r +1"] = { code = 0 } })
    local status, reason, payload = device:command()
    assert.same({ 200, "OK", "Rebooting" }, { status, reason, payload })
    assert.same({ { "/usr/sbin/shutdown", "-r", "+1" } }, device.executed)
  end)

  it("leaves a command that waits by itself behind", function()
    local detached
    local device = reboot({ allow = true, detach = true, command = { "/sbin/reboot", "-d", "5" } },
      function(_, options)
        detached = options.detach
        return { code = 0 }
      end)
    assert.equal(200, (device:command()))
    assert.is_true(detached)
    assert.same({ { "/sbin/reboot", "-d", "5" } }, device.executed)
  end)

  it("answers 500 with the reason where rebooting fails", function()
    local device = reboot({ allow = true }, {
      ["/usr/sbin/shutdown -r +1"] = { code = 1, stderr = "Access denied\nmore\n" },
    })
    local status, reason, payload = device:command()
    assert.same({ 500, "shutdown exited with 1: Access denied", nil }, { status, reason, payload })
  end)

  it("executes nothing but what reboots", function()
    local device = reboot { allow = true, command = { "/bin/sh", "-c", "id" } }
    local status, reason = device:command()
    assert.equal(500, status)
    assert.matches('"/bin/sh"', reason, 1, true)
    assert.same({}, device.executed)
  end)
end)
